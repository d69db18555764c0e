"""What becomes of an attempt: the one door for a provider's word, and all that follows from it."""

from datetime import datetime
from typing import Any

import msgspec

from integrations.ports import payments as port
from service.casework import actions as casework
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import NotFound
from service.payment import rules, store
from service.payment.actions import rows
from service.payment.actions.refunds import LATE_PAYMENT, refund
from service.payment.model import PaymentAttempt, Refusal, RowKey
from service.payment.states import ATTEMPT, AttemptEvent, AttemptState


async def apply_payment(ctx: Context, provider: str, told: port.Payment) -> None:
    """The one door for what a provider says of a trade; a repeat changes nothing.

    Raises ``NotFound`` for a trade number that is not ours.
    """
    key = await find_trade(ctx, told.trade_no)
    if key is None:
        raise NotFound
    await apply_to(ctx, key, provider, told)


async def find_trade(ctx: Context, trade_no: str) -> RowKey | None:
    """Where a trade number of ours leads."""
    async with connection(ctx.pool) as conn:
        return await store.find_number(conn, trade_no, store.TRADE)


async def apply_to(
    ctx: Context,
    key: RowKey,
    provider: str,
    told: port.Payment,
    *,
    sure: bool = False,
    known: PaymentAttempt | None = None,
) -> PaymentAttempt:
    """Apply what was told to the attempt at ``key``; gives it as it stands afterwards.

    ``sure``: no reversal of ours can be later than this word. ``known``: the attempt as it stood a
    moment ago.
    """

    async def decide(conn: Connection, before: PaymentAttempt) -> PaymentAttempt:
        if (before.provider, before.trade_no) != (provider, told.trade_no):
            raise NotFound
        judged = rules.judge_payment(before, told, sure=sure)
        if judged.reason is not None and before is known:
            raise rows.Moved("what a person is told of is judged on the locked row")
        if judged.reason is not None:
            await rows.report_attempt(conn, ctx, before, judged.reason, told.amount_fen)
        if judged.event is None:
            # Nothing is saved that would prove what was known.
            return before if before is not known else await rows.get_attempt(conn, ctx, key)
        return await advance(conn, ctx, before, judged.event, **facts_of(ctx, judged.event, told))

    return await rows.through(ctx, key, decide, known)


def facts_of(ctx: Context, event: AttemptEvent, told: port.Payment) -> dict[str, Any]:
    """The columns that a provider's word sets."""
    if event not in {AttemptEvent.PAY, AttemptEvent.PAY_LATE}:
        return {}
    paid_at: datetime = told.paid_at or ctx.clock.now()
    return {"provider_ref": told.provider_ref, "paid_at": paid_at}


async def end(ctx: Context, key: RowKey, *, is_absent: bool = False) -> PaymentAttempt:
    """Close an attempt, unless something else ended it before. ``is_absent``: its provider does
    not know the order, which may yet appear, so the attempt stays due for a last look."""
    async with transaction(ctx.pool) as conn:
        before = await rows.lock_attempt(conn, ctx, key)
        if not ATTEMPT.allows(before.state, AttemptEvent.CLOSE):
            return before
        look_at = rules.last_look_at(before, ctx.clock.now()) if is_absent else None
        return await advance(conn, ctx, before, AttemptEvent.CLOSE, due_at=look_at)


async def refuse(ctx: Context, key: RowKey, reason: str) -> PaymentAttempt:
    """The provider did nothing and says why, unless something else ended the attempt before."""
    async with transaction(ctx.pool) as conn:
        before = await rows.lock_attempt(conn, ctx, key)
        if not ATTEMPT.allows(before.state, AttemptEvent.REFUSE):
            return before
        text = msgspec.json.encode(Refusal(reason)).decode()
        sealed = await rows.seal(conn, ctx, key.record_id, key.row_id, "client", text)
        return await advance(conn, ctx, before, AttemptEvent.REFUSE, client_sealed=sealed)


async def ask_close(ctx: Context, key: RowKey) -> PaymentAttempt:
    """Begin to close an unpaid attempt; one that was never sent is closed at once."""
    async with transaction(ctx.pool) as conn:
        before = await rows.lock_attempt(conn, ctx, key)
        if before.state is AttemptState.CREATED and before.tries == 0:
            return await advance(conn, ctx, before, AttemptEvent.CLOSE)
        if not ATTEMPT.allows(before.state, AttemptEvent.ASK_CLOSE):
            return before
        due_at = ctx.clock.now()
        return await advance(conn, ctx, before, AttemptEvent.ASK_CLOSE, due_at=due_at)


async def advance(
    conn: Connection, ctx: Context, before: PaymentAttempt, event: AttemptEvent, **changes: Any
) -> PaymentAttempt:
    """One step of the machine, its posting and its event, in one transaction on a locked row."""
    state = ATTEMPT.advance(before.state, event)
    fixed: dict[str, Any] = {"state": state, "tries": 0, "due_at": None}
    if before.way == rules.MIXED and event is AttemptEvent.CLOSE:
        # What the payer allowed is of no more use.
        fixed["client_sealed"] = None
    after = await rows.save_attempt(conn, ctx, before, **(fixed | changes))
    if ended := rules.ended_items(event):
        closing = state.value.lower()
        await casework.close_items_of(conn, ctx, rows.items_of(before, *ended), closing)
    ctx.metrics.transitions.labels("payment", state.value).inc()
    match event:
        case AttemptEvent.PAY:
            await rows.post_received(conn, ctx, after)
            await rows.tell_payment(conn, ctx, after, "payment.paid")
        case AttemptEvent.PAY_LATE:
            await rows.post_received(conn, ctx, after)
            await refund(
                conn, ctx, after.record_id, after.attempt_id, after.amount_fen, LATE_PAYMENT
            )
        case AttemptEvent.REFUSE:
            await rows.tell_payment(conn, ctx, after, "payment.failed")
        case AttemptEvent.CLOSE:
            await rows.tell_payment(conn, ctx, after, "payment.closed")
        case AttemptEvent.CONTRADICT:
            await rows.tell_payment(conn, ctx, after, "payment.review")
        case _:
            pass
    return after
