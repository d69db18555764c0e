"""What travels: the deposits of a stay, as its hospital sees them."""

from datetime import datetime

import msgspec

from integrations.ports.money import FenField
from service.kernel.context import Context
from service.settlement.stays.model import Deposit, StayView


class DepositAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One deposit that was paid."""

    settlement_id: str
    """The settlement by which it was paid, and by which it is given back."""
    settled_at: datetime
    held_fen: FenField
    """What is left of it: neither given back nor on its way back."""
    discharge_id: str | None = None
    """The settlement of the discharge that counts it."""

    @classmethod
    def of(cls, ctx: Context, row: Deposit) -> "DepositAnswer":
        """From the row."""
        taken = row.taken_by
        return cls(
            settlement_id=ctx.public_ids.text(row.record_id, row.settlement_id),
            settled_at=row.settled_at,
            held_fen=row.held_fen,
            discharge_id=None if taken is None else ctx.public_ids.text(row.record_id, taken),
        )


class StayAnswer(msgspec.Struct, kw_only=True):
    """A stay in hospital and the deposits for it, oldest first."""

    stay_no: str
    held_fen: FenField
    """What a discharge would count now."""
    deposits: list[DepositAnswer]

    @classmethod
    def of(cls, ctx: Context, view: StayView) -> "StayAnswer":
        """From the action's answer."""
        return cls(
            stay_no=view.stay_no,
            held_fen=view.held_fen,
            deposits=[DepositAnswer.of(ctx, one) for one in view.deposits],
        )
