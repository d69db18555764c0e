"""SQL of the master index."""

from datetime import datetime

import msgspec

from service.kernel.database import Connection, execute, find_row, list_rows, write
from service.kernel.joined_reads import Cells, Read, row_of
from service.person.model import Decision, Link, Person, Record

INSERT_RECORD = """
insert into record (record_id, source, institution_id, sealed, received_at, row_mac)
values ($1, $2, $3, $4, $5, $6)
"""
GET_RECORD = """
select record_id, source, institution_id, sealed, received_at, row_mac
from record
where record_id = $1
"""
GET_RECORD_AND_LINK = """
select
  record.record_id, record.source, record.institution_id, record.sealed, record.received_at,
  record.row_mac,
  link.link_id, link.person_id, link.decision_id, link.from_at, link.to_at,
  link.row_mac as link_mac
from record
join link on link.record_id = record.record_id and link.to_at is null
where record.record_id = $1
"""
LAST_HASH = """
select hash
from decision as made
where record_id = $1 and not exists (
  select 1
  from decision as later
  where later.record_id = made.record_id and later.previous_hash = made.hash
)
"""
INSERT_DECISION = """
insert into decision (
  record_id, decision_id, kind, model, bits, actor, reason, previous_hash, hash, decided_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
LIST_DECISIONS = """
select record_id, decision_id, kind, model, bits, actor, reason, previous_hash, hash, decided_at
from decision
where record_id = $1
order by decided_at, decision_id
limit $2
"""
INSERT_LINK = """
insert into link (record_id, link_id, person_id, decision_id, from_at, to_at, row_mac)
values ($1, $2, $3, $4, $5, $6, $7)
"""
GET_OPEN_LINK = """
select record_id, link_id, person_id, decision_id, from_at, to_at, row_mac
from link
where record_id = $1 and to_at is null
"""
INSERT_PERSON_LINK = """
insert into person_link (person_id, record_id, link_id, from_at)
values ($1, $2, $3, $4)
"""
LIST_PERSON_RECORDS = """
select record_id
from person_link
where person_id = $1 and to_at is null
order by from_at, record_id
limit $2
"""
INSERT_PERSON = """
insert into person (
  person_id, frozen_at, frozen_because, created_at, version, frozen_parts, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7)
"""
GET_PERSON = """
select person_id, frozen_at, frozen_because, created_at, version, frozen_parts, row_mac
from person
where person_id = $1
"""
LOCK_PERSON = """
select person_id, frozen_at, frozen_because, created_at, version, frozen_parts, row_mac
from person
where person_id = $1
for update
"""
UPDATE_PERSON = """
update person
set frozen_at = $3, frozen_because = $4, version = $5, frozen_parts = $6, row_mac = $7
where person_id = $1 and version = $2
"""
UPSERT_GOLDEN = """
insert into golden (person_id, sealed, version, built_at)
values ($1, $2, 1, $3)
on conflict (person_id) do update
set sealed = excluded.sealed, version = golden.version + 1, built_at = excluded.built_at
"""
GET_GOLDEN = """
select sealed from golden where person_id = $1
"""
INSERT_REVIEW = """
insert into review (record_id, review_id, other_record_id, reason, decision_id, opened_at)
values ($1, $2, $3, $4, $5, $6)
"""


async def insert_record(conn: Connection, row: Record) -> None:
    """A registration as received."""
    await write(
        conn,
        INSERT_RECORD,
        row.record_id,
        row.source.value,
        row.institution_id,
        row.sealed,
        row.received_at,
        row.row_mac,
    )


async def find_record(conn: Connection, record_id: int) -> Record | None:
    """By id."""
    return await find_row(conn, Record, GET_RECORD, record_id)


async def find_record_and_link(conn: Connection, record_id: int) -> tuple[Record, Link] | None:
    """A record with its open link, in one reading."""
    row = await conn.fetchrow(GET_RECORD_AND_LINK, record_id)
    return None if row is None else record_and_link(tuple(row))


def record_and_link_read(record_id: int) -> Read:
    """The same, to be read together with other rows of the record."""
    return Read(GET_RECORD_AND_LINK, (record_id,), 12)


def record_and_link(cells: Cells) -> tuple[Record, Link]:
    """Out of what that read gave."""
    return row_of(Record, cells[:6]), row_of(Link, (cells[0], *cells[6:]))


def open_link_read(record_id: int) -> Read:
    """A record's open link, to be read together with other rows of the record."""
    return Read(GET_OPEN_LINK, (record_id,), len(Link.__struct_fields__))


async def last_hash(conn: Connection, record_id: int) -> bytes | None:
    """The head of a record's chain of decisions."""
    found: bytes | None = await conn.fetchval(LAST_HASH, record_id)
    return found


async def insert_decision(conn: Connection, row: Decision) -> None:
    """A decision at the end of its record's chain."""
    await write(conn, INSERT_DECISION, *msgspec.structs.astuple(row))


async def list_decisions(conn: Connection, record_id: int, limit: int) -> list[Decision]:
    """Oldest first."""
    return await list_rows(conn, Decision, LIST_DECISIONS, record_id, limit)


async def insert_link(conn: Connection, row: Link) -> None:
    """An open link, seen from both sides."""
    await write(conn, INSERT_LINK, *msgspec.structs.astuple(row))
    await write(conn, INSERT_PERSON_LINK, row.person_id, row.record_id, row.link_id, row.from_at)


async def find_open_link(conn: Connection, record_id: int) -> Link | None:
    """The person that a record belongs to now."""
    return await find_row(conn, Link, GET_OPEN_LINK, record_id)


async def list_person_records(conn: Connection, person_id: int, limit: int) -> list[int]:
    """The records linked to a person now."""
    rows = await conn.fetch(LIST_PERSON_RECORDS, person_id, limit)
    return [row["record_id"] for row in rows]


async def insert_person(conn: Connection, row: Person) -> None:
    """A new person."""
    await write(conn, INSERT_PERSON, *msgspec.structs.astuple(row))


async def find_person(conn: Connection, person_id: int) -> Person | None:
    """By id."""
    return await find_row(conn, Person, GET_PERSON, person_id)


async def lock_person(conn: Connection, person_id: int) -> Person | None:
    """By id, held until the transaction ends."""
    return await find_row(conn, Person, LOCK_PERSON, person_id)


async def update_person(conn: Connection, row: Person, was_version: int) -> bool:
    """False when somebody was faster."""
    return (
        await execute(
            conn,
            UPDATE_PERSON,
            row.person_id,
            was_version,
            row.frozen_at,
            row.frozen_because,
            row.version,
            row.frozen_parts,
            row.row_mac,
        )
        == 1
    )


async def upsert_golden(conn: Connection, person_id: int, sealed: bytes, now: datetime) -> None:
    """The golden view as just built."""
    await execute(conn, UPSERT_GOLDEN, person_id, sealed, now)


async def find_golden(conn: Connection, person_id: int) -> bytes | None:
    """The sealed golden view."""
    found: bytes | None = await conn.fetchval(GET_GOLDEN, person_id)
    return found


async def insert_review(
    conn: Connection,
    *,
    record_id: int,
    review_id: int,
    other_record_id: int,
    reason: str,
    decision_id: int,
    now: datetime,
) -> None:
    """A pair that a steward must judge."""
    await execute(
        conn, INSERT_REVIEW, record_id, review_id, other_record_id, reason, decision_id, now
    )
