"""The own part of a bill, paid at the insurance's payment centre. Its settlement asks there.

What the settlement heard is recorded here in its transaction; the caller holds its own row.
"""

from datetime import datetime

from service.kernel.context import Context
from service.kernel.database import Connection
from service.payment.actions import outcomes, refunds, rows
from service.payment.model import PaymentAttempt, Refund, RowKey
from service.payment.states import ATTEMPT, REFUND, AttemptEvent, RefundEvent


async def record_at_centre(
    conn: Connection,
    ctx: Context,
    key: RowKey,
    event: AttemptEvent,
    *,
    provider_ref: str | None = None,
    paid_at: datetime | None = None,
) -> PaymentAttempt:
    """Let ``event`` happen to the attempt, unless it is over already. Raises ``NotFound``."""
    before = await rows.lock_attempt(conn, ctx, key)
    if not ATTEMPT.allows(before.state, event):
        return before
    facts = {} if paid_at is None else {"provider_ref": provider_ref, "paid_at": paid_at}
    return await outcomes.advance(conn, ctx, before, event, **facts)


async def record_returned(conn: Connection, ctx: Context, key: RowKey, ref: str) -> Refund:
    """The centre gave the money of the refund at ``key`` back. Again changes nothing."""
    attempt_id = (await rows.get_refund(conn, ctx, key)).attempt_id
    attempt = await rows.lock_attempt(conn, ctx, RowKey(key.record_id, attempt_id))
    before = await rows.lock_refund(conn, ctx, key)
    if not REFUND.allows(before.state, RefundEvent.FINISH):
        return before
    named = await rows.save_refund(conn, ctx, before, provider_ref=ref)
    return await refunds.advance(conn, ctx, attempt, named, RefundEvent.FINISH, None)
