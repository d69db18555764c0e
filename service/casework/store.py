"""SQL of work items."""

from datetime import datetime

from service.casework.model import ItemsOf, NewItem, WorkItem
from service.kernel.database import Connection, execute, insert_new, list_rows

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
CLOSE_ITEM = """
update work_item
set closed_at = $3, closing = $4
where record_id = $1 and item_id = $2 and closed_at is null
"""
CLOSE_OF = """
update work_item
set closed_at = $5, closing = $6
where record_id = $1 and kind = $2 and subject_id = $3 and reason <> $4 and closed_at is null
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


async def close_item(
    conn: Connection, record_id: int, item_id: int, now: datetime, closing: str
) -> bool:
    """False when it is closed already."""
    return await execute(conn, CLOSE_ITEM, record_id, item_id, now, closing) == 1


async def close_of(conn: Connection, of: ItemsOf, now: datetime, closing: str) -> int:
    """How many were open."""
    key = (of.record_id, of.kind, of.subject_id, of.but_reason)
    return await execute(conn, CLOSE_OF, *key, now, closing)
