"""Post to the ledger and read its sums."""

from service.kernel.context import Context
from service.kernel.database import Connection
from service.ledger.model import NewPosting


async def post(conn: Connection, ctx: Context, new: NewPosting) -> None:
    """Post inside the caller's transaction. The same cause again with equal content is nothing.

    Raises ``InvariantBroken`` when the cause stands with other content.
    """
    raise NotImplementedError


async def balances(ctx: Context, record_id: int, settlement_id: int) -> dict[str, int]:
    """Debits less credits in fen for each account that a settlement touched."""
    raise NotImplementedError


async def check_balanced(
    conn: Connection, ctx: Context, record_id: int, settlement_id: int
) -> bool:
    """Whether the patient's account of a settlement stands at zero, as it must at its end."""
    raise NotImplementedError
