"""SQL of work items."""

from datetime import datetime

from service.casework.model import ItemsOf, NewItem, OpenCount, Wanted, WorkItem
from service.kernel.database import Connection, execute, find_row, insert_new, list_rows, write

INSERT_ITEM = """
insert into work_item (
  record_id, item_id, kind, subject_id, institution_id, reason, evidence, opened_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (record_id, kind, subject_id, reason) where closed_at is null do nothing
"""
LIST_OPEN = """
select record_id, item_id, kind, subject_id, institution_id, reason, evidence, owner,
  opened_at, closed_at, closing
from work_item
where closed_at is null
order by opened_at
limit $1
"""
LIST_WANTED = """
select record_id, item_id, kind, subject_id, institution_id, reason, evidence, owner,
  opened_at, closed_at, closing
from work_item
where closed_at is null
  and ($1::text is null or kind = $1)
  and ($2::text is null or reason = $2)
  and ($3::bigint is null or institution_id = $3)
  and ($4::timestamptz is null or opened_at < $4)
order by opened_at
limit $5
"""
GET_ITEM = """
select record_id, item_id, kind, subject_id, institution_id, reason, evidence, owner,
  opened_at, closed_at, closing
from work_item
where record_id = $1 and item_id = $2
"""
COUNT_OPEN = """
select kind, reason, count(*) as count, min(opened_at) as oldest_at
from work_item
where closed_at is null
group by kind, reason
order by kind, reason
"""
CLOSE_ITEM = """
update work_item
set closed_at = $3, closing = $4, owner = $5
where record_id = $1 and item_id = $2 and closed_at is null
"""
CLOSE_OF = """
update work_item
set closed_at = $5, closing = $6
where record_id = $1 and kind = $2 and subject_id = $3 and reason <> $4 and closed_at is null
  and (cardinality($7::text[]) = 0 or reason = any($7::text[]))
"""
IS_OPEN = """
select exists (
  select 1 from work_item
  where record_id = $1 and kind = $2 and subject_id = $3 and reason <> $4 and closed_at is null
    and (cardinality($5::text[]) = 0 or reason = any($5::text[]))
)
"""
CLOSE_OTHERS = """
update work_item
set closed_at = $5, closing = $6
where record_id = $1 and kind = $2 and closed_at is null
  and (subject_id, reason) not in (
    select standing.subject_id, standing.reason
    from unnest($3::bigint[], $4::text[]) as standing (subject_id, reason)
  )
"""


async def insert_item(conn: Connection, item: NewItem, item_id: int, now: datetime) -> bool:
    """False when the same item is open already."""
    return await insert_new(
        conn,
        INSERT_ITEM,
        item.record_id,
        item_id,
        item.kind,
        item.subject_id,
        item.institution_id,
        item.reason,
        item.evidence,
        now,
    )


async def list_open(conn: Connection, limit: int) -> list[WorkItem]:
    """Oldest first."""
    return await list_rows(conn, WorkItem, LIST_OPEN, limit)


async def list_wanted(conn: Connection, wanted: Wanted, limit: int) -> list[WorkItem]:
    """Oldest first."""
    which = (wanted.kind, wanted.reason, wanted.institution_id, wanted.opened_before)
    return await list_rows(conn, WorkItem, LIST_WANTED, *which, limit)


async def find_item(conn: Connection, record_id: int, item_id: int) -> WorkItem | None:
    """Open or closed."""
    return await find_row(conn, WorkItem, GET_ITEM, record_id, item_id)


async def count_open(conn: Connection) -> list[OpenCount]:
    """One row for each kind and reason that is open."""
    return await list_rows(conn, OpenCount, COUNT_OPEN)


async def is_open(conn: Connection, of: ItemsOf) -> bool:
    """Whether one of them is."""
    key = (of.record_id, of.kind, of.subject_id, of.but_reason)
    found: bool = await conn.fetchval(IS_OPEN, *key, list(of.reasons))
    return found


async def close_item(
    conn: Connection, item: WorkItem, now: datetime, closing: str, owner: str
) -> bool:
    """False when it is closed already."""
    key = (item.record_id, item.item_id)
    return await execute(conn, CLOSE_ITEM, *key, now, closing, owner) == 1


async def close_of(conn: Connection, of: ItemsOf, now: datetime, closing: str) -> None:
    """With what else the transaction writes."""
    key = (of.record_id, of.kind, of.subject_id, of.but_reason)
    await write(conn, CLOSE_OF, *key, now, closing, list(of.reasons))


async def close_others(
    conn: Connection, kind: str, standing: list[NewItem], now: datetime, closing: str
) -> None:
    """Of what concerns no record, all of the kind that does not stand any more."""
    subjects = [one.subject_id for one in standing]
    reasons = [one.reason for one in standing]
    await execute(conn, CLOSE_OTHERS, 0, kind, subjects, reasons, now, closing)
