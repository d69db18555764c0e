"""What a steward sees of a person before he rules: records, rulings, and what moved them.

What was decided about each record is checked first, from the first decision on: a steward who
relies on a history that somebody changed would undo, or repeat, what never was.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import RowTampered
from service.person import golden, moving, opening, rules, rulings, store, store_merging
from service.person.model_merging import SYSTEM, Change, ChangeCount, Ruling

CHANGES_MAX = 200
DECISIONS_MAX = 1000
"""Of one record that are checked, oldest first."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A person of today. ``changes``: into and out of him and his parts, newest first."""

    person_id: int
    records: tuple[int, ...]
    rulings: tuple[Ruling, ...]
    changes: tuple[Change, ...]


async def read_change(ctx: Context, person_id: int, change_id: int) -> Change:
    """One change. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        return await moving.find_change(conn, ctx, person_id, change_id)


async def count_by_day(
    ctx: Context, days: Sequence[tuple[datetime, datetime]]
) -> list[ChangeCount]:
    """How many persons were joined and parted in each of these days."""
    async with connection(ctx.pool) as conn:
        return await store_merging.count_by_span(conn, days, SYSTEM)


async def of_record(ctx: Context, record_id: int) -> History:
    """Of the record's person. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        person_id = (await opening.open_link(conn, ctx, record_id)).person_id
        records = await store_merging.list_record_ids(conn, person_id, golden.RECORDS_MAX)
        for one in records:
            if not rules.chain_holds(await store.list_decisions(conn, one, DECISIONS_MAX)):
                raise RowTampered("decision")
        ruled = await rulings.list_standing(conn, ctx, records)
        changes = await store_merging.list_changes(conn, records, CHANGES_MAX)
    return History(
        person_id=person_id,
        records=tuple(records),
        rulings=tuple(ruled),
        changes=tuple(moving.checked_change(ctx, one) for one in changes),
    )
