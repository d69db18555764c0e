"""Money back: promised in the caller's transaction, sent by the job, confirmed by the provider."""

from datetime import datetime

from integrations.ports import payments as port
from integrations.ports.outcomes import Accepted, Rejected
from service.casework import actions as casework
from service.casework.model import ItemsOf
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import InvariantBroken, NotFound
from service.ledger.model import COUNTED, OUTSIDE
from service.payment import rules, store
from service.payment.actions import rows
from service.payment.model import PaymentAttempt, Refund, RowKey
from service.payment.problems import PaymentNotRefundable
from service.payment.states import (
    REFUND,
    TOOK_MONEY,
    RefundEvent,
    RefundState,
)

LATE_PAYMENT = "late-payment"
GIVEN_AFTER_ALL = "refunded-after-failure"
REASON_TEXT = "退款"
"""What the payer reads at the provider: nothing of the visit."""
_POLLED = frozenset({RefundState.PROCESSING, RefundState.NEEDS_REVIEW})


async def refund(
    conn: Connection,
    ctx: Context,
    record_id: int,
    attempt_id: int,
    amount_fen: int,
    cause: str,
    *,
    outside: bool = False,
) -> Refund:
    """Promise money back in the caller's transaction; the job sends it. One cause, one refund.
    What was taken at a counter waits for a cashier (topic ``refund.asked``), what was paid at the
    payment centre for its settlement; what is given ``outside`` of its provider nobody sends.

    Raises ``PaymentNotRefundable`` (not paid, or more than is left), ``InvariantBroken`` when the
    cause stands with another amount.
    """
    attempt = await rows.lock_attempt(conn, ctx, RowKey(record_id, attempt_id))
    standing = await store.find_by_cause(conn, record_id, attempt_id, cause)
    if standing is not None:
        if rows.checked_refund(ctx, standing).amount_fen != amount_fen:
            raise InvariantBroken("one cause refunds one amount")
        return standing
    if attempt.state not in TOOK_MONEY or not 0 < amount_fen <= attempt.refundable_fen:
        raise PaymentNotRefundable
    await rows.save_attempt(conn, ctx, attempt, refunding_fen=attempt.refunding_fen + amount_fen)
    provider = OUTSIDE if outside else attempt.provider
    now, at_counter = ctx.clock.now(), provider in rules.AT_COUNTER
    waits = at_counter or provider in (*COUNTED, rules.MOBILE_CENTRE, OUTSIDE)
    row = rows.sign_refund(
        ctx,
        Refund(
            record_id=record_id,
            refund_id=ctx.ids.new(),
            attempt_id=attempt_id,
            settlement_id=attempt.settlement_id,
            institution_id=attempt.institution_id,
            provider=provider,
            refund_no=ctx.ids.trade_no(),
            trade_no=attempt.trade_no,
            amount_fen=amount_fen,
            cause=cause,
            state=REFUND.start,
            provider_ref=None,
            refunded_at=None,
            due_at=None if waits else now,
            tries=0,
            created_at=now,
            version=1,
            row_mac=b"",
        ),
    )
    await store.insert_refund(conn, row)
    await store.insert_number(conn, row.refund_no, store.REFUND, RowKey(record_id, row.refund_id))
    if at_counter:
        await rows.tell_refund(conn, ctx, attempt, row, "refund.asked")
    return row


async def list_refunds(
    conn: Connection, ctx: Context, record_id: int, settlement_id: int
) -> list[Refund]:
    """All refunds of a settlement, newest first. Raises ``RowTampered``."""
    found = await store.list_refunds(conn, record_id, settlement_id)
    return [rows.checked_refund(ctx, row) for row in found]


async def apply_refund(ctx: Context, provider: str, told: port.Refund) -> None:
    """The one door for what a provider says of a refund; a repeat changes nothing.

    Raises ``NotFound`` for a refund number that is not ours.
    """
    async with connection(ctx.pool) as conn:
        key = await store.find_number(conn, told.refund_no, store.REFUND)
    if key is None:
        raise NotFound
    await apply_to(ctx, key, provider, told)


async def apply_to(ctx: Context, key: RowKey, provider: str, told: port.Refund) -> Refund:
    """Apply what was told to the refund at ``key``; gives it as it stands afterwards."""
    async with transaction(ctx.pool) as conn:
        attempt_id = (await rows.get_refund(conn, ctx, key)).attempt_id
        attempt = await rows.lock_attempt(conn, ctx, RowKey(key.record_id, attempt_id))
        before = await rows.lock_refund(conn, ctx, key)
        if (before.provider, before.refund_no) != (provider, told.refund_no):
            raise NotFound
        judged = rules.judge_refund(before, told)
        if judged.reason is not None:
            await rows.report_refund(conn, ctx, before, judged.reason)
        if judged.event is None:
            return before
        return await advance(conn, ctx, attempt, before, judged.event, told)


async def advance(
    conn: Connection,
    ctx: Context,
    attempt: PaymentAttempt,
    before: Refund,
    event: RefundEvent,
    told: port.Refund | None,
) -> Refund:
    """One step of the machine with all that belongs to it. Both rows are locked."""
    state = REFUND.advance(before.state, event)
    now = ctx.clock.now()
    after = await rows.save_refund(
        conn,
        ctx,
        before,
        state=state,
        provider_ref=(told.provider_ref if told else None) or before.provider_ref,
        refunded_at=_refunded_at(event, told, now),
        due_at=now + ctx.policy.poll_every if state in _POLLED else None,
        tries=0,
    )
    ctx.metrics.transitions.labels("refund", state.value).inc()
    await casework.close_items_of(conn, ctx, _ended_items(before, event), state.value.lower())
    match event:
        case RefundEvent.FINISH | RefundEvent.FINISH_LATE:
            await rows.save_attempt(
                conn,
                ctx,
                attempt,
                refunding_fen=attempt.refunding_fen - before.amount_fen,
                refunded_fen=attempt.refunded_fen + before.amount_fen,
            )
            await rows.post_returned(conn, ctx, attempt, after)
            await rows.tell_refund(conn, ctx, attempt, after, "refund.done")
            if before.cause.startswith(LATE_PAYMENT):
                late = rows.items_of(attempt, LATE_PAYMENT)
                await casework.close_items_of(conn, ctx, late, "refunded")
        case RefundEvent.FAIL | RefundEvent.BLOCK:
            # It stays promised: no later refund may count the same money, for this one goes again,
            # or is given another way.
            await rows.tell_refund(conn, ctx, attempt, after, "refund.stuck")
        case _:
            pass
    return after


def _ended_items(row: Refund, event: RefundEvent) -> ItemsOf:
    """What a clear answer ends: all but what a person must still look at, opened with it or not."""
    match event:
        case RefundEvent.FAIL:
            return rows.refund_items(row, but_reason="refund-failed")
        case RefundEvent.BLOCK:
            return rows.refund_items(row, "refund-unresolved")
        case _:
            return rows.refund_items(row)


def _refunded_at(event: RefundEvent, told: port.Refund | None, now: datetime) -> datetime | None:
    if event not in (RefundEvent.FINISH, RefundEvent.FINISH_LATE):
        return None
    return (told.refunded_at if told else None) or now


async def pursue_refund(ctx: Context, key: RowKey) -> None:
    """One try to bring a refund further: ask what became of it, send it if the provider has none.

    The try is committed before the call. Number and content never change, so a repeat is the same
    refund (payments dossier 9.4).
    """
    async with connection(ctx.pool) as conn:
        row = await rows.get_refund(conn, ctx, key)
        attempt = await rows.get_attempt(conn, ctx, RowKey(row.record_id, row.attempt_id))
    begun = await _begin(ctx, row) if row.due_at is not None else None
    if begun is None:
        return
    gateway = rows.find_gateway(ctx, attempt.provider, attempt.account_name)
    if gateway is None or not await _try(ctx, gateway, attempt, row):
        await rows.report_unresolved(ctx, begun)


async def _begin(ctx: Context, row: Refund) -> Refund | None:
    """The intent of a try: counted and due again. None when somebody was faster."""
    due_at = ctx.clock.now() + rules.pause(ctx.policy.retry_after, row.tries)
    return await rows.try_refund(ctx, row, tries=row.tries + 1, due_at=due_at)


async def _try(
    ctx: Context, gateway: port.PaymentGateway, attempt: PaymentAttempt, row: Refund
) -> bool:
    """Whether the provider gave a clear answer. ``row`` is as it stood before this try."""
    key = RowKey(row.record_id, row.refund_id)
    unsent = row.state is RefundState.CREATED and row.tries == 0
    if not unsent:
        asked = await gateway.query_refund(row.refund_no, trade_no=row.trade_no)
        rows.count_outcome(ctx, row.provider, "query_refund", asked)
        if not isinstance(asked, Accepted):
            return False
        if asked.value.status is not port.RefundStatus.ABSENT:
            await apply_to(ctx, key, row.provider, asked.value)
            return True
        if row.state is not RefundState.CREATED:
            return False
    order = port.RefundOrder(
        trade_no=row.trade_no,
        refund_no=row.refund_no,
        amount_fen=row.amount_fen,
        total_fen=attempt.amount_fen,
        reason=REASON_TEXT,
        notice_url=rows.notice_url(ctx, attempt),
    )
    sent = await gateway.refund(order)
    rows.count_outcome(ctx, row.provider, "refund", sent)
    match sent:
        case Accepted(value):
            await apply_to(ctx, key, row.provider, value)
            return True
        case Rejected():
            await _block(ctx, key)
            return True
        case _:
            return False


async def _block(ctx: Context, key: RowKey) -> None:
    """The provider refused for certain: a person must look; questions go on in case he acts."""
    async with transaction(ctx.pool) as conn:
        attempt_id = (await rows.get_refund(conn, ctx, key)).attempt_id
        attempt = await rows.lock_attempt(conn, ctx, RowKey(key.record_id, attempt_id))
        before = await rows.lock_refund(conn, ctx, key)
        if REFUND.allows(before.state, RefundEvent.BLOCK):
            await rows.report_refund(conn, ctx, before, "refund-refused")
            await advance(conn, ctx, attempt, before, RefundEvent.BLOCK, None)


async def list_due(ctx: Context, now: datetime, limit: int) -> list[RowKey]:
    """Refunds to pursue."""
    async with connection(ctx.pool) as conn:
        return await store.list_due_refunds(conn, now, limit)


async def claim(ctx: Context, key: RowKey, now: datetime, until: datetime) -> bool:
    """Whether this caller holds the due refund."""
    async with connection(ctx.pool) as conn:
        return await store.claim_refund(conn, key, now, until)


async def release(ctx: Context, key: RowKey, until: datetime) -> None:
    """Let others take the refund before the lease that ends then does."""
    async with connection(ctx.pool) as conn:
        await store.release_refund(conn, key, until)
