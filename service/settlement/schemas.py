"""What travels: settlements, their payment, and a hospital's acknowledgement."""

from datetime import datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec

from integrations.ports.money import FEN_MAX, FenField
from integrations.ports.payments import CodeShape, ProviderName
from service.kernel.context import Context
from service.payment.model import ClientCall, PaymentAttempt, PayPage, Refusal, ShownQr, Way
from service.payment.rules import CODE
from service.settlement.model import Channel, Place, Settlement, SettlementView
from service.settlement.states import PAYABLE

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ShownCode = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{16,24}$(?!\n)")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-z_]{1,64}$(?!\n)")]
PaidFenField = Annotated[int, msgspec.Meta(ge=1, le=FEN_MAX)]


class StartRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the payer wants the bill settled."""

    use_account: bool
    """Whether the personal insurance account pays its part."""
    insured: bool
    """False: everything out of the payer's own pocket."""


class TerminalStartRequest(StartRequest, forbid_unknown_fields=True, kw_only=True):
    """The same at a terminal, for one of the bills that the scan shows."""

    bill_id: Text


class PaymentRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """By which provider and way: ``jsapi`` inside the mini-program, ``h5`` on the provider's page,
    ``native`` by a shown QR, ``code`` by the payer's own code."""

    provider: Word
    way: Word
    amount_fen: PaidFenField | None = None
    """A part of what is owed; left out, all of it."""


class TerminalPaymentRequest(PaymentRequest, forbid_unknown_fields=True, kw_only=True):
    """The same at a terminal."""

    code: ShownCode | None = None
    """The payment code that the payer's phone showed to the scanner; for the way ``code`` alone."""

    def __post_init__(self) -> None:
        if (self.way == CODE) != (self.code is not None):
            raise ValueError("a code goes with the way `code`, and only with it")


class WayAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One way to pay. ``name`` is told of providers that pages have no words of their own for,
    ``shape`` of the way ``code``: what the codes in the provider's app look like."""

    provider: str
    way: str
    name: ProviderName | None = None
    shape: CodeShape | None = None


class WaysAnswer(msgspec.Struct, kw_only=True):
    """The ways in which this settlement can be paid here; of each provider that collects for the
    institution, those that its merchant account has."""

    ways: list[WayAnswer]

    @classmethod
    def of(cls, ways: list[Way]) -> "WaysAnswer":
        """In the order given."""
        return cls(ways=msgspec.convert(ways, list[WayAnswer], from_attributes=True))


class TakeOverRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``held.since`` of the settlement as the asker saw it: of two who ask at once one is late."""

    held_since: datetime


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """An empty object."""


class PostingRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The hospital's own number of the entry."""

    hospital_ref: Text
    bill_version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Which version of the bill was posted; needed after a correction."""


class PaymentAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The newest order for this settlement and what the payer's device needs for it."""

    state: str
    provider: str
    way: str
    amount_fen: FenField
    expires_at: datetime
    qr_text: str | None = None
    qr_svg: str | None = None
    client_parameters: dict[str, str] | None = None
    link: str | None = None
    """The provider's page, for the payer's browser."""
    refusal: str | None = None
    """A fixed word: why the provider refused. ``code-invalid`` and ``payer-cannot-pay`` are the
    payer's to mend."""
    cashier_url: str | None = None
    """The sandbox's cashier page."""

    @classmethod
    def of(cls, ctx: Context, view: SettlementView, *, is_own: bool) -> "PaymentAnswer | None":
        """None before anybody wanted to pay. A client's secrets are for the payer himself."""
        attempt = view.attempt
        if attempt is None:
            return None
        answer = cls(
            state=attempt.state.value,
            provider=attempt.provider,
            way=attempt.way,
            amount_fen=attempt.amount_fen,
            expires_at=attempt.expires_at,
        )
        page = (ctx.policy.cashier_url or "").replace("{provider}", attempt.provider)
        match view.presentation:
            case ShownQr(qr_text):
                answer.qr_text = qr_text
                answer.cashier_url = _cashier(page, code_url=qr_text)
            case PayPage(link) if is_own:
                answer.link = link
                # A provider's true address leads nowhere from the sandbox; a twin's own leads on.
                if urlsplit(link).netloc != urlsplit(page).netloc:
                    answer.cashier_url = _cashier(page, code_url=link)
            case ClientCall(parameters) if is_own:
                answer.client_parameters = parameters
                package = parameters.get("package")
                answer.cashier_url = f"{page}?{package}" if page and package else None
            case Refusal(reason):
                answer.refusal = reason
            case _:
                pass
        return answer


def _cashier(page: str, *, code_url: str) -> str | None:
    return f"{page}?code_url={quote(code_url, safe='')}" if page else None


class TenderAnswer(msgspec.Struct, kw_only=True):
    """One payment that took money: of a provider, ``cash`` or ``pos``."""

    provider: str
    way: str
    amount_fen: FenField
    refunded_fen: FenField
    """Given back for certain."""
    returning_fen: FenField
    """Promised back: on its way, or waiting at the counter."""

    @classmethod
    def of(cls, paid: PaymentAttempt) -> "TenderAnswer":
        """From the payment as it stands."""
        return cls(
            provider=paid.provider,
            way=paid.way,
            amount_fen=paid.amount_fen,
            refunded_fen=paid.refunded_fen,
            returning_fen=paid.refunding_fen,
        )


class HeldAnswer(msgspec.Struct, kw_only=True):
    """Where a settlement is dealt with: ``channel`` is PHONE, KIOSK or COUNTER."""

    channel: str
    since: datetime
    here: bool
    """Whether that is where the question comes from."""
    alone: bool
    """It was taken over: no other place pays, confirms or gives up. Else other places of the
    payer's may join in."""

    @classmethod
    def of(cls, row: Settlement, place: Place) -> "HeldAnswer":
        """For whoever asks from ``place``."""
        return cls(
            channel=row.channel.value,
            since=row.held_since,
            here=row.is_held_at(place),
            alone=row.taken_over_at is not None,
        )


class SettlementAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a settlement stands. Amounts are integer fen; the parts add up to the total."""

    settlement_id: str
    bill_id: str
    state: str
    total_fen: FenField
    paid_fen: FenField
    refunded_fen: FenField
    receipt: bool
    updated_at: datetime
    held: HeldAnswer
    reason: str | None = None
    """A fixed word: why it is undone, or what is being looked at."""
    reason_text: str | None = None
    """The insurance bureau's own words for a refusal."""
    fund_fen: FenField | None = None
    account_fen: FenField | None = None
    cash_fen: FenField | None = None
    cover_fen: FenField | None = None
    """What a commercial insurer bears; told where the bill names one."""
    cover_declined: str | None = None
    """A fixed word: why it bears nothing."""
    hospital_fen: FenField | None = None
    deadline_at: datetime | None = None
    owed_fen: FenField | None = None
    """What the payer still owes, once the division is known."""
    payment: PaymentAnswer | None = None
    tenders: list[TenderAnswer] = []
    """What was paid, in the order of paying."""

    @classmethod
    def of(cls, ctx: Context, view: SettlementView, place: Place) -> "SettlementAnswer":
        """For the resident himself on his phone, or for a terminal: it gets no client's secrets."""
        row = view.settlement
        is_own = place.channel is Channel.PHONE
        return cls(
            settlement_id=ctx.public_ids.text(row.record_id, row.settlement_id),
            bill_id=ctx.public_ids.text(row.record_id, row.bill_id),
            state=row.state.value,
            total_fen=row.total_fen,
            paid_fen=row.paid_fen,
            refunded_fen=row.refunded_fen,
            receipt=view.receipt is not None,
            updated_at=row.updated_at,
            held=HeldAnswer.of(row, place),
            reason=row.reason,
            reason_text=view.refusal_text if is_own else None,
            fund_fen=row.fund_fen,
            account_fen=row.account_fen,
            cash_fen=row.cash_fen,
            cover_fen=row.cover_fen,
            cover_declined=view.cover_declined,
            hospital_fen=row.hospital_fen,
            deadline_at=row.deadline_at if row.state in PAYABLE else None,
            owed_fen=_owed_fen(view),
            payment=PaymentAnswer.of(ctx, view, is_own=is_own),
            tenders=[TenderAnswer.of(one) for one in view.tenders],
        )


def _owed_fen(view: SettlementView) -> int | None:
    row = view.settlement
    if row.cash_fen is None or row.state not in PAYABLE:
        return None
    kept_fen = sum(one.refundable_fen for one in view.tenders)
    return max(0, row.cash_fen - kept_fen)


class PostableAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A settlement as its hospital posts it."""

    settlement_id: str
    bill_no: str
    state: str
    total_fen: FenField
    fund_fen: FenField
    account_fen: FenField
    cash_fen: FenField
    hospital_fen: FenField
    bill_version: int
    settled_at: datetime
    insurance_ref: str | None = None
    provider_ref: str | None = None
    hospital_ref: str | None = None
    cover_fen: FenField = 0
    """What a commercial insurer bears, beside the four parts."""

    @classmethod
    def of(cls, ctx: Context, row: Settlement, bill_no: str) -> "PostableAnswer":
        """A settled settlement: its amounts are definite."""
        return cls(
            settlement_id=ctx.public_ids.text(row.record_id, row.settlement_id),
            bill_no=bill_no,
            state=row.state.value,
            total_fen=row.total_fen,
            fund_fen=row.fund_fen or 0,
            account_fen=row.account_fen or 0,
            cash_fen=row.cash_fen or 0,
            hospital_fen=row.hospital_fen or 0,
            bill_version=row.bill_version,
            settled_at=row.settled_at or row.updated_at,
            insurance_ref=row.settlement_ref,
            provider_ref=row.provider_ref,
            hospital_ref=row.hospital_ref,
            cover_fen=row.cover_fen or 0,
        )


class PostableList(msgspec.Struct, kw_only=True):
    """Settlements of the institution."""

    settlements: list[PostableAnswer]
