"""RECALLING: revoke what the bureau settled, for what remains of the bill is divided anew.

The same calls and the same clearing up of doubt as when everything is undone; the visit stands, and
no money moves before the rest is settled.
"""

from msgspec.structs import replace

from service.bill import actions as bill
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.settlement import door, rules, tender
from service.settlement.corrections import rows
from service.settlement.cover import claiming
from service.settlement.insurance import calls
from service.settlement.model import CallKind, Settlement
from service.settlement.states import SettlementEvent, SettlementState
from service.settlement.steps.undoing import sender


async def step(ctx: Context, row: Settlement) -> None:
    """The next thing to revoke; when there is none, what remains takes its place."""
    current = await tender.close_live(ctx, row)
    if current.state is not SettlementState.RECALLING:
        return
    async with connection(ctx.pool) as conn:
        progress = await door.progress_of(conn, ctx, current)
    for leg in rules.RECALL:
        kind = rules.undo_call(leg, progress)
        if kind is not None and progress.insured is not None:
            send = sender(kind, progress, progress.insured)
            if kind is CallKind.COVER_WITHDRAW:
                send = await claiming.undoing(ctx, current, progress)
            await calls.call(ctx, current, progress, kind, send)
            return
    await _begin_anew(ctx, current)


async def _begin_anew(ctx: Context, row: Settlement) -> None:
    """The next round: the version that stands, and nobody's part known yet."""
    remaining = await bill.read(ctx, row.record_id, row.bill_id)

    async def decide(conn: Connection, fresh: Settlement) -> None:
        if fresh.state is not SettlementState.RECALLING:
            return
        progress = await door.progress_of(conn, ctx, fresh)
        if any(rules.undo_call(leg, progress) for leg in rules.RECALL):
            return
        if (await tender.tender_of(conn, ctx, fresh)).live is not None:
            # Not known yet whether an order can still be paid: its poller tells.
            await calls.postpone(conn, ctx, fresh, None)
            return
        anew = replace(
            fresh,
            round_no=fresh.round_no + 1,
            bill_version=remaining.version,
            total_fen=remaining.total_fen,
            fund_fen=None,
            account_fen=None,
            cash_fen=None,
            cover_fen=None if fresh.cover_fen is None else 0,
            hospital_fen=None,
            settlement_ref=None,
            hospital_ref=None,
            reason=None,
        )
        running = await rows.find_running(conn, ctx, fresh)
        if running is not None:
            await rows.keep(conn, ctx, running, round_no=anew.round_no)
        cover = progress.cover
        blank = replace(
            progress,
            promised=None,
            refusal_text=None,
            cover=None if cover is None else cover.anew(anew.round_no),
        )
        await door.advance(conn, ctx, anew, SettlementEvent.RECALLED, blank)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)
