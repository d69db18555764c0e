"""An operator's word on a refund that was refused or failed: again, given after all, or outside."""

from integrations.ports import payments as port
from integrations.ports.outcomes import Accepted
from service.audit.model import Decided
from service.casework import actions as casework
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import StateConflict
from service.ledger.model import OUTSIDE
from service.payment import store
from service.payment.actions import refunds, rows
from service.payment.model import PaymentAttempt, Refund, RowKey
from service.payment.states import REFUND, RefundEvent, RefundState


async def retry_refund(ctx: Context, record_id: int, refund_id: int, decided: Decided) -> Refund:
    """An operator's word that a refund may go again. One under review keeps its number; one that
    failed for good gets a new refund with a new number.

    Raises ``StateConflict``, also where the provider says that a failed one was given after all;
    ``NotFound``.
    """
    key = RowKey(record_id, refund_id)
    async with transaction(ctx.pool) as conn:
        attempt_id = (await rows.get_refund(conn, ctx, key)).attempt_id
        attempt = await rows.lock_attempt(conn, ctx, RowKey(record_id, attempt_id))
        before = await rows.lock_refund(conn, ctx, key)
        is_failed = before.state is RefundState.FAILED
        if not (is_failed or REFUND.allows(before.state, RefundEvent.SEND_AGAIN)):
            raise StateConflict(f"the refund is {before.state.value}; nothing is to be sent again")
        if await casework.is_open(conn, rows.refund_items(before, refunds.GIVEN_AFTER_ALL)):
            raise StateConflict("the provider says that it was given back after all")
        if is_failed:
            await _check_no_other(conn, before)
        await rows.note(conn, ctx, attempt, "refund.retried", before.amount_fen, decided)
        await casework.close_items_of(conn, ctx, rows.refund_items(before), "sent-again")
        if is_failed:
            return await _instead(conn, ctx, attempt, before)
        # One try counted, so that the job asks before it sends.
        return await rows.save_refund(
            conn,
            ctx,
            before,
            state=REFUND.advance(before.state, RefundEvent.SEND_AGAIN),
            tries=1,
            due_at=ctx.clock.now(),
        )


async def _instead(
    conn: Connection,
    ctx: Context,
    attempt: PaymentAttempt,
    failed: Refund,
    *,
    outside: bool = False,
) -> Refund:
    """The refund that takes a failed one's place, and its promise."""
    await rows.save_attempt(
        conn, ctx, attempt, refunding_fen=attempt.refunding_fen - failed.amount_fen
    )
    return await refunds.refund(
        conn,
        ctx,
        failed.record_id,
        failed.attempt_id,
        failed.amount_fen,
        _cause_after(failed),
        outside=outside,
    )


def _cause_after(failed: Refund) -> str:
    """The cause of the refund that takes the place of one that failed for good."""
    return f"{failed.cause}:after:{failed.refund_id}"


async def _check_no_other(conn: Connection, failed: Refund) -> None:
    """Raises ``StateConflict`` where another refund has taken this one's place."""
    other = await store.find_by_cause(
        conn, failed.record_id, failed.attempt_id, _cause_after(failed)
    )
    if other is not None:
        how = "given outside" if other.provider == OUTSIDE else "sent again"
        raise StateConflict(f"it was {how} since")


async def confirm_refund(ctx: Context, record_id: int, refund_id: int, decided: Decided) -> Refund:
    """An operator has the provider asked about a refund that failed: was it given after all?

    Raises ``StateConflict`` where the provider says otherwise, or it was sent again since;
    ``NotFound``.
    """
    key = RowKey(record_id, refund_id)
    async with connection(ctx.pool) as conn:
        row = await rows.get_refund(conn, ctx, key)
        attempt = await rows.get_attempt(conn, ctx, RowKey(record_id, row.attempt_id))
    if row.state is not RefundState.FAILED:
        raise StateConflict(f"the refund is {row.state.value}; only a failed one is confirmed")
    told = await _told_given(ctx, attempt, row)
    async with transaction(ctx.pool) as conn:
        locked = await rows.lock_attempt(conn, ctx, RowKey(record_id, row.attempt_id))
        before = await rows.lock_refund(conn, ctx, key)
        await _check_no_other(conn, before)
        await rows.note(conn, ctx, locked, "refund.confirmed", before.amount_fen, decided)
        return await refunds.advance(conn, ctx, locked, before, RefundEvent.FINISH_LATE, told)


async def give_outside(
    ctx: Context, record_id: int, refund_id: int, reference: str, decided: Decided
) -> Refund:
    """An operator's word that the hospital gave a refund that failed another way: by transfer, in
    cash. ``reference`` names the proof. It takes the place of a refund sent again: never both.

    Raises ``StateConflict`` unless the provider says for certain that it gave nothing;
    ``NotFound``.
    """
    key = RowKey(record_id, refund_id)
    async with connection(ctx.pool) as conn:
        row = await rows.get_refund(conn, ctx, key)
        attempt = await rows.get_attempt(conn, ctx, RowKey(record_id, row.attempt_id))
    if row.state is not RefundState.FAILED:
        raise StateConflict(f"the refund is {row.state.value}; only for a failed one")
    await _check_not_given(ctx, attempt, row)
    async with transaction(ctx.pool) as conn:
        locked = await rows.lock_attempt(conn, ctx, RowKey(record_id, row.attempt_id))
        before = await rows.lock_refund(conn, ctx, key)
        await _check_no_other(conn, before)
        await rows.note(conn, ctx, locked, "refund.given-outside", before.amount_fen, decided)
        await casework.close_items_of(conn, ctx, rows.refund_items(before), "given-outside")
        given = await _instead(conn, ctx, locked, before, outside=True)
        promised = await rows.lock_attempt(conn, ctx, RowKey(record_id, row.attempt_id))
        named = await rows.save_refund(conn, ctx, given, provider_ref=reference)
        return await refunds.advance(conn, ctx, promised, named, RefundEvent.FINISH, None)


async def _told_given(ctx: Context, attempt: PaymentAttempt, row: Refund) -> port.Refund:
    """The provider's word that it gave this amount. Raises ``StateConflict`` for any other."""
    told = await _ask(ctx, attempt, row)
    if (told.status, told.amount_fen) != (port.RefundStatus.REFUNDED, row.amount_fen):
        raise StateConflict(f"the provider says {told.status.value}, {told.amount_fen} fen")
    return told


async def _check_not_given(ctx: Context, attempt: PaymentAttempt, row: Refund) -> None:
    """Raises ``StateConflict`` for any word of the provider's but that nothing was given."""
    told = await _ask(ctx, attempt, row)
    if told.status not in (port.RefundStatus.FAILED, port.RefundStatus.ABSENT):
        raise StateConflict(f"the provider says {told.status.value}")


async def _ask(ctx: Context, attempt: PaymentAttempt, row: Refund) -> port.Refund:
    """The provider's word now. Raises ``StateConflict`` where it has none."""
    gateway = rows.find_gateway(ctx, attempt.provider, attempt.account_name)
    if gateway is None:
        raise StateConflict("no provider is asked about it")
    asked = await gateway.query_refund(row.refund_no, trade_no=row.trade_no)
    rows.count_outcome(ctx, row.provider, "query_refund", asked)
    if not isinstance(asked, Accepted):
        raise StateConflict("the provider gives no clear answer")
    return asked.value
