"""What travels of money at a counter: taken by a cashier, waiting there, given back."""

from datetime import datetime
from typing import Annotated

import msgspec

from integrations.ports.money import FenField
from service.settlement.schemas import PaidFenField, SettlementAnswer
from service.shift.model import Tender

SlipText = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z-]{1,40}$(?!\n)")]


class CounterPaymentRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Money that a cashier has: cash with what was handed over, or a card terminal's slip."""

    tender: Tender
    amount_fen: PaidFenField | None = None
    """A part of what is owed; left out, all of it or all the cash handed over."""
    tendered_fen: PaidFenField | None = None
    slip_no: SlipText | None = None
    slip_ref: SlipText | None = None


class GivingRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Give a waiting refund back; money paid by card goes back by card, with a slip of its own."""

    slip_no: SlipText | None = None
    slip_ref: SlipText | None = None


class TakenAnswer(msgspec.Struct, kw_only=True):
    """What the cashier keeps, what change he gives, and where the settlement stands then."""

    entry_id: str
    tender: str
    amount_fen: FenField
    change_fen: FenField
    settlement: SettlementAnswer


class WaitingRefund(msgspec.Struct, kw_only=True):
    """Money that waits at the counter for its payer."""

    refund_id: str
    settlement_id: str
    bill_no: str
    tender: str
    amount_fen: FenField
    asked_at: datetime
    overdue: bool
    """It waits for longer than the operator's limit; a work item is open."""


class WaitingRefunds(msgspec.Struct, kw_only=True):
    """Oldest first."""

    refunds: list[WaitingRefund]


class GivenAnswer(msgspec.Struct, kw_only=True):
    """The cashier may hand the money out: it is recorded."""

    entry_id: str
    tender: str
    amount_fen: FenField
