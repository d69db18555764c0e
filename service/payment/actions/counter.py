"""Cash and card slips at a counter: taken and given by a cashier, recorded here at once.

The cashier's books lie in another shard. Whether money moved is decided by one row here: the
attempt under the id that the cashier's entry names, the refund at the version that it names.
"""

from datetime import datetime

from integrations.ports import payments as port
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import InvariantBroken, NotFound
from service.payment import rules, store
from service.payment.actions import refunds, rows
from service.payment.model import PaymentAttempt, Refund, RowKey, TakenAtCounter
from service.payment.problems import PaymentInProgress, PaymentNotRefundable
from service.payment.states import AttemptState, RefundEvent, RefundState

NOT_FETCHED = "refund-not-fetched"


async def find_taken(
    conn: Connection, ctx: Context, record_id: int, attempt_id: int
) -> PaymentAttempt | None:
    """What stands under an id that a cashier's entry names. Raises ``RowTampered``."""
    try:
        return await rows.get_attempt(conn, ctx, RowKey(record_id, attempt_id))
    except NotFound:
        return None


async def take_at_counter(conn: Connection, ctx: Context, new: TakenAtCounter) -> PaymentAttempt:
    """Store money that a cashier has in his hand, with its posting and its event.

    The caller holds its own row by compare-and-set and has seen that nothing else may take money.
    Raises ``PaymentInProgress`` when the id is taken: the entry was given up.
    """
    row = _attempt(ctx, new, AttemptState.PAID, ctx.clock.now())
    if not await store.insert_attempt(conn, row):
        raise PaymentInProgress
    ctx.metrics.transitions.labels("payment", row.state.value).inc()
    await rows.post_received(conn, ctx, row)
    await rows.tell_payment(conn, ctx, row, "payment.paid")
    return row


async def hold_taken(ctx: Context, new: TakenAtCounter) -> PaymentAttempt:
    """Make sure that an entry's money is either here or never comes: gives the attempt PAID, or
    FAILED, and then nothing can be stored under its id any more."""
    async with transaction(ctx.pool) as conn:
        await store.insert_attempt(conn, _attempt(ctx, new, AttemptState.FAILED, None))
        return await rows.get_attempt(conn, ctx, RowKey(new.record_id, new.attempt_id))


def _attempt(
    ctx: Context, new: TakenAtCounter, state: AttemptState, paid_at: datetime | None
) -> PaymentAttempt:
    if new.provider not in rules.AT_COUNTER:
        raise InvariantBroken("only cash and card slips are taken at a counter")
    now = ctx.clock.now()
    return rows.sign_attempt(
        ctx,
        PaymentAttempt(
            record_id=new.record_id,
            attempt_id=new.attempt_id,
            settlement_id=new.settlement_id,
            institution_id=new.institution_id,
            provider=new.provider,
            account_name=rules.COUNTER_ACCOUNT,
            way=new.provider,
            purpose=new.purpose,
            trade_no=ctx.ids.trade_no(),
            amount_fen=new.amount_fen,
            refunding_fen=0,
            refunded_fen=0,
            state=state,
            payer_sealed=None,
            client_sealed=None,
            provider_ref=new.provider_ref if paid_at is not None else None,
            paid_at=paid_at,
            expires_at=now,
            asked_at=None,
            due_at=None,
            tries=0,
            created_at=now,
            version=1,
            row_mac=b"",
        ),
    )


async def read_refund(ctx: Context, record_id: int, refund_id: int) -> Refund:
    """Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        return await rows.get_refund(conn, ctx, RowKey(record_id, refund_id))


async def give_at_counter(ctx: Context, key: RowKey, version: int, provider_ref: str) -> Refund:
    """The cashier gives the money of a refund that waits for him. Again changes nothing.

    Raises ``PaymentNotRefundable`` when it does not stand at ``version`` any more.
    """
    async with transaction(ctx.pool) as conn:
        attempt_id = (await rows.get_refund(conn, ctx, key)).attempt_id
        attempt = await rows.lock_attempt(conn, ctx, RowKey(key.record_id, attempt_id))
        before = await rows.lock_refund(conn, ctx, key)
        if before.state is RefundState.REFUNDED and before.provider_ref == provider_ref:
            return before
        if not waits_for_cashier(before) or before.version != version:
            raise PaymentNotRefundable
        given = port.Refund(
            refund_no=before.refund_no,
            trade_no=before.trade_no,
            status=port.RefundStatus.REFUNDED,
            provider_ref=provider_ref,
            amount_fen=before.amount_fen,
            refunded_at=ctx.clock.now(),
        )
        return await refunds.advance(conn, ctx, attempt, before, RefundEvent.FINISH, given)


async def report_not_fetched(ctx: Context, key: RowKey) -> None:
    """Open a work item about a refund that waits for a cashier too long; none where it is given."""
    async with transaction(ctx.pool) as conn:
        attempt_id = (await rows.get_refund(conn, ctx, key)).attempt_id
        await rows.lock_attempt(conn, ctx, RowKey(key.record_id, attempt_id))
        row = await rows.lock_refund(conn, ctx, key)
        if waits_for_cashier(row):
            await rows.report_refund(conn, ctx, row, NOT_FETCHED)


async def hold_given(ctx: Context, key: RowKey, version: int) -> Refund:
    """Make sure that nobody gives the refund at ``version`` any more, unless it is given: gives
    the refund as it stands."""
    async with transaction(ctx.pool) as conn:
        attempt_id = (await rows.get_refund(conn, ctx, key)).attempt_id
        await rows.lock_attempt(conn, ctx, RowKey(key.record_id, attempt_id))
        before = await rows.lock_refund(conn, ctx, key)
        if not waits_for_cashier(before) or before.version != version:
            return before
        return await rows.save_refund(conn, ctx, before)


def waits_for_cashier(row: Refund) -> bool:
    """Whether a cashier may give it."""
    return row.provider in rules.AT_COUNTER and row.state is RefundState.CREATED
