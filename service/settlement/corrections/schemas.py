"""What hospitals and their counters send and get about corrections. Amounts are integer fen."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from integrations.ports.money import FenField
from service.bill.rules import LINES_MAX
from service.kernel.context import Context
from service.receipt.schemas import ReceiptLine
from service.settlement.corrections.model import (
    AwaitingView,
    BillAfter,
    CorrectionView,
    GivenLine,
    PostedView,
)
from service.settlement.schemas import Text

StaffNo = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,32}$(?!\n)")]
"""The institution's own number of one of its people: who asks, and who agrees."""
Reason = Annotated[str, Meta(min_length=1, max_length=200)]
Version = Annotated[int, Meta(ge=1)]


class LineRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How much of one line is given back: x 10^4, as in the bill."""

    line_no: Text
    quantity_e4: Annotated[int, Meta(ge=1, le=10**12)]


class CounterCorrectionRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Give lines back of the version that was posted. Whoever is signed in asks."""

    bill_version: Version
    lines: Annotated[list[LineRequest], Meta(min_length=1, max_length=LINES_MAX)]
    reason: Reason

    def given(self) -> list[GivenLine]:
        """In our own words."""
        return [GivenLine(line_no=one.line_no, quantity_e4=one.quantity_e4) for one in self.lines]


class CorrectionRequest(CounterCorrectionRequest, forbid_unknown_fields=True, kw_only=True):
    """The same by a hospital's system, which says for whom."""

    asked_by: StaffNo


class CounterReturnRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Give all of it back. The bill then is open again, or withdrawn. Whoever is signed in asks."""

    bill_version: Version
    bill_after: BillAfter
    reason: Reason


class ReturnRequest(CounterReturnRequest, forbid_unknown_fields=True, kw_only=True):
    """The same by a hospital's system, which says for whom."""

    asked_by: StaffNo


class DecisionRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Who agrees, or says no."""

    decided_by: StaffNo


class GivenLineAnswer(msgspec.Struct, kw_only=True):
    """How much of one line was given back."""

    line_no: str
    quantity_e4: int


class RefundAnswer(msgspec.Struct, kw_only=True):
    """Money on its way back to where it came from."""

    provider: str
    amount_fen: FenField
    state: str


class CorrectionAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A correction. ``amount_fen`` is taken off the bill; ``refunds`` go to the payer."""

    correction_id: str
    settlement_id: str
    state: str
    settlement_state: str
    bill_version: int
    amount_fen: FenField
    lines: list[GivenLineAnswer]
    """None of them: all of the bill."""
    reason: str
    asked_by: str
    asked_at: datetime
    refunds: list[RefundAnswer]
    bill_after: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    ended_at: datetime | None = None

    @classmethod
    def of(cls, ctx: Context, view: CorrectionView) -> "CorrectionAnswer":
        """For its own institution."""
        row = view.correction
        return cls(
            correction_id=ctx.public_ids.text(row.record_id, row.correction_id),
            settlement_id=ctx.public_ids.text(row.record_id, row.settlement_id),
            state=row.state.value,
            settlement_state=view.settlement.state.value,
            bill_version=row.bill_version,
            amount_fen=row.amount_fen,
            lines=[
                GivenLineAnswer(line_no=one.line_no, quantity_e4=one.quantity_e4)
                for one in view.content.lines
            ],
            reason=view.content.reason,
            asked_by=row.asked_by,
            asked_at=row.asked_at,
            refunds=[
                RefundAnswer(
                    provider=one.provider, amount_fen=one.amount_fen, state=one.state.value
                )
                for one in view.refunds
            ],
            bill_after=row.bill_after.value if row.bill_after is not None else None,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            ended_at=row.ended_at,
        )


class CorrectionList(msgspec.Struct, kw_only=True):
    """Corrections of one settlement, oldest first."""

    corrections: list[CorrectionAnswer]


class PostedAnswer(msgspec.Struct, kw_only=True):
    """A settlement of which lines, or all, may be given back."""

    settlement_id: str
    bill_no: str
    bill_version: int
    settled_at: datetime
    total_fen: FenField
    cash_fen: FenField
    lines: list[ReceiptLine]

    @classmethod
    def of(cls, ctx: Context, view: PostedView) -> "PostedAnswer":
        """As it was posted."""
        row = view.settlement
        return cls(
            settlement_id=ctx.public_ids.text(row.record_id, row.settlement_id),
            bill_no=view.bill_no,
            bill_version=row.bill_version,
            settled_at=row.settled_at or row.updated_at,
            total_fen=row.total_fen,
            cash_fen=row.cash_fen or 0,
            lines=[
                ReceiptLine(
                    line_no=line.line_no,
                    name=line.name,
                    quantity_e4=line.quantity_e4,
                    unit_price_e6=line.unit_price_e6,
                    amount_fen=line.amount_fen,
                )
                for line in view.lines
            ],
        )


class PostedList(msgspec.Struct, kw_only=True):
    """Of the last 90 days, at most 20, newest first."""

    settlements: list[PostedAnswer]


class AwaitingAnswer(msgspec.Struct, kw_only=True):
    """A correction that waits for a second person, and the settlement that it is of."""

    correction: CorrectionAnswer
    posted: PostedAnswer

    @classmethod
    def of(cls, ctx: Context, view: AwaitingView) -> "AwaitingAnswer":
        """For the counters of its own institution."""
        return cls(
            correction=CorrectionAnswer.of(ctx, view.correction),
            posted=PostedAnswer.of(ctx, view.posted),
        )


class AwaitingList(msgspec.Struct, kw_only=True):
    """Oldest first, at most 100."""

    corrections: list[AwaitingAnswer]
