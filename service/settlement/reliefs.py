"""Reliefs and waivers: what programmes take over of the payer's part, as the bill names them.

They are counted when the division is known, after the insurance and before anybody's money, at most
the payer's part. Where that becomes less, own money goes back before a relief does.
"""

from service.kernel.context import Context
from service.kernel.database import Connection
from service.ledger.model import RELIEF
from service.payment import actions as payment
from service.payment.model import CountedPart, PaymentAttempt, RowKey
from service.settlement.model import Progress, Settlement


async def count(conn: Connection, ctx: Context, row: Settlement, progress: Progress) -> int:
    """Count the reliefs of the bill, in their order; gives their sum in fen."""
    left_fen = row.cash_fen or 0
    for one in progress.reliefs:
        amount_fen = min(one.amount_fen, left_fen)
        if amount_fen:
            await payment.count_part(
                conn,
                ctx,
                CountedPart(
                    record_id=row.record_id,
                    settlement_id=row.settlement_id,
                    institution_id=row.institution_id,
                    provider=RELIEF,
                    amount_fen=amount_fen,
                    ref=one.programme,
                    since=ctx.clock.now(),
                ),
            )
        left_fen -= amount_fen
    return (row.cash_fen or 0) - left_fen


async def release(
    conn: Connection, ctx: Context, attempt: PaymentAttempt, amount_fen: int, cause: str
) -> None:
    """So much of it is not needed, or the settlement is undone. One cause, one release."""
    key = RowKey(attempt.record_id, attempt.attempt_id)
    await payment.release_part(conn, ctx, key, amount_fen, cause)
