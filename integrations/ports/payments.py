"""A payment provider as the core needs it, for one merchant account.

Amounts are integer fen, times aware UTC. ``trade_no`` and ``refund_no`` are ours, 8 to 32 letters
and digits, stored before the first call: they are the idempotency keys.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from integrations.ports.outcomes import Outcome
from integrations.ports.statements import StatementSource


class PaymentStatus(StrEnum):
    """Where a trade stands, in our words."""

    UNPAID = "UNPAID"
    PAID = "PAID"
    CLOSED = "CLOSED"
    REFUNDED = "REFUNDED"
    """Paid once; at least part was refunded. The refunded sum comes from refund queries."""
    ABSENT = "ABSENT"
    """The provider knows no such trade."""


class RefundStatus(StrEnum):
    """Where a refund stands."""

    PROCESSING = "PROCESSING"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    """Failed for good: a new refund needs a new number."""
    STUCK = "STUCK"
    """The account cannot take the money; a person must act. Not final."""
    ABSENT = "ABSENT"


class PaymentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to place. ``payer`` is the provider's id of the payer where the way needs one."""

    trade_no: str
    amount_fen: int
    description: str
    way: str
    """``jsapi`` (inside the mini-program), ``native`` (a QR that the payer scans) or ``h5`` (a
    browser outside the provider's app)."""
    payer: str | None
    expires_at: datetime
    notice_url: str
    payer_ip: str | None = None
    """The address of the payer's browser, needed for ``h5``."""
    return_url: str | None = None
    """Where the payer's browser goes afterwards, for ``h5``."""


class PlacedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the payer's client needs: ``prepay_ref`` for jsapi, ``qr_text`` for native, ``link``
    for h5."""

    prepay_ref: str | None
    qr_text: str | None
    link: str | None = None


class CodeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order paid by the code that the payer shows. ``code`` lives a minute and is used once."""

    trade_no: str
    amount_fen: int
    description: str
    code: str
    expires_at: datetime
    notice_url: str


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A trade as the provider tells it, by query or by notice."""

    trade_no: str
    status: PaymentStatus
    provider_ref: str | None
    amount_fen: int | None
    paid_at: datetime | None
    payer: str | None


class RefundOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A refund to start; ``total_fen`` is the amount of the trade."""

    trade_no: str
    refund_no: str
    amount_fen: int
    total_fen: int
    reason: str
    notice_url: str


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as the provider tells it."""

    refund_no: str
    trade_no: str | None
    """None when ABSENT: an unknown refund has no trade."""
    status: RefundStatus
    provider_ref: str | None
    amount_fen: int | None
    refunded_at: datetime | None


class PaymentNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A verified notice; exactly one of ``payment`` and ``refund`` is set."""

    notice_id: str
    payment: Payment | None
    refund: Refund | None


class NoticeRefused(Exception):
    """The notice is forged, stale, unreadable or not for us. ``reason`` is a fixed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoticeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider wants to hear back."""

    status: int
    body: bytes
    content_type: str


class PaymentGateway(StatementSource, Protocol):
    """One merchant account at one provider, its statements with it.

    ``ways`` are those that the merchant has opened: of ``jsapi``, ``native``, ``h5`` and, where the
    gateway is a ``CodePaymentGateway``, ``code``; where it is a ``MixedPaymentGateway``, ``mixed``.
    """

    code: str
    ways: frozenset[str]

    async def place(self, order: PaymentOrder) -> Outcome[PlacedOrder]:
        """Place the order. The same order again is answered alike."""

    async def query(self, trade_no: str) -> Outcome[Payment]:
        """Ask for the trade. ABSENT is an answer, not a refusal."""

    async def close(self, trade_no: str) -> Outcome[None]:
        """Close an unpaid trade. Rejected with ``already-paid`` if it was paid. Query after it."""

    async def refund(self, order: RefundOrder) -> Outcome[Refund]:
        """Start a refund. The same number and content again is answered alike."""

    async def query_refund(self, refund_no: str, *, trade_no: str) -> Outcome[Refund]:
        """Ask for the refund of a trade; some providers know refunds under their trade only."""

    def client_parameters(self, prepay_ref: str, at: datetime) -> dict[str, str]:
        """What the mini-program passes to the provider's pay call, signed."""

    def read_notice(self, headers: Mapping[str, str], body: bytes, at: datetime) -> PaymentNotice:
        """Verify and open a notice over the raw bytes. Raises ``NoticeRefused``."""

    def notice_answer(self, accepted: bool) -> NoticeAnswer:
        """The acknowledgement, or the refusal that asks for a resend."""


class ProviderName(msgspec.Struct, frozen=True, kw_only=True):
    """What payers call a provider, for buttons and receipts."""

    zh: str
    en: str


@runtime_checkable
class NamesItself(Protocol):
    """A gateway whose provider the pages' own words do not know."""

    name: ProviderName


class CodeShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the codes in a provider's app look like: so many digits with one of these beginnings.
    No two providers of an institution may share one."""

    starts: tuple[str, ...]
    least: int
    most: int

    def fits(self, text: str) -> bool:
        """Whether the text may be such a code."""
        digits = text.isascii() and text.isdigit()
        return digits and self.least <= len(text) <= self.most and text.startswith(self.starts)


@runtime_checkable
class TakesCodes(Protocol):
    """Who can take payment by a code the payer shows."""

    code_shape: CodeShape

    async def pay_by_code(self, order: CodeOrder) -> Outcome[Payment]:
        """Take the payment. UNPAID means that the payer must still confirm on his device: query.

        After Unknown or a long UNPAID query a last time, then ``reverse``.
        """

    async def reverse(self, trade_no: str) -> Outcome[None]:
        """Undo a trade whose outcome is unclear: closed if unpaid, given back if paid.

        Unknown must be repeated until it is definite; query afterwards to learn which it was.
        """


class CodePaymentGateway(PaymentGateway, TakesCodes, Protocol):
    """A merchant account that can also take payment by code."""
