"""An order of two legs at one provider: insurance and own money paid in one act of the payer.

Amounts are integer fen. Both legs have their own state, and the whole says refunded only when both
are. Undoing goes: insurance at the bureau, then the cash leg as an ordinary refund, then
``tell_insured_refund``; without the last the payer's bill goes on showing as paid.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from integrations.ports.outcomes import Outcome
from integrations.ports.payments import PaymentGateway


class Leg(StrEnum):
    """Where one leg stands."""

    UNPAID = "UNPAID"
    PAID = "PAID"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    NONE = "NONE"
    """The order has no such leg."""


class MixedStatus(StrEnum):
    """Where the whole stands."""

    UNPAID = "UNPAID"
    PAID = "PAID"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    """It will not be paid; a leg may have been, so each must be looked at."""
    ABSENT = "ABSENT"


class MixedPayer(msgspec.Struct, frozen=True, kw_only=True):
    """A person by name and identity card."""

    name: str
    id_no: str

    def __repr__(self) -> str:
        return "MixedPayer(…)"


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """Added to or taken off the cash part. ``kind`` is the provider's own word."""

    kind: str
    amount_fen: int


class InsuredLeg(msgspec.Struct, frozen=True, kw_only=True):
    """What the bureau's pre-settlement gave. ``auth_no`` lives minutes."""

    order_id: str
    auth_no: str
    location: str
    """Longitude and latitude with a comma."""
    settled_at: datetime
    fund_fen: int
    account_fen: int
    other_fen: int
    cash_fen: int
    """What the bureau leaves to the payer."""
    passthrough: str | None = None


class MixedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to place. ``cash_fen`` is what the payer pays at the provider; where it is not 0 an
    ordinary order of the same ``trade_no`` and amount stands before, and ``prepay_ref`` is its."""

    trade_no: str
    hospital_no: str
    """The hospital's order number, as told to the bureau."""
    scene: str
    """``registration``, ``outpatient`` or ``inpatient``."""
    openid: str
    payer: MixedPayer
    relative: MixedPayer | None
    """Whom it is paid for, where not for the payer."""
    total_fen: int
    cash_fen: int
    insured: InsuredLeg | None
    adds: list[Adjustment]
    reduces: list[Adjustment]
    prepay_ref: str | None
    institution_name: str
    institution_no: str
    notice_url: str


class MixedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A mixed order as the provider tells it. ``why_failed`` is the bureau's reason, if told."""

    trade_no: str
    mixed_ref: str | None
    status: MixedStatus
    cash: Leg
    insured: Leg
    total_fen: int | None
    cash_fen: int | None
    paid_at: datetime | None
    why_failed: str | None


class InsuredRefund(msgspec.Struct, frozen=True, kw_only=True):
    """The insurance leg was refunded at the bureau. ``refund_no`` is the cash refund's, if any."""

    mixed_ref: str
    refund_no: str
    fund_fen: int
    account_fen: int
    other_fen: int
    refunded_at: datetime


class MixedGateway(Protocol):
    """A merchant account that takes mixed orders."""

    async def place_mixed(self, order: MixedOrder) -> Outcome[MixedPayment]:
        """Place. Unknown: query by ``trade_no``, and the same again if it is ABSENT."""

    async def query_mixed(self, trade_no: str) -> Outcome[MixedPayment]:
        """Ask; the notice is not sent again after half a minute, so asking is not optional."""

    async def tell_insured_refund(self, refund: InsuredRefund) -> Outcome[None]:
        """Say that insurance was refunded. Repeat with the same numbers until accepted."""

    def mixed_parameters(
        self, mixed_ref: str, prepay_ref: str | None, at: datetime
    ) -> dict[str, str]:
        """What the mini-program passes to the provider's pay call; signed where cash is paid."""

    def read_mixed_notice(
        self, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> MixedPayment:
        """Verify and open a notice. Raises ``NoticeRefused``."""


@runtime_checkable
class TakesMixed(Protocol):
    """Who can take mixed orders, where ``mixed`` is among its ways."""

    mixed: MixedGateway
    ways: frozenset[str]


class MixedPaymentGateway(PaymentGateway, TakesMixed, Protocol):
    """A merchant account that can also take mixed orders."""
