"""The next try for an attempt that is due, whatever its way."""

from service.kernel.context import Context
from service.payment import rules
from service.payment.actions import codes, mixed, outcomes, rows, tries
from service.payment.model import PaymentAttempt, RowKey
from service.payment.states import AttemptState


async def pursue(ctx: Context, key: RowKey, known: PaymentAttempt | None = None) -> PaymentAttempt:
    """One try to bring an attempt further; the job's unit of work.

    ``known``: as it was when it was found that it may be asked about. Read again, it might be what
    another asker has just begun.
    """
    row = known or await rows.read_attempt(ctx, key)
    is_over = row.expires_at <= ctx.clock.now()
    match row.state:
        case AttemptState.CREATED | AttemptState.AWAITING_PAYER if is_over:
            return await _end(ctx, key)
        case AttemptState.CREATED | AttemptState.AWAITING_PAYER:
            return await _go_on(ctx, row)
        case AttemptState.CLOSING:
            return await undo(ctx, row)
        case AttemptState.CLOSED if row.due_at is not None:
            is_code = row.way == rules.CODE
            return await (codes.look_again if is_code else tries.look_again)(ctx, row)
        case _:
            return row


async def _go_on(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """One try to bring a live attempt to its payment."""
    if row.way == rules.CODE:
        return await codes.ask(ctx, row)
    if row.way == rules.MIXED:
        return await mixed.go_on(ctx, row)
    if row.state is AttemptState.CREATED:
        return await tries.try_place(ctx, row)
    return await tries.poll(ctx, row)


async def _end(ctx: Context, key: RowKey) -> PaymentAttempt:
    """One try to end a live attempt whose time is over."""
    closing = await outcomes.ask_close(ctx, key)
    return await undo(ctx, closing) if closing.state is AttemptState.CLOSING else closing


async def undo(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """One try to end a CLOSING attempt: orders are closed, payments by code reversed."""
    if row.way == rules.CODE:
        return await codes.try_reverse(ctx, row)
    if row.way == rules.MIXED:
        return await mixed.try_close(ctx, row)
    return await tries.try_close(ctx, row)
