"""Freeze and unfreeze a person, with all persons that are merged into him.

Each person's row keeps its own state, and counts the frozen ones among its parts: the whole is
frozen while any part is, and after an un-merge each has its own state again. What is done to the
whole is done to every part, because nobody can say which of them was meant.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from service.kernel.context import Context
from service.kernel.database import Connection, retry_serialization, transaction
from service.kernel.problems import StateConflict
from service.person import opening, store, store_merging
from service.person.model import Person


async def freeze(ctx: Context, person_id: int, because: str) -> None:
    """No code of the person resolves until ``unfreeze``. Raises ``NotFound``, ``StateConflict``."""
    await retry_serialization(lambda: _set_frozen(ctx, person_id, because))


async def unfreeze(ctx: Context, person_id: int) -> None:
    """Codes resolve again. Raises ``NotFound``, ``StateConflict``."""
    await retry_serialization(lambda: _set_frozen(ctx, person_id, None))


async def _set_frozen(ctx: Context, person_id: int, because: str | None) -> None:
    async with transaction(ctx.pool) as conn:
        whole = await opening.lock_current(conn, ctx, person_id)
        if whole.is_frozen == (because is not None):
            raise StateConflict
        await _set_whole(conn, ctx, whole, because)


async def _set_whole(conn: Connection, ctx: Context, whole: Person, because: str | None) -> None:
    now = ctx.clock.now()
    parts_of = await list_parts(conn, whole.person_id)
    for part in sorted(one for parts in parts_of.values() for one in parts):
        row = opening.checked_person(ctx, await store.lock_person(conn, part))
        await _set_one(conn, ctx, row, because, now, _count_below(parts_of, part))
    await _set_one(conn, ctx, whole, because, now, _count_below(parts_of, whole.person_id))


async def _set_one(
    conn: Connection, ctx: Context, row: Person, because: str | None, now: datetime, below: int
) -> None:
    """Freeze a row (one that is frozen keeps since when and why), or unfreeze it."""
    if because is None:
        changed = msgspec.structs.replace(row, frozen_at=None, frozen_because=None, frozen_parts=0)
    elif row.frozen_at is None:
        changed = msgspec.structs.replace(
            row, frozen_at=now, frozen_because=because, frozen_parts=below
        )
    else:
        changed = msgspec.structs.replace(row, frozen_parts=below)
    await save(conn, ctx, changed)


async def count_parts(conn: Connection, ctx: Context, person_id: int, added: int) -> None:
    """``added`` more (less than 0: fewer) of the person's parts are frozen; its row is locked."""
    row = opening.checked_person(ctx, await store.find_person(conn, person_id))
    await save(conn, ctx, msgspec.structs.replace(row, frozen_parts=row.frozen_parts + added))


async def save(conn: Connection, ctx: Context, row: Person) -> None:
    """Write a person's row as its next version. Raises ``StateConflict`` if it changed."""
    changed = msgspec.structs.replace(row, version=row.version + 1)
    mac = ctx.sealer.row_mac("person", changed.mac_parts())
    changed = msgspec.structs.replace(changed, row_mac=mac)
    if not await store.update_person(conn, changed, row.version):
        raise StateConflict("the person was changed meanwhile")


def frozen_within(row: Person) -> int:
    """How many frozen persons one row stands for: itself and its parts."""
    return row.frozen_parts + (row.frozen_at is not None)


async def list_parts(conn: Connection, person_id: int) -> dict[int, list[int]]:
    """Of the person and of each of its parts, the persons merged into it directly."""
    parts_of: dict[int, list[int]] = {}
    level = [person_id]
    while level:
        standing = await store_merging.list_standing(conn, level)
        for one in standing:
            parts_of.setdefault(one.person_id, []).append(one.other_person_id)
        level = [one.other_person_id for one in standing]
    return parts_of


def _count_below(parts_of: Mapping[int, list[int]], person_id: int) -> int:
    return sum(1 + _count_below(parts_of, part) for part in parts_of.get(person_id, []))
