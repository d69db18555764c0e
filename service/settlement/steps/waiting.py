"""PRESETTLED, AWAITING_PAYER, COLLECTING: the time is over, unless the payer was faster."""

from msgspec.structs import replace

from service.institution import actions as institution
from service.institution.model import MovedAmounts
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.settlement import consequences, door, endings, rules, tender
from service.settlement.insurance import calls
from service.settlement.model import Settlement
from service.settlement.states import PAYABLE, SettlementEvent, SettlementState
from service.settlement.steps import at_centre


async def step(ctx: Context, row: Settlement) -> None:
    """Close what may still take money; only when it surely cannot, go back. An order at the payment
    centre is brought further meanwhile.

    In a correction enough is paid as a rule; what is not paid in time goes before a person.
    """
    if row.correcting and not rules.is_past(row.deadline_at, ctx.clock.now()):
        await _weigh(ctx, row)
        return
    if row.state is SettlementState.AWAITING_PAYER and await _at_centre(ctx, row):
        return
    await tender.close_live(ctx, row)

    async def decide(conn: Connection, fresh: Settlement) -> None:
        now = ctx.clock.now()
        if fresh.state not in PAYABLE or not rules.is_past(fresh.deadline_at, now):
            return
        open_attempt = (await tender.tender_of(conn, ctx, fresh)).live
        if open_attempt is not None or fresh.state is SettlementState.AWAITING_PAYER:
            await calls.postpone(conn, ctx, fresh, None)
            return
        if fresh.correcting:
            unpaid = replace(fresh, reason="correction-not-paid")
            await door.advance(conn, ctx, unpaid, SettlementEvent.CONTRADICTED, None)
            return
        over = replace(fresh, reason=_reason(fresh))
        await door.advance(conn, ctx, over, SettlementEvent.DEADLINE_PASSED, None)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)


async def _at_centre(ctx: Context, row: Settlement) -> bool:
    """Whether an order at the payment centre was brought further. Of a mixed order that is over its
    provider's part is closed first."""
    async with connection(ctx.pool) as conn:
        progress = await door.progress_of(conn, ctx, row)
    order, ending = progress.centre, rules.is_past(row.deadline_at, ctx.clock.now())
    if order is None or (order.mixed and ending):
        return False
    if not (order.paid or order.ended):
        await at_centre.step(ctx, row, progress, ending=ending)
        return True
    if not order.mixed:
        return False
    await _leave(ctx, row)
    return True


async def _leave(ctx: Context, row: Settlement) -> None:
    """The centre is done, its provider's word is waited for."""

    async def decide(conn: Connection, fresh: Settlement) -> None:
        synced = await tender.sync(conn, ctx, fresh)
        if synced.state is SettlementState.AWAITING_PAYER:
            later = replace(synced, due_at=ctx.clock.now() + rules.ASK_EVERY)
            await door.keep(conn, ctx, later, None)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)


async def _weigh(ctx: Context, row: Settlement) -> None:
    """Did the payer pay enough for what remains? If not, it goes on as the institution set it."""
    place = await institution.get_institution(ctx, row.institution_id)

    async def decide(conn: Connection, fresh: Settlement) -> None:
        if fresh.state is not SettlementState.PRESETTLED or not fresh.correcting:
            return
        kept_fen = (await tender.tender_of(conn, ctx, fresh)).kept_fen
        if rules.owed_fen(fresh.cash_fen, kept_fen) == 0:
            await door.advance(conn, ctx, fresh, SettlementEvent.ENOUGH_PAID, None)
            return
        moved = replace(fresh, reason="amounts-moved", due_at=fresh.deadline_at)
        if place.moved_amounts is MovedAmounts.UNDO:
            await door.advance(conn, ctx, moved, SettlementEvent.AMOUNTS_REFUSED, None)
            return
        await consequences.open_item(conn, ctx, moved, endings.TO_COLLECT)
        await door.keep(conn, ctx, moved, None)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)


def _reason(row: Settlement) -> str:
    if row.reason == "abandoned":
        return row.reason
    collecting = row.state is SettlementState.COLLECTING
    return "difference-not-paid" if collecting else "deadline-passed"
