"""Calls a person before a kind of key has no version left that may sign, seal or index."""

from crypto.keyring import KeyKind
from service.casework.actions import open_item
from service.casework.model import NewItem
from service.kernel.context import Context
from service.kernel.database import connection
from service.keys.changes import short

_KINDS = list(KeyKind)


async def remind(ctx: Context) -> int:
    """Open a work item for each kind whose scheduled rotation did not happen; gives how many."""
    ending = short(ctx.ring.snapshot, ctx.clock.now())
    if not ending:
        return 0
    async with connection(ctx.pool) as conn:
        for kind, days in ending:
            await open_item(conn, ctx, _item(kind, int(days)))
    return len(ending)


def _item(kind: KeyKind, days: int) -> NewItem:
    return NewItem(
        record_id=0,
        kind="key",
        subject_id=_KINDS.index(kind),
        institution_id=None,
        reason="key-ending",
        evidence={"kind": kind.value, "days_left": days},
    )
