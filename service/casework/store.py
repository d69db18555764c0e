"""SQL of work items."""

from collections.abc import Sequence
from datetime import datetime

from service.casework.model import (
    DayCount,
    ItemsOf,
    NewItem,
    OpenCount,
    PageOf,
    Wanted,
    WorkItem,
)
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
PAGE_OPEN = """
select record_id, item_id, kind, subject_id, institution_id, reason, evidence, owner,
  opened_at, closed_at, closing
from work_item
where closed_at is null and kind = any($1::text[])
  and ($2::text is null or reason = $2)
  and ($3::timestamptz is null or (opened_at, item_id) > ($3, $4::bigint))
order by opened_at, item_id
limit $5
"""
PAGE_CLOSED = """
select record_id, item_id, kind, subject_id, institution_id, reason, evidence, owner,
  opened_at, closed_at, closing
from work_item
where closed_at is not null and kind = any($1::text[])
  and ($2::text is null or reason = $2)
  and ($3::timestamptz is null or (closed_at, item_id) < ($3, $4::bigint))
order by closed_at desc, item_id desc
limit $5
"""
COUNT_BY_SPAN = """
with spans as (
  select since, until, number
  from unnest($2::timestamptz[], $3::timestamptz[]) with ordinality as given (since, until, number)
), opened as (
  select spans.number, count(*) as opened
  from spans
  join work_item on work_item.kind = $1
    and work_item.opened_at >= spans.since and work_item.opened_at < spans.until
  group by spans.number
), closed as (
  select spans.number, count(*) as closed,
    percentile_disc(0.5) within group (order by work_item.closed_at - work_item.opened_at)
      as median_open
  from spans
  join work_item on work_item.kind = $1
    and work_item.closed_at >= spans.since and work_item.closed_at < spans.until
  group by spans.number
)
select spans.number, coalesce(opened.opened, 0) as opened, coalesce(closed.closed, 0) as closed,
  closed.median_open
from spans
left join opened on opened.number = spans.number
left join closed on closed.number = spans.number
order by spans.number
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


async def list_page(conn: Connection, page: PageOf) -> list[WorkItem]:
    """In the page's order."""
    sql, after = PAGE_OPEN if page.is_open else PAGE_CLOSED, page.after
    at = None if after is None else after.opened_at if page.is_open else after.closed_at
    place = (at, None if after is None else after.item_id)
    return await list_rows(conn, WorkItem, sql, list(page.kinds), page.reason, *place, page.limit)


async def count_by_span(
    conn: Connection, kind: str, spans: Sequence[tuple[datetime, datetime]]
) -> list[DayCount]:
    """One row for each span, in order; a span is from an instant up to and without another."""
    since, until = [one[0] for one in spans], [one[1] for one in spans]
    return await list_rows(conn, DayCount, COUNT_BY_SPAN, kind, since, until)


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
