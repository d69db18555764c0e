"""REVERSING: undo leg by leg as ``rules.compensation`` orders; over when each is definite."""

from datetime import timedelta

from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.ledger import model as ledger
from service.payment import actions as payment
from service.payment.model import PaymentAttempt
from service.payment.states import RefundState
from service.settlement import consequences, door, reliefs, rules, tender
from service.settlement.cover import claiming
from service.settlement.insurance import calls
from service.settlement.model import CallKind, Settlement
from service.settlement.states import SettlementEvent, SettlementState
from service.settlement.stays import deposits
from service.settlement.steps import at_centre
from service.settlement.steps.undoing import sender

_AT_CENTRE = frozenset({CallKind.RETURN_INSURANCE, CallKind.LOOK})
COUNTER_LOOK = timedelta(hours=1)
"""While money waits at a counter for its payer."""


async def step(ctx: Context, row: Settlement) -> None:
    """The next thing to undo, in the order of the legs; when there is none, it is over."""
    current = await tender.close_live(ctx, row)
    if current.state is not SettlementState.REVERSING:
        return
    order = await at_centre.find_order(ctx, current)
    if order is not None and await _may_be_paid(ctx, current):
        return
    if order is not None:
        await at_centre.step(ctx, current, order, ending=True)
        return
    async with connection(ctx.pool) as conn:
        progress = await door.progress_of(conn, ctx, current)
    for leg in rules.compensation(progress):
        if not await _undo(ctx, current, leg):
            return
    await _finish(ctx, current)


async def _may_be_paid(ctx: Context, row: Settlement) -> bool:
    """A mixed order that its provider has not closed yet: the bureau's is not revoked before."""

    async def decide(conn: Connection, fresh: Settlement) -> bool:
        live = (await tender.tender_of(conn, ctx, fresh)).live
        if live is None or tender.is_at_centre(live):
            return False
        await calls.postpone(conn, ctx, fresh, None)
        return True

    return await door.through(ctx, (row.record_id, row.settlement_id), decide)


async def _undo(ctx: Context, row: Settlement, leg: rules.Leg) -> bool:
    """Bring one leg a step further; True when there is nothing left of it."""
    if leg is rules.Leg.MONEY:
        return await _money_is_back(ctx, row) or await _back_from_centre(ctx, row)
    async with connection(ctx.pool) as conn:
        fresh = await door.read(conn, ctx, (row.record_id, row.settlement_id))
        progress = await door.progress_of(conn, ctx, fresh)
    kind = rules.undo_call(leg, progress)
    if kind is None or progress.insured is None:
        return True
    if kind is CallKind.TELL:
        await at_centre.tell(ctx, fresh, progress)
        return False
    if kind in _AT_CENTRE:
        await at_centre.give_back(ctx, fresh, progress, kind)
        return False
    send = sender(kind, progress, progress.insured)
    if kind is CallKind.COVER_WITHDRAW:
        send = await claiming.undoing(ctx, fresh, progress)
    await calls.call(ctx, fresh, progress, kind, send)
    return False


async def _back_from_centre(ctx: Context, row: Settlement) -> bool:
    """Own money that was paid at the centre is asked back there; never True: a look decides."""
    async with connection(ctx.pool) as conn:
        fresh = await door.read(conn, ctx, (row.record_id, row.settlement_id))
        progress = await door.progress_of(conn, ctx, fresh)
    kind = rules.next_return(progress, own=True)
    if kind is not None and fresh.state is SettlementState.REVERSING:
        await at_centre.give_back(ctx, fresh, progress, kind)
    return False


async def _money_is_back(ctx: Context, row: Settlement) -> bool:
    """Promise every paid attempt back; True once the provider confirmed all of it."""

    async def decide(conn: Connection, fresh: Settlement) -> bool:
        if fresh.state is not SettlementState.REVERSING:
            return False
        paid = await tender.tender_of(conn, ctx, fresh)
        if paid.given_back:
            return True
        if paid.waits_for_cashier:
            # Nothing to try: the cashier's giving makes the settlement due.
            later = replace(fresh, due_at=ctx.clock.now() + COUNTER_LOOK)
            await door.keep(conn, ctx, later, None)
            return False
        # The row is written before the payments: locks are taken in that order.
        await calls.postpone(conn, ctx, fresh, None)
        for attempt in paid.paid:
            if attempt.refundable_fen:
                await _promise(conn, ctx, attempt)
        if await _has_failed(conn, ctx, fresh):
            await consequences.open_item(conn, ctx, fresh, "refund-failed")
        return False

    return await door.through(ctx, (row.record_id, row.settlement_id), decide)


async def _promise(conn: Connection, ctx: Context, attempt: PaymentAttempt) -> None:
    """All that is left of one payment; a deposit is not refunded but held again."""
    left = attempt.refundable_fen
    match attempt.provider:
        case ledger.DEPOSIT:
            await deposits.put_back(conn, ctx, attempt, left, tender.REVERSAL)
        case ledger.RELIEF:
            await reliefs.release(conn, ctx, attempt, left, tender.REVERSAL)
        case _:
            key = (attempt.record_id, attempt.attempt_id)
            await payment.refund(conn, ctx, *key, left, tender.REVERSAL)


async def _has_failed(conn: Connection, ctx: Context, row: Settlement) -> bool:
    """A refund failed for good, and none is on its way: a person must send the money again."""
    states = {
        one.state for one in await payment.list_refunds(conn, ctx, row.record_id, row.settlement_id)
    }
    return states <= {RefundState.FAILED, RefundState.REFUNDED} and RefundState.FAILED in states


async def _finish(ctx: Context, row: Settlement) -> None:
    async def decide(conn: Connection, fresh: Settlement) -> None:
        if fresh.state is not SettlementState.REVERSING:
            return
        progress = await door.progress_of(conn, ctx, fresh)
        money = await tender.tender_of(conn, ctx, fresh)
        if not rules.is_undone(progress) or not money.given_back:
            return
        if progress.visits_lost:
            await consequences.open_item(conn, ctx, fresh, "visit-perhaps-at-insurer")
        await door.advance(conn, ctx, fresh, SettlementEvent.UNDONE, None)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)
