"""Void, freeze and unfreeze a record's codes."""

from service.healthcode import cards
from service.healthcode.model import CodeState
from service.kernel.context import Context


async def void_codes(ctx: Context, record_id: int) -> None:
    """Every code issued before is void. Raises ``NotFound``, ``StateConflict``."""
    await cards.change(ctx, record_id, "code.voided", cards.with_next_epoch)


async def freeze(ctx: Context, record_id: int) -> None:
    """No code of the record resolves until ``unfreeze``. Raises ``NotFound``, ``StateConflict``."""
    frozen = cards.moved(CodeState.ACTIVE, CodeState.FROZEN)
    await cards.change(ctx, record_id, "code.frozen", frozen)


async def unfreeze(ctx: Context, record_id: int) -> None:
    """Codes resolve again. Raises ``NotFound``, ``StateConflict``."""
    active = cards.moved(CodeState.FROZEN, CodeState.ACTIVE)
    await cards.change(ctx, record_id, "code.unfrozen", active)
