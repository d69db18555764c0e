"""Issue and read receipts."""

from service.kernel.context import Context
from service.receipt.model import PostedFacts, Receipt


async def issue(ctx: Context, record_id: int, settlement_id: int, facts: PostedFacts) -> Receipt:
    """Issue the receipt of a posted settlement; again gives the one that stands."""
    raise NotImplementedError


async def find(ctx: Context, record_id: int, settlement_id: int) -> Receipt | None:
    """The receipt, or None before it is issued."""
    raise NotImplementedError


async def get(ctx: Context, record_id: int, settlement_id: int) -> Receipt:
    """Raises ``NotFound`` before it is issued."""
    raise NotImplementedError
