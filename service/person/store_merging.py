"""SQL of joining and parting persons: changes, aliases, rulings, and the questions they answer."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from service.kernel.database import Connection, execute, find_row, insert_new, list_rows
from service.kernel.joined_reads import row_of
from service.person.model import Link, Record
from service.person.model_merging import Change, ChangeCount, Linked, Review, Ruling

LIST_LINKED = """
select
  record.record_id, record.source, record.institution_id, record.sealed, record.received_at,
  record.row_mac,
  link.link_id, link.person_id, link.decision_id, link.from_at, link.to_at,
  link.row_mac as link_mac
from record
join link on link.record_id = record.record_id and link.to_at is null
where record.record_id = any($1::bigint[])
order by record.record_id
"""
LIST_RECORD_IDS = """
select record_id
from person_link
where person_id = $1 and to_at is null
order by record_id
limit $2
"""
CLOSE_LINK = """
update link
set to_at = $3, row_mac = $4
where record_id = $1 and link_id = $2 and to_at is null
"""
CLOSE_PERSON_LINK = """
update person_link
set to_at = $4
where person_id = $1 and record_id = $2 and link_id = $3 and to_at is null
"""
DELETE_GOLDEN = """
delete from golden where person_id = $1
"""
INSERT_ALIAS = """
insert into person_alias (person_id, current_person_id, from_at)
values ($1, $2, $3)
on conflict do nothing
"""
CLOSE_ALIAS = """
update person_alias
set to_at = $3
where person_id = $1 and current_person_id = $2 and to_at is null
"""
GET_ALIAS = """
select current_person_id from person_alias where person_id = $1 and to_at is null
"""
INSERT_CHANGE = """
insert into person_change (
  person_id, change_id, kind, other_person_id, actor, reason, changed_at, undone_by, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
INSERT_MOVED = """
insert into person_change_record (person_id, change_id, record_id)
select $1::bigint, $2::bigint, moved.record_id
from unnest($3::bigint[]) as moved (record_id)
"""
GET_CHANGE = """
select
  person_id, change_id, kind, other_person_id, actor, reason, changed_at, undone_by, row_mac
from person_change
where person_id = $1 and change_id = $2
"""
LIST_MOVED = """
select record_id
from person_change_record
where person_id = $1 and change_id = $2
order by record_id
"""
END_CHANGE = """
update person_change
set undone_by = $3, row_mac = $4
where person_id = $1 and change_id = $2 and undone_by is null
"""
LIST_STANDING = """
select
  person_id, change_id, kind, other_person_id, actor, reason, changed_at, undone_by, row_mac
from person_change
where person_id = any($1::bigint[]) and kind = 'MERGE' and undone_by is null
order by changed_at desc, change_id desc
"""
LIST_CHANGES = """
select
  person_id, change_id, kind, other_person_id, actor, reason, changed_at, undone_by, row_mac
from person_change
where change_id in (
  select decision_id
  from decision
  where record_id = any($1::bigint[]) and kind in ('MERGE', 'UNMERGE')
)
order by changed_at desc, change_id desc
limit $2
"""
COUNT_BY_SPAN = """
with spans as (
  select since, until, number
  from unnest($1::timestamptz[], $2::timestamptz[]) with ordinality as given (since, until, number)
)
select spans.number,
  count(person_change.change_id) filter (
    where person_change.kind = 'MERGE' and person_change.actor = $3) as automatic_merges,
  count(person_change.change_id) filter (
    where person_change.kind = 'MERGE' and person_change.actor <> $3) as merges,
  count(person_change.change_id) filter (where person_change.kind = 'UNMERGE') as unmerges
from spans
left join person_change
  on person_change.changed_at >= spans.since and person_change.changed_at < spans.until
group by spans.number
order by spans.number
"""
COUNT_MOVES = """
select count(*) from decision where record_id = $1 and kind in ('MERGE', 'UNMERGE')
"""
INSERT_RULING = """
insert into assertion (
  record_id, other_record_id, verdict, actor, reason, asserted_at, ruling_id, withdrawn_at,
  withdrawn_by, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict do nothing
"""
GET_RULING = """
select
  record_id, other_record_id, verdict, actor, reason, asserted_at, ruling_id, withdrawn_at,
  withdrawn_by, row_mac
from assertion
where record_id = $1 and other_record_id = $2 and withdrawn_at is null
"""
LIST_RULINGS = """
select
  record_id, other_record_id, verdict, actor, reason, asserted_at, ruling_id, withdrawn_at,
  withdrawn_by, row_mac
from assertion
where withdrawn_at is null
  and (record_id = any($1::bigint[]) or other_record_id = any($1::bigint[]))
order by asserted_at, record_id, other_record_id
"""
LIST_RULINGS_WITHDRAWN = """
select
  record_id, other_record_id, verdict, actor, reason, asserted_at, ruling_id, withdrawn_at,
  withdrawn_by, row_mac
from assertion
where (record_id = any($1::bigint[]) or other_record_id = any($1::bigint[])) and withdrawn_by = $2
order by asserted_at, record_id, other_record_id
"""
SET_WITHDRAWN = """
update assertion
set ruling_id = $4, withdrawn_at = $5, withdrawn_by = $6, row_mac = $7
where record_id = $1 and other_record_id = $2 and asserted_at = $3 and row_mac = $8
"""
LIST_QUESTIONS = """
select record_id, review_id, other_record_id, reason, closed_at, closed_by
from review
where closed_at is null
  and (
    (record_id = any($1::bigint[]) and other_record_id = any($2::bigint[]))
    or (record_id = any($2::bigint[]) and other_record_id = any($1::bigint[]))
  )
order by record_id, review_id
"""
LIST_ANSWERED = """
select record_id, review_id, other_record_id, reason, closed_at, closed_by
from review
where closed_by = $1
order by record_id, review_id
"""
SET_CLOSED = """
update review
set closed_at = $3, closed_by = $4
where record_id = $1 and review_id = $2 and (closed_at is null) <> ($3::timestamptz is null)
"""


async def list_linked(conn: Connection, record_ids: Sequence[int]) -> list[Linked]:
    """These records with their open links, by number."""
    if not record_ids:
        return []
    rows = [tuple(row) for row in await conn.fetch(LIST_LINKED, list(record_ids))]
    return [
        Linked(record=row_of(Record, row[:6]), link=row_of(Link, (row[0], *row[6:])))
        for row in rows
    ]


async def list_record_ids(conn: Connection, person_id: int, limit: int) -> list[int]:
    """The records linked to a person now, by number."""
    return [row["record_id"] for row in await conn.fetch(LIST_RECORD_IDS, person_id, limit)]


async def close_link(conn: Connection, row: Link) -> bool:
    """The link as it is closed, seen from both sides; False when somebody was faster."""
    closed = await execute(conn, CLOSE_LINK, row.record_id, row.link_id, row.to_at, row.row_mac)
    key = (row.person_id, row.record_id, row.link_id)
    return closed == 1 and await execute(conn, CLOSE_PERSON_LINK, *key, row.to_at) == 1


async def delete_golden(conn: Connection, person_id: int) -> None:
    """A person without records has no view."""
    await execute(conn, DELETE_GOLDEN, person_id)


async def insert_alias(
    conn: Connection, person_id: int, current_person_id: int, now: datetime
) -> bool:
    """From now on the one stands for the other; False when it stands for somebody already."""
    return await insert_new(conn, INSERT_ALIAS, person_id, current_person_id, now)


async def close_alias(
    conn: Connection, person_id: int, current_person_id: int, now: datetime
) -> bool:
    """A person stands for himself again; False when he did."""
    return await execute(conn, CLOSE_ALIAS, person_id, current_person_id, now) == 1


async def find_alias(conn: Connection, person_id: int) -> int | None:
    """The person into whom this one was merged; None for one who stands for himself."""
    found: int | None = await conn.fetchval(GET_ALIAS, person_id)
    return found


async def insert_change(conn: Connection, row: Change, moved: Sequence[int]) -> None:
    """A change and the records that it moved."""
    await execute(conn, INSERT_CHANGE, *msgspec.structs.astuple(row))
    await execute(conn, INSERT_MOVED, row.person_id, row.change_id, list(moved))


async def find_change(conn: Connection, person_id: int, change_id: int) -> Change | None:
    """By its key."""
    return await find_row(conn, Change, GET_CHANGE, person_id, change_id)


async def list_moved(conn: Connection, change: Change) -> list[int]:
    """The records that a change moved."""
    rows = await conn.fetch(LIST_MOVED, change.person_id, change.change_id)
    return [row["record_id"] for row in rows]


async def end_change(conn: Connection, row: Change) -> bool:
    """The change as it is undone; False when it was undone already."""
    key = (row.person_id, row.change_id)
    return await execute(conn, END_CHANGE, *key, row.undone_by, row.row_mac) == 1


async def list_standing(conn: Connection, person_ids: Sequence[int]) -> list[Change]:
    """The merges into these persons that nobody undid, newest first."""
    return await list_rows(conn, Change, LIST_STANDING, list(person_ids))


async def list_changes(conn: Connection, record_ids: Sequence[int], limit: int) -> list[Change]:
    """The changes that ever moved one of these records, newest first."""
    return await list_rows(conn, Change, LIST_CHANGES, list(record_ids), limit)


async def count_by_span(
    conn: Connection, spans: Sequence[tuple[datetime, datetime]], system: str
) -> list[ChangeCount]:
    """One row for each span, in order; ``system`` is the actor of what no steward decided."""
    since, until = [one[0] for one in spans], [one[1] for one in spans]
    return await list_rows(conn, ChangeCount, COUNT_BY_SPAN, since, until, system)


async def count_moves(conn: Connection, record_id: int) -> int:
    """How often a record came to another person."""
    found: int = await conn.fetchval(COUNT_MOVES, record_id)
    return found


async def insert_ruling(conn: Connection, row: Ruling) -> bool:
    """False when there is a ruling about the two records."""
    return await insert_new(conn, INSERT_RULING, *msgspec.structs.astuple(row))


async def find_ruling(conn: Connection, record_id: int, other_record_id: int) -> Ruling | None:
    """What is ruled about two records, the lesser first."""
    return await find_row(conn, Ruling, GET_RULING, record_id, other_record_id)


async def list_rulings(conn: Connection, record_ids: Sequence[int]) -> list[Ruling]:
    """What is ruled about any of these records."""
    return await list_rows(conn, Ruling, LIST_RULINGS, list(record_ids))


async def list_rulings_withdrawn(
    conn: Connection, record_ids: Sequence[int], withdrawn_by: int
) -> list[Ruling]:
    """The rulings about any of these records that one act withdrew."""
    return await list_rows(conn, Ruling, LIST_RULINGS_WITHDRAWN, list(record_ids), withdrawn_by)


async def set_withdrawn(conn: Connection, row: Ruling, was_mac: bytes) -> bool:
    """A ruling as it is withdrawn, or stands again; False when somebody was faster."""
    key = (row.record_id, row.other_record_id, row.asserted_at)
    args = (row.ruling_id, row.withdrawn_at, row.withdrawn_by, row.row_mac, was_mac)
    return await execute(conn, SET_WITHDRAWN, *key, *args) == 1


async def list_questions(
    conn: Connection, some: Sequence[int], others: Sequence[int]
) -> list[Review]:
    """The open questions between one of ``some`` and one of ``others``."""
    return await list_rows(conn, Review, LIST_QUESTIONS, list(some), list(others))


async def list_answered(conn: Connection, closed_by: int) -> list[Review]:
    """The questions that a change or ruling answered."""
    return await list_rows(conn, Review, LIST_ANSWERED, closed_by)


async def set_closed(conn: Connection, row: Review) -> bool:
    """A question as it is closed, or asked again; False when it was so already."""
    key = (row.record_id, row.review_id)
    return await execute(conn, SET_CLOSED, *key, row.closed_at, row.closed_by) == 1
