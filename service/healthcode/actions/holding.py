"""Void, freeze and unfreeze a record's codes."""

from service.audit.actions import append
from service.audit.model import AuditEntry
from service.healthcode import cards, revoking
from service.healthcode.model import CodeState
from service.kernel.context import Context
from service.kernel.database import transaction
from service.kernel.principals import Resident


async def void_codes(ctx: Context, record_id: int, by: Resident | None = None) -> None:
    """Every code issued before is void and every phone must be enrolled anew.

    For a lost phone, an un-merge, a death. Online the card's epoch tells, at readers without
    network the list. Raises ``NotFound`` for a record without a card, ``StateConflict``.
    """
    async with transaction(ctx.pool) as conn:
        was = await cards.change_within(conn, ctx, record_id, cards.with_next_epoch)
        revoked = await revoking.revoke_everything(conn, ctx, record_id)
        await append(
            conn,
            ctx,
            AuditEntry(
                record_id=record_id,
                action="code.voided",
                actor_kind="system" if by is None else "resident",
                actor_id=0 if by is None else by.account_id,
                institution_id=None,
                facts={"card": was.card, "epoch": was.epoch, "revoked": revoked},
            ),
        )


async def freeze(ctx: Context, record_id: int) -> None:
    """No code of the record resolves until ``unfreeze``. Raises ``NotFound``, ``StateConflict``."""
    frozen = cards.moved(CodeState.ACTIVE, CodeState.FROZEN)
    await cards.change(ctx, record_id, "code.frozen", frozen)


async def unfreeze(ctx: Context, record_id: int) -> None:
    """Codes resolve again. Raises ``NotFound``, ``StateConflict``."""
    active = cards.moved(CodeState.FROZEN, CodeState.ACTIVE)
    await cards.change(ctx, record_id, "code.unfrozen", active)
