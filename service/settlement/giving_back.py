"""What the payer paid too much goes back to where it came from, the last used tender first, and a
relief only when no money is left."""

from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken
from service.ledger import model as ledger
from service.payment import actions as payment
from service.payment.model import PaymentAttempt
from service.settlement import reliefs, tender
from service.settlement.model import Settlement
from service.settlement.stays import deposits

MOVED = "amounts-moved"


def cause_of(row: Settlement) -> str:
    """The cause of the refunds of the settlement's present round: one refund an attempt."""
    return f"{MOVED}{row.cause_suffix}"


async def give_back(conn: Connection, ctx: Context, row: Settlement, amount_fen: int) -> None:
    """Promise the payer ``amount_fen`` out of his paid attempts, in the caller's transaction.

    Raises ``InvariantBroken`` where not so much is left.
    """
    left = amount_fen
    # Newest first by our own time: a provider's time of payment may be cut to the second.
    newest_first = (await tender.tender_of(conn, ctx, row)).paid
    for attempt in sorted(newest_first, key=lambda one: one.provider == ledger.RELIEF):
        part = min(left, attempt.refundable_fen)
        if part > 0:
            await _send_back(conn, ctx, attempt, part, cause_of(row))
            left -= part
    if left > 0:
        raise InvariantBroken("more is to be given back than was paid")


async def _send_back(
    conn: Connection, ctx: Context, attempt: PaymentAttempt, part_fen: int, cause: str
) -> None:
    match attempt.provider:
        case ledger.DEPOSIT:
            await deposits.send_back(conn, ctx, attempt, part_fen, cause)
        case ledger.RELIEF:
            await reliefs.release(conn, ctx, attempt, part_fen, cause)
        case _:
            await payment.refund(conn, ctx, attempt.record_id, attempt.attempt_id, part_fen, cause)
