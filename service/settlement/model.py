"""Settlements, how far they got with the bureau, and what callers may ask."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from crypto.canonical import Value
from integrations.ports.insurance import CallId, Insured, Settled, Split
from integrations.ports.insurance_inpatient import Scope
from integrations.ports.insurance_mobile import MobileOrder, PayerProof
from service.bill.model import Relief, Stay
from service.bill.states import BillKind
from service.kernel.masked import Masked
from service.payment.model import PaymentAttempt, Presentation
from service.receipt.model import Receipt
from service.settlement.cover.model import Cover
from service.settlement.states import SettlementState
from service.shift.model import Slip, Tender


class Channel(StrEnum):
    """Where the settlement was started."""

    PHONE = "PHONE"
    KIOSK = "KIOSK"
    COUNTER = "COUNTER"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody deals with a settlement: a terminal, or any phone of the payer's."""

    channel: Channel
    terminal_id: int | None = None
    account_id: int | None = None


PHONES = Place(channel=Channel.PHONE)
"""Every phone of the payer's."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """A row. ``fund_fen`` to ``hospital_fen`` are the promise, then what the bureau settled."""

    record_id: int
    settlement_id: int
    bill_id: int
    bill_version: int
    institution_id: int
    channel: Channel
    terminal_id: int | None
    account_id: int | None
    insured: bool
    use_account: bool
    state: SettlementState
    reason: str | None
    """A fixed word: why it is being undone, or what a person must look at."""
    total_fen: int
    fund_fen: int | None
    account_fen: int | None
    cash_fen: int | None
    hospital_fen: int | None
    paid_fen: int
    """Taken from the payer so far, refunds not subtracted."""
    refunded_fen: int
    """Given back to the payer for certain."""
    sealed: bytes
    """``Progress`` under the record's key."""
    settlement_ref: str | None
    """The bureau's number of the settlement."""
    paid_by: str | None
    """The provider that took the main payment."""
    provider_ref: str | None
    """The payment provider's number of the main payment."""
    hospital_ref: str | None
    due_at: datetime | None
    deadline_at: datetime | None
    tries: int
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    version: int
    row_mac: bytes
    round_no: int = 0
    """0 at first; one more each time what remains after a correction is divided anew."""
    taken_over_at: datetime | None = None
    """Since when the place named here deals with it alone; None where it began here, and other
    places of the payer's may join in."""
    cover_fen: int | None = None
    """What a commercial insurer offers, then what it granted: the fifth part of the total. None
    where none is asked."""

    def mac_parts(self) -> Sequence[Value]:
        """Every column that the row's MAC covers: all but the lease and the MAC. First rounds,
        and what nobody took over or covers, are as they always were."""
        *parts, _row_mac, round_no, taken_over_at, cover_fen = msgspec.structs.astuple(self)
        if cover_fen is not None:
            return [*parts, round_no, taken_over_at, cover_fen]
        if taken_over_at is not None:
            return [*parts, round_no, taken_over_at]
        return [*parts, round_no] if round_no else parts

    @property
    def held_since(self) -> datetime:
        """Since when it is dealt with at its place."""
        return self.taken_over_at or self.created_at

    def is_held_at(self, place: Place) -> bool:
        """Whether this is its place; all phones of a payer are one."""
        return (self.channel, self.terminal_id) == (place.channel, place.terminal_id)

    @property
    def correcting(self) -> bool:
        """Whether a correction runs: the bill was posted before, and what remains is not yet."""
        over = (SettlementState.POSTED, SettlementState.REVERSING, SettlementState.REVERSED)
        return self.state is SettlementState.RECALLING or (
            self.round_no > 0 and self.state not in over
        )

    @property
    def cause_suffix(self) -> str:
        """What the causes of this round's postings and refunds end in: nothing at first."""
        return f":correction:{self.round_no}" if self.round_no else ""


class DoubtPhase(StrEnum):
    """How far the clearing up of an unknown answer got."""

    ASK = "ask"
    """Look whether it happened."""
    UNDO = "undo"
    """Undo it by its message number."""
    RECHECK = "recheck"
    """Look once more that nothing arrived late."""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """A call whose answer is not known and which may have moved money."""

    kind: str
    """``settle``, ``reverse``, or of a stay ``admit``."""
    call: CallId
    phase: DoubtPhase


NOWHERE = "0,0"
"""The place of a payer that is not known, as published samples write it."""


class CentreOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The order at the region's mobile payment centre by which the payer pays, as far as it got.

    The payer's proof is bound to this one order at its first use; it is needed to give back.
    """

    attempt_id: int
    order_no: str
    """Ours: the trade number of the attempt."""
    proof: PayerProof
    location: str = NOWHERE
    """Longitude and latitude of the payer."""
    mixed: bool = False
    """A payment provider collects the own part, and has the order settled when the payer confirms
    both there in one act."""
    order: MobileOrder | None = None
    """None until the centre answered the upload."""
    upload_in_doubt: bool = False
    divided: bool = False
    """The centre divided as promised and waits for the payer."""
    unclear: bool = False
    """An answer was lost or refused: the centre is asked where the order stands first."""
    unwanted: str | None = None
    """Why the order is given up, as the settlement's reason."""
    paid: bool = False
    """Own money and insurance are paid there."""
    own_returned: bool = False
    insurance_returned: bool = False
    told: bool = False
    """Of a mixed order: the provider knows that insurance went back, or need not know."""
    back_at: datetime | None = None
    """Of a mixed order: since when insurance is to go back, as the centre is told."""
    ended: bool = False
    """Nothing stands there and nothing will."""


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the bureau was told and answered. Personal: stored sealed."""

    bill_no: str = ""
    kind: BillKind = BillKind.OUTPATIENT
    stay: Stay | None = None
    reliefs: list[Relief] = []
    insured: Insured | None = None
    visit_no: str = ""
    """Our number of the visit at the bureau; a new one after an unknown registration."""
    visit_tries: int = 1
    visit_ref: str | None = None
    visits_lost: int = 0
    """Registrations whose answer was lost: they may stand at the bureau, without charges."""
    diagnosed: bool = False
    """Of a stay: its discharge is reported, or not ours to report."""
    discharge_in_doubt: bool = False
    batch_base: str = ""
    batch: int = 1
    lines_sent: int = 0
    charges_in_doubt: bool = False
    scope: Scope | None = None
    """Of a stay: what the catalogue makes of the charges told; None where it is not known."""
    promised: Split | None = None
    settled: Settled | None = None
    reversed_ref: str | None = None
    doubt: Doubt | None = None
    centre: CentreOrder | None = None
    cover: Cover | None = None
    refusal_text: str | None = None
    """The bureau's own words for a refusal, for the payer."""

    @property
    def split(self) -> Split | None:
        """The division that counts now: what was settled, else what was promised."""
        return self.settled.split if self.settled is not None else self.promised

    @property
    def cover_fen(self) -> int:
        """What of the own part a commercial insurer bears, as far as is known."""
        if self.cover is None or self.split is None:
            return 0
        return self.cover.of(self.split.cash_fen)

    @property
    def stay_no(self) -> str | None:
        """The admission number, where the bill is of a stay."""
        return None if self.stay is None else self.stay.stay_no

    @property
    def batch_no(self) -> str:
        """The present batch of charge lines; a withdrawn one is never used again."""
        return f"{self.batch_base}{self.batch:02d}"


class ChargesTold(msgspec.Struct, frozen=True, kw_only=True):
    """What one message of charges brought."""

    lines: int
    scope: Scope | None
    """None of an outpatient's, and where the bureau does not tell it."""


class CallKind(StrEnum):
    """What a call to the bureau asks."""

    REGISTER = "register"
    DIAGNOSES = "diagnoses"
    CHARGES = "charges"
    WITHDRAW = "withdraw"
    PRESETTLE = "presettle"
    SETTLE = "settle"
    FIND = "find"
    UNDO = "undo"
    REVERSE = "reverse"
    REOPEN = "reopen"
    """The discharge of a stay is taken back."""
    CANCEL = "cancel"
    UPLOAD = "upload"
    """At the payment centre: the bill is told."""
    PAY = "pay"
    """There: divide, and let the payer pay."""
    LOOK = "look"
    """There: where the order stands."""
    CONFIRM = "confirm"
    """The bureau is asked for the settlement that the centre made."""
    REVOKE = "revoke"
    """At the centre: give up what is not settled."""
    TELL = "tell"
    """The provider of a mixed order is told that insurance went back."""
    ADJUDICATE = "adjudicate"
    """A commercial insurer is asked what it would bear."""
    COVER_CONFIRM = "cover-confirm"
    COVER_FIND = "cover-find"
    COVER_WITHDRAW = "cover-withdraw"
    RETURN_OWN = "return-own"
    RETURN_INSURANCE = "return-insurance"


class InsuranceCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call to the bureau, stored before it is made."""

    record_id: int
    call_id: int
    settlement_id: int
    kind: CallKind
    message_no: str
    called_at: datetime
    outcome: str | None
    """None while the answer is not recorded."""
    undone_by: int | None
    evidence: bytes | None

    @property
    def wire_id(self) -> CallId:
        """The number under which the bureau knows the call."""
        return CallId(message_no=self.message_no, at=self.called_at)


class StartSettlement(msgspec.Struct, frozen=True, kw_only=True):
    """Settle one bill."""

    record_id: int
    bill_id: int
    institution_id: int | None
    """Where the caller may settle only one institution's bills."""
    channel: Channel
    terminal_id: int | None
    account_id: int | None
    use_account: bool
    """Whether the personal insurance account pays its part."""
    insured: bool
    """False: the payer wants to pay everything himself."""
    approved_fen: int | None = None
    """The total that the payer's phone signed for; another total is not settled."""


class StartPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Pay what the settlement leaves to the payer."""

    record_id: int
    settlement_id: int
    provider: str
    way: str
    payer: str | None
    """The provider's id of the payer where the way needs one; the address of his browser for
    ``h5``."""
    code: Masked | None = None
    """What the payer's phone showed, for the way ``code``."""
    amount_fen: int | None = None
    """A part of what is owed; None for all of it."""
    authorisation: Masked | None = None
    """What the payer allowed at the insurance's payment centre, for the ways ``authorised`` and
    ``mixed``."""
    location: Masked = Masked(NOWHERE)
    """Where he did."""
    place: Place


class TakeOver(msgspec.Struct, frozen=True, kw_only=True):
    """Deal with a settlement here that was begun elsewhere."""

    key: tuple[int, int]
    """(record id, settlement id)."""
    place: Place
    held_since: datetime
    """What the taker saw: since when it stands where it stands."""


class TakePayment(msgspec.Struct, frozen=True, kw_only=True):
    """Money in a cashier's hand for a settlement, or a card terminal's slip for it."""

    record_id: int
    settlement_id: int
    tender: Tender
    amount_fen: int | None
    """A part of what is owed; None for all of it, or for all the cash handed over."""
    tendered_fen: int | None
    """The cash handed over."""
    slip: Slip | None
    request_key: str


class ToPost(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement that a hospital has still to post."""

    institution_id: int
    settlement_id: int
    record_id: int
    bill_no: str
    settled_at: datetime
    posted_at: datetime | None


class SettlementView(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement with its newest payment, the bureau's words for a refusal, and its receipt."""

    settlement: Settlement
    attempt: PaymentAttempt | None
    tenders: Sequence[PaymentAttempt]
    """Every payment that took money, in the order of paying."""
    presentation: Presentation | None
    refusal_text: str | None
    receipt: Receipt | None
    cover_declined: str | None = None
    """A fixed word: why the insurer that the bill names bears nothing."""
