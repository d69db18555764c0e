"""SETTLED and POSTING: show it to the hospital; tell a person when the hospital stays silent."""

from datetime import timedelta

from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import Connection
from service.settlement import consequences, door, endings
from service.settlement.model import Settlement
from service.settlement.states import SettlementEvent, SettlementState

REMIND_EVERY = timedelta(hours=1)


async def show(ctx: Context, row: Settlement) -> Settlement:
    """SETTLED: into the hospital's list, with an event."""

    async def decide(conn: Connection, fresh: Settlement) -> Settlement:
        if fresh.state is not SettlementState.SETTLED:
            return fresh
        return await door.advance(conn, ctx, fresh, SettlementEvent.RECORDED, None)

    return await door.through(ctx, (row.record_id, row.settlement_id), decide, row)


async def remind(ctx: Context, row: Settlement) -> None:
    """POSTING past its time: a work item. The state stays; the hospital may still acknowledge."""

    async def decide(conn: Connection, fresh: Settlement) -> None:
        if fresh.state is SettlementState.POSTING:
            await consequences.open_item(conn, ctx, fresh, endings.NOT_POSTED)
            later = replace(fresh, due_at=ctx.clock.now() + REMIND_EVERY)
            await door.keep(conn, ctx, later, None)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)
