"""What the payer paid too much goes back to where it came from, the last used tender first."""

from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken
from service.ledger.model import DEPOSIT
from service.payment import actions as payment
from service.settlement import tender
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
    for attempt in (await tender.tender_of(conn, ctx, row)).paid:
        part = min(left, attempt.refundable_fen)
        if part > 0:
            if attempt.provider == DEPOSIT:
                await deposits.send_back(conn, ctx, attempt, part, cause_of(row))
            else:
                await payment.refund(
                    conn, ctx, row.record_id, attempt.attempt_id, part, cause_of(row)
                )
            left -= part
    if left > 0:
        raise InvariantBroken("more is to be given back than was paid")
