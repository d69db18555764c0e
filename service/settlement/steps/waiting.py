"""PRESETTLED, AWAITING_PAYER, COLLECTING: the time is over, unless the payer was faster."""

from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import Connection
from service.settlement import calls, door, rules, tender
from service.settlement.model import Settlement
from service.settlement.states import PAYABLE, SettlementEvent, SettlementState


async def step(ctx: Context, row: Settlement) -> None:
    """Close what may still take money; only when it surely cannot, go back."""
    await tender.close_live(ctx, row)

    async def decide(conn: Connection, fresh: Settlement) -> None:
        now = ctx.clock.now()
        if fresh.state not in PAYABLE or not rules.is_past(fresh.deadline_at, now):
            return
        open_attempt = (await tender.tender_of(conn, ctx, fresh)).live
        if open_attempt is not None or fresh.state is SettlementState.AWAITING_PAYER:
            await calls.postpone(conn, ctx, fresh, None)
            return
        over = replace(fresh, reason=_reason(fresh))
        await door.advance(conn, ctx, over, SettlementEvent.DEADLINE_PASSED, None)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)


def _reason(row: Settlement) -> str:
    if row.reason == "abandoned":
        return row.reason
    collecting = row.state is SettlementState.COLLECTING
    return "difference-not-paid" if collecting else "deadline-passed"
