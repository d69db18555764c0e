"""Calls a person before a kind of key has no version left that may sign, seal or index."""

from crypto.keyring import KeyKind
from service.casework.actions import keep_standing
from service.casework.model import NewItem
from service.kernel.context import Context
from service.keys.changes import short

_KIND = "key"
_KINDS = list(KeyKind)


async def remind(ctx: Context) -> int:
    """Keep a work item open for each kind whose scheduled rotation did not happen; gives how
    many."""
    ending = short(ctx.ring.snapshot, ctx.clock.now())
    await keep_standing(ctx, _KIND, [_item(kind, int(days)) for kind, days in ending], "rotated")
    return len(ending)


def _item(kind: KeyKind, days: int) -> NewItem:
    return NewItem(
        record_id=0,
        kind=_KIND,
        subject_id=_KINDS.index(kind),
        institution_id=None,
        reason="key-ending",
        evidence={"kind": kind.value, "days_left": days},
    )
