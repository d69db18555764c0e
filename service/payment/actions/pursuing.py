"""The next try for an attempt that is due, whatever its way."""

from service.kernel.context import Context
from service.payment import rules
from service.payment.actions import codes, outcomes, rows, tries
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
            closing = await outcomes.ask_close(ctx, key)
            is_open = closing.state is AttemptState.CLOSING
            return await undo(ctx, closing) if is_open else closing
        case AttemptState.CREATED | AttemptState.AWAITING_PAYER if row.way == rules.CODE:
            return await codes.ask(ctx, row)
        case AttemptState.CREATED:
            return await tries.try_place(ctx, row)
        case AttemptState.AWAITING_PAYER:
            return await tries.poll(ctx, row)
        case AttemptState.CLOSING:
            return await undo(ctx, row)
        case AttemptState.CLOSED if row.due_at is not None:
            return await tries.look_again(ctx, row)
        case _:
            return row


async def undo(ctx: Context, row: PaymentAttempt) -> PaymentAttempt:
    """One try to end a CLOSING attempt: orders are closed, payments by code reversed."""
    if row.way == rules.CODE:
        return await codes.try_reverse(ctx, row)
    return await tries.try_close(ctx, row)
