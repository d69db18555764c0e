"""What a hospital reads of its books."""

from datetime import date, datetime
from typing import Annotated

import msgspec

from integrations.ports.money import FenField
from service.kernel.context import Context
from service.ledger.model import DayBooks, DayState
from service.ledger.store_books import LATE_MAX

SUM_MAX = (1 << 53) - 1
"""Of a hospital's accounts over all its days: what every reader of JSON holds exactly."""
SumFenField = Annotated[int, msgspec.Meta(ge=0, le=SUM_MAX)]
SignedSumFenField = Annotated[int, msgspec.Meta(ge=-SUM_MAX, le=SUM_MAX)]


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One account over the day, in fen. Held is what it received less what it gave."""

    account: str
    opening_fen: SignedSumFenField
    received_fen: SumFenField
    given_fen: SumFenField
    closing_fen: SignedSumFenField


class LateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A movement in this day's books that belongs to an earlier day, which took none any more."""

    settlement_id: str
    belongs_to: date
    received_by: str
    given_by: str
    amount_fen: FenField


class DayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An institution's day. Over all accounts the opening sums cancel out, and the closing ones."""

    day: date
    state: DayState
    closed_at: datetime | None
    asked_by: str | None
    postings: int
    accounts: list[AccountAnswer]
    late: Annotated[list[LateAnswer], msgspec.Meta(max_length=LATE_MAX)]

    @classmethod
    def of(cls, ctx: Context, read: DayBooks) -> "DayAnswer":
        """The books as a hospital reads them."""
        return cls(
            day=read.day,
            state=read.state,
            closed_at=read.closed_at,
            asked_by=read.asked_by,
            postings=read.postings,
            accounts=[
                AccountAnswer(
                    account=account,
                    opening_fen=one.opening_fen,
                    received_fen=one.debit_fen,
                    given_fen=one.credit_fen,
                    closing_fen=one.closing_fen,
                )
                for account, one in read.sums.items()
            ],
            late=[
                LateAnswer(
                    settlement_id=ctx.public_ids.text(one.record_id, one.settlement_id),
                    belongs_to=one.value_day,
                    received_by=one.debit,
                    given_by=one.credit,
                    amount_fen=one.amount_fen,
                )
                for one in read.late
            ],
        )
