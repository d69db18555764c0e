"""Freeze and unfreeze a person, or report a death, with all persons that are merged into him.

Each person's row keeps its own state, and counts the frozen ones among its parts: the whole is
frozen while any part is, and after an un-merge each has its own state again. What is done to the
whole is done to every part, because nobody can say which of them was meant.
"""

from collections.abc import Mapping, Sequence

import msgspec

from service.kernel.context import Context
from service.kernel.database import Connection, retry_serialization, transaction
from service.kernel.problems import StateConflict
from service.person import opening, store, store_merging
from service.person.model import Person

DIED = "died"
"""In front of ``frozen_because`` while a death is reported; behind it what stood there before."""


async def freeze(ctx: Context, person_id: int, because: str) -> None:
    """No code of the person resolves until ``unfreeze``. Raises ``NotFound``, ``StateConflict``."""
    await retry_serialization(lambda: _set_frozen(ctx, person_id, because))


async def unfreeze(ctx: Context, person_id: int) -> None:
    """Codes resolve again, unless a death was reported. Raises ``NotFound``, ``StateConflict``."""
    await retry_serialization(lambda: _set_frozen(ctx, person_id, None))


async def report_death(conn: Connection, ctx: Context, record_id: int) -> None:
    """No code of the record's person resolves until ``report_alive``; a freeze stays behind it.

    Raises ``NotFound``; ``StateConflict`` where it was reported; ``RowTampered``.
    """
    rows = await _whole_of(conn, ctx, await opening.lock_person_of(conn, ctx, record_id))
    if any(_is_dead(row) for row in rows):
        raise StateConflict("the death was reported already")
    because = {
        row.person_id: DIED if row.frozen_because is None else f"{DIED};{row.frozen_because}"
        for row in rows
    }
    await _set_whole(conn, ctx, rows, because)


async def report_alive(conn: Connection, ctx: Context, record_id: int) -> None:
    """The report of a death was wrong; what was frozen before it is so again.

    Raises ``NotFound``; ``StateConflict`` where none was reported; ``RowTampered``.
    """
    rows = await _whole_of(conn, ctx, await opening.lock_person_of(conn, ctx, record_id))
    if not any(_is_dead(row) for row in rows):
        raise StateConflict("no death was reported")
    because = {row.person_id: _but_alive(row) for row in rows}
    await _set_whole(conn, ctx, rows, because)


async def _set_frozen(ctx: Context, person_id: int, because: str | None) -> None:
    async with transaction(ctx.pool) as conn:
        whole = await opening.lock_current(conn, ctx, person_id)
        if whole.is_frozen == (because is not None):
            raise StateConflict
        rows = await _whole_of(conn, ctx, whole)
        if any(_is_dead(row) for row in rows):
            raise StateConflict("a death was reported; only `yimatong person alive` ends that")
        reasons = {row.person_id: because and (row.frozen_because or because) for row in rows}
        await _set_whole(conn, ctx, rows, reasons)


async def _whole_of(conn: Connection, ctx: Context, whole: Person) -> list[Person]:
    """A person whose row is locked, and all of its parts, which are locked now."""
    parts_of = await list_parts(conn, whole.person_id)
    parts = sorted(one for parts in parts_of.values() for one in parts)
    return [
        whole,
        *[opening.checked_person(ctx, await store.lock_person(conn, one)) for one in parts],
    ]


async def _set_whole(
    conn: Connection, ctx: Context, rows: Sequence[Person], because: Mapping[int, str | None]
) -> None:
    """Each row is frozen for its reason (one that is frozen keeps since when), or is not."""
    parts_of = await list_parts(conn, rows[0].person_id)
    frozen = {person_id for person_id, reason in because.items() if reason is not None}
    for row in rows:
        reason = because[row.person_id]
        since = row.frozen_at or ctx.clock.now()
        changed = msgspec.structs.replace(
            row,
            frozen_at=since if reason is not None else None,
            frozen_because=reason,
            frozen_parts=_count_below(parts_of, row.person_id, frozen),
        )
        await save(conn, ctx, changed)


def _is_dead(row: Person) -> bool:
    return row.frozen_because is not None and row.frozen_because.split(";")[0] == DIED


def _but_alive(row: Person) -> str | None:
    """Why the row is frozen without the report of a death."""
    if not _is_dead(row):
        return row.frozen_because
    return (row.frozen_because or "").partition(";")[2] or None


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


def _count_below(parts_of: Mapping[int, list[int]], person_id: int, frozen: set[int]) -> int:
    return sum(
        (part in frozen) + _count_below(parts_of, part, frozen)
        for part in parts_of.get(person_id, [])
    )
