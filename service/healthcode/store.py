"""SQL of codes and scans."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from service.healthcode.model import CodeCard, CodeUse, ListedScan, Scan
from service.kernel.database import (
    Connection,
    Write,
    execute,
    execute_together,
    find_row,
    insert_new,
    list_rows,
)
from service.kernel.joined_reads import Read

INSERT_CARD = """
insert into code (record_id, card, epoch, state, created_at, row_mac)
values ($1, $2, $3, $4, $5, $6)
on conflict (record_id, card) do nothing
"""
GET_CARD = """
select record_id, card, epoch, state, created_at, row_mac
from code
where record_id = $1 and card = $2
"""
LOCK_CARD = """
select record_id, card, epoch, state, created_at, row_mac
from code
where record_id = $1 and card = $2
for update
"""
UPDATE_CARD = """
update code
set epoch = $5, state = $6, row_mac = $7
where record_id = $1 and card = $2 and epoch = $3 and state = $4
"""
SPEND_USE = """
insert into code_use (code_id, record_id, scan_id, terminal_id, request_key, used_at, rise)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (code_id) do update
set scan_id = excluded.scan_id, terminal_id = excluded.terminal_id,
  request_key = excluded.request_key, used_at = excluded.used_at, rise = excluded.rise
where code_use.rise < excluded.rise and code_use.record_id = excluded.record_id
"""
SPEND_SHOWING = """
with used as (
  insert into code_use (code_id, record_id, scan_id, terminal_id, request_key, used_at, rise)
  values ($1, $2, $3, $4, $5, $6, $7)
  on conflict (code_id) do update
  set scan_id = excluded.scan_id, terminal_id = excluded.terminal_id,
    request_key = excluded.request_key, used_at = excluded.used_at, rise = excluded.rise
  where code_use.rise < excluded.rise and code_use.record_id = excluded.record_id
  returning code_id
),
noted as (
  insert into shown_code (
    code_id, rise, record_id, scan_id, institution_id, terminal_id, shown_at, reported
  )
  select code_id, $7, $2, $3, $8, $4, $6, false
  from used
  on conflict (code_id, rise) do nothing
  returning code_id
)
select (select count(*) from used) = 1 as spent, (select count(*) from noted) = 1 as noted
"""
GET_USE = """
select code_id, record_id, scan_id, terminal_id, request_key, used_at, rise
from code_use
where code_id = $1
"""
DELETE_OLD_USES = """
delete from code_use
where used_at < $1
"""
INSERT_SCAN = """
insert into scan (
  record_id, scan_id, institution_id, terminal_id, shown, level, purpose, scanned_at, row_mac,
  bound_bill_id, bound_amount_fen, reported
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
GET_SCAN = """
select record_id, scan_id, institution_id, terminal_id, shown, level, purpose, scanned_at, row_mac,
  bound_bill_id, bound_amount_fen, reported
from scan
where record_id = $1 and scan_id = $2
"""
INSERT_LISTED = """
insert into institution_scan (institution_id, scan_id, record_id, terminal_id, scanned_at)
values ($1, $2, $3, $4, $5)
"""
INSERT_LISTED_LATE = """
insert into institution_scan (
  institution_id, scan_id, record_id, terminal_id, scanned_at, reported_at
)
select $1, scan_id, record_id, terminal_id, scanned_at, $2
from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
  as told (scan_id, record_id, terminal_id, scanned_at)
"""
LIST_SCANS = """
select institution_id, scan_id, record_id, terminal_id, scanned_at, reported_at
from institution_scan
where institution_id = $1 and (coalesce(reported_at, scanned_at), scan_id) > ($2, $3)
order by coalesce(reported_at, scanned_at), scan_id
limit $4
"""


async def insert_card(conn: Connection, row: CodeCard) -> bool:
    """False when the record has this card already."""
    return await insert_new(conn, INSERT_CARD, *msgspec.structs.astuple(row))


async def find_card(conn: Connection, record_id: int, card: int) -> CodeCard | None:
    """By record and card."""
    return await find_row(conn, CodeCard, GET_CARD, record_id, card)


def card_read(record_id: int, card: int) -> Read:
    """By record and card, to be read together with other rows of the record."""
    return Read(GET_CARD, (record_id, card), len(CodeCard.__struct_fields__))


async def lock_card(conn: Connection, record_id: int, card: int) -> CodeCard | None:
    """By record and card, held until the transaction ends."""
    return await find_row(conn, CodeCard, LOCK_CARD, record_id, card)


async def update_card(conn: Connection, row: CodeCard, was: CodeCard) -> bool:
    """Compare-and-set on epoch and state; False when somebody was faster."""
    return (
        await execute(
            conn,
            UPDATE_CARD,
            was.record_id,
            was.card,
            was.epoch,
            was.state,
            row.epoch,
            row.state,
            row.row_mac,
        )
        == 1
    )


async def spend_use(conn: Connection, row: CodeUse) -> bool:
    """False when the code was used before; a bound one, when its showing does not rise."""
    return await insert_new(conn, SPEND_USE, *msgspec.structs.astuple(row))


async def spend_showing(conn: Connection, row: CodeUse, institution_id: int) -> tuple[bool, bool]:
    """``spend_use`` of a bound code that also keeps the showing: (spent, first place to take it).

    A reader that was cut off may have reported the same showing before; that one stays.
    """
    (found,) = await conn.fetch(SPEND_SHOWING, *msgspec.structs.astuple(row), institution_id)
    return found["spent"], found["noted"]


async def find_use(conn: Connection, code_id: bytes) -> CodeUse | None:
    """The use of a code."""
    return await find_row(conn, CodeUse, GET_USE, code_id)


async def delete_old_uses(conn: Connection, before: datetime) -> int:
    """Uses of codes that have expired since: expiry refuses them now."""
    return await execute(conn, DELETE_OLD_USES, before)


async def insert_scan(conn: Connection, row: Scan, *, noted: Write, patient: Write) -> None:
    """A scan with its audit entry, both the record's; its place in the institution's list with
    the name that institution has for the patient."""
    await execute_together(conn, Write(INSERT_SCAN, msgspec.structs.astuple(row)), noted)
    listed = (row.institution_id, row.scan_id, row.record_id, row.terminal_id, row.scanned_at)
    await execute_together(conn, Write(INSERT_LISTED, listed), patient)


async def insert_reported(conn: Connection, row: Scan) -> None:
    """A scan told of afterwards."""
    await execute(conn, INSERT_SCAN, *msgspec.structs.astuple(row))


async def list_reported(
    conn: Connection, institution_id: int, rows: Sequence[Scan], reported_at: datetime
) -> None:
    """Put scans that were told of afterwards into their institution's own list."""
    await execute(
        conn,
        INSERT_LISTED_LATE,
        institution_id,
        reported_at,
        [row.scan_id for row in rows],
        [row.record_id for row in rows],
        [row.terminal_id for row in rows],
        [row.scanned_at for row in rows],
    )


async def find_scan(conn: Connection, record_id: int, scan_id: int) -> Scan | None:
    """By id."""
    return await find_row(conn, Scan, GET_SCAN, record_id, scan_id)


async def list_scans(
    conn: Connection, institution_id: int, after_at: datetime, after_id: int, limit: int
) -> list[ListedScan]:
    """An institution's scans behind a place in time, in the order in which they became known."""
    return await list_rows(conn, ListedScan, LIST_SCANS, institution_id, after_at, after_id, limit)
