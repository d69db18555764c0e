"""Deposits and reliefs as payments: counted by one settlement, and released by it. No provider is
asked.

A deposit's money came in by its own settlement, and leaves by it; a relief is nobody's money. Who
may count what, and that it is counted once, the caller sees to.
"""

from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken
from service.ledger.model import COUNTED
from service.payment import store
from service.payment.actions import refunds, rows
from service.payment.model import CountedPart, PaymentAttempt, Refund, RowKey
from service.payment.states import AttemptState, RefundEvent, RefundState


async def count_part(conn: Connection, ctx: Context, new: CountedPart) -> PaymentAttempt:
    """Store a part as paid towards a settlement, with its posting, in the caller's transaction.

    It can be beside an order that stands: no money moves. Raises ``InvariantBroken``.
    """
    row = rows.sign_attempt(
        ctx,
        PaymentAttempt(
            record_id=new.record_id,
            attempt_id=ctx.ids.new(),
            settlement_id=new.settlement_id,
            institution_id=new.institution_id,
            provider=new.provider,
            account_name=None,
            way=new.provider,
            purpose="MAIN",
            trade_no=ctx.ids.trade_no(),
            amount_fen=new.amount_fen,
            refunding_fen=0,
            refunded_fen=0,
            state=AttemptState.PAID,
            payer_sealed=None,
            client_sealed=None,
            provider_ref=new.ref,
            paid_at=new.since,
            expires_at=new.since,
            asked_at=None,
            due_at=None,
            tries=0,
            created_at=new.since,
            version=1,
            row_mac=b"",
        ),
    )
    if not await store.insert_attempt(conn, row):
        raise InvariantBroken("a new attempt has a new id")
    ctx.metrics.transitions.labels("payment", row.state.value).inc()
    await rows.post_received(conn, ctx, row)
    return row


async def release_part(
    conn: Connection, ctx: Context, key: RowKey, amount_fen: int, cause: str
) -> Refund:
    """Count so much of a part no more, at once. One cause, one release.

    Raises as ``refund``.
    """
    before = await refunds.refund(conn, ctx, key.record_id, key.row_id, amount_fen, cause)
    if before.state is not RefundState.CREATED:
        return before
    attempt = await rows.lock_attempt(conn, ctx, key)
    if attempt.provider not in COUNTED:
        raise InvariantBroken("only what was counted is released")
    return await refunds.advance(conn, ctx, attempt, before, RefundEvent.FINISH, None)
