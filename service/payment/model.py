"""Attempts and refunds as the core sees them. Amounts are integer fen, times aware UTC."""

from datetime import datetime

import msgspec

from integrations.ports.payments import CodeShape, ProviderName
from service.payment.states import AttemptState, RefundState


class NewAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to make. ``purpose``: ``MAIN``, ``DIFFERENCE``; ``way``: one of ``rules.WAYS``.

    ``payer`` is the provider's id of the payer for ``jsapi`` and ``mixed``, the address of the
    payer's browser for ``h5``; the other ways need none.
    """

    record_id: int
    settlement_id: int
    institution_id: int
    provider: str
    way: str
    purpose: str
    amount_fen: int
    payer: str | None
    expires_at: datetime


class TakenAtCounter(msgspec.Struct, frozen=True, kw_only=True):
    """Money that a cashier took: ``provider`` is ``cash`` or ``pos``. The caller made the id, so
    that its own books name the attempt before it is written."""

    record_id: int
    attempt_id: int
    settlement_id: int
    institution_id: int
    provider: str
    purpose: str
    amount_fen: int
    provider_ref: str
    """What the payer's slip says; for cash the number of the cashier's entry."""


class CountedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit or a relief that a settlement counts as paid."""

    record_id: int
    settlement_id: int
    institution_id: int
    provider: str
    """Of ``ledger.model.COUNTED``."""
    amount_fen: int
    ref: str
    """The settlement by which the deposit was paid; the relief's programme."""
    since: datetime
    """Where it stands among the payments, which are in the order of paying."""


class PaymentAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One order at one provider, under our trade number.

    ``account_name`` is set before the first call and never changes afterwards.
    ``refunding_fen`` is promised to the payer but not confirmed yet, ``refunded_fen`` is confirmed;
    together they never exceed ``amount_fen``.
    """

    record_id: int
    attempt_id: int
    settlement_id: int
    institution_id: int
    provider: str
    account_name: str | None
    way: str
    purpose: str
    trade_no: str
    amount_fen: int
    refunding_fen: int
    refunded_fen: int
    state: AttemptState
    payer_sealed: bytes | None
    client_sealed: bytes | None
    provider_ref: str | None
    paid_at: datetime | None
    expires_at: datetime
    asked_at: datetime | None
    due_at: datetime | None
    tries: int
    created_at: datetime
    version: int
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.attempt_id,
            self.settlement_id,
            self.institution_id,
            self.provider,
            self.account_name,
            self.way,
            self.purpose,
            self.trade_no,
            self.amount_fen,
            self.refunding_fen,
            self.refunded_fen,
            self.state.value,
            self.payer_sealed,
            self.client_sealed,
            self.provider_ref,
            self.paid_at,
            self.expires_at,
            self.asked_at,
            self.due_at,
            self.tries,
            self.created_at,
            self.version,
        ]

    @property
    def refundable_fen(self) -> int:
        """What may still be promised back."""
        return self.amount_fen - self.refunding_fen - self.refunded_fen


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back, under our refund number. One ``cause`` gives one refund an attempt."""

    record_id: int
    refund_id: int
    attempt_id: int
    settlement_id: int
    institution_id: int
    provider: str
    refund_no: str
    trade_no: str
    amount_fen: int
    cause: str
    state: RefundState
    provider_ref: str | None
    refunded_at: datetime | None
    due_at: datetime | None
    tries: int
    created_at: datetime
    version: int
    row_mac: bytes

    def mac_parts(self) -> list[int | str | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.refund_id,
            self.attempt_id,
            self.settlement_id,
            self.institution_id,
            self.provider,
            self.refund_no,
            self.trade_no,
            self.amount_fen,
            self.cause,
            self.state.value,
            self.provider_ref,
            self.refunded_at,
            self.due_at,
            self.tries,
            self.created_at,
            self.version,
        ]


class InsuredShare(msgspec.Struct, frozen=True, kw_only=True):
    """What the bureau's order says of a bill whose own part is paid in a mixed order.

    ``authorisation`` lives minutes; it and the person are kept, sealed, until the order stands.
    """

    order_ref: str
    """The payment centre's number of its order."""
    order_no: str
    """The same order's number of ours, at most 20 letters and digits."""
    authorisation: str
    location: str
    """Longitude and latitude of the payer."""
    name: str
    id_no: str
    scene: str
    """``registration`` or ``outpatient``."""
    ordered_at: datetime
    fund_fen: int
    account_fen: int
    cash_fen: int

    def __repr__(self) -> str:
        return f"InsuredShare(order_ref={self.order_ref!r})"

    @property
    def total_fen(self) -> int:
        """What insurance and payer pay together; what the hospital bears is no part of it."""
        return self.fund_fen + self.account_fen + self.cash_fen


class MixedFile(msgspec.Struct, frozen=True, kw_only=True):
    """``mixed``: what is kept of the order, sealed."""

    share: InsuredShare
    prepay_ref: str | None = None
    mixed_ref: str | None = None
    """The provider's number of the order of two legs; None until it stands."""


class ShownQr(msgspec.Struct, frozen=True):
    """``native``: a text that the payer scans as a QR."""

    qr_text: str


class ClientCall(msgspec.Struct, frozen=True):
    """``jsapi``, ``mixed``: the parameters of the mini-program's pay call, signed."""

    parameters: dict[str, str]


class PayPage(msgspec.Struct, frozen=True):
    """``h5``: the provider's page, which the payer's browser opens."""

    link: str


class PayerConfirms(msgspec.Struct, frozen=True):
    """``code``: the provider asks the payer for his password on his own phone."""


class Refusal(msgspec.Struct, frozen=True):
    """The provider refused; ``reason`` is the port's word."""

    reason: str


Presentation = ShownQr | ClientCall | PayPage | PayerConfirms | Refusal
"""What the payer's device shows or needs now."""


class Way(msgspec.Struct, frozen=True):
    """A way to pay that an institution offers."""

    provider: str
    way: str
    name: ProviderName | None = None
    """What payers call the provider; None where the pages know it by their own words."""
    shape: CodeShape | None = None
    """Of the way ``code``: what such codes look like."""


class RowKey(msgspec.Struct, frozen=True):
    """Which attempt or refund."""

    record_id: int
    row_id: int


class PaymentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Body of the ``payment.*`` topics. ``attempt_id`` is public text."""

    attempt_id: str
    purpose: str
    amount_fen: int


class RefundFacts(PaymentFacts, frozen=True, kw_only=True):
    """Body of the ``refund.*`` topics: ``amount_fen`` is the refund's. ``late-payment`` as cause
    means a payment on a closed attempt that this feature gave back by itself."""

    cause: str
    provider: str
    refund_id: str
