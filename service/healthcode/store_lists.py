"""SQL of revocation lists, reported showings and readers' logs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from service.healthcode.model import HolderCredential, PrintedRow, RevokedCode, RevokedScope
from service.healthcode.model_lists import (
    CodeList,
    DueList,
    ListHead,
    ListMark,
    ListPlace,
    ListStep,
    LogRow,
    ShownCode,
)
from service.kernel.database import Connection, execute, find_row, insert_new, list_rows

LIST_DUE = """
with places as (
  select scope, code_class from code_list
  union
  select scope, code_class from code_list_mark
  union
  select scope, code_class from revoked_code where revoked_at > $7 and expires_at > $1
  union
  select scope, 0 from unnest($5::smallint[]) as usual (scope)
)
select places.scope, places.code_class, coalesce(code_list.sequence, 0) as sequence
from places
left join code_list
  on code_list.scope = places.scope and code_list.code_class = places.code_class
where code_list.made_at is null
  or code_list.made_at <= $2
  or code_list.made_at > $8
  or (code_list.made_at <= $3 and exists (
    select 1 from revoked_code
    where revoked_code.scope = places.scope
      and (places.code_class = 0 or revoked_code.code_class = places.code_class)
      and revoked_code.expires_at > $1
      and revoked_code.revoked_at > code_list.made_at - $4::interval
  ))
limit $6
"""
LIST_REVOKED = """
select record_id, code_id, scope, code_class, expires_at, revoked_at, row_mac
from revoked_code
where scope = $1 and ($2 = 0 or code_class = $2) and expires_at > $3
"""
REPLACE_REVOKED = """
insert into revoked_code (record_id, code_id, scope, code_class, expires_at, revoked_at, row_mac)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (record_id, code_id) do update
set scope = excluded.scope, code_class = excluded.code_class, expires_at = excluded.expires_at,
  revoked_at = excluded.revoked_at, row_mac = excluded.row_mac
"""
LIST_REVOKED_CREDENTIALS = """
select record_id, code_id
from holder_credential
where state = 'REVOKED' and expires_at > $1 and ($2 = 0 or code_class = $2)
"""
LIST_REVOKED_PRINTED = """
select record_id, code_id
from printed_code
where state = 'REVOKED' and expires_at > $1 and ($2 = 0 or code_class = $2)
"""
GET_CREDENTIAL = """
select record_id, code_id, phone_id, code_class, state, issued_at, expires_at, credential, row_mac
from holder_credential
where record_id = $1 and code_id = $2
"""
GET_PRINTED = """
select record_id, printed_code_id, code_id, code_class, state, issued_at, expires_at, row_mac
from printed_code
where record_id = $1 and code_id = $2
"""
# An equality over an expression index: a range would be joined row by row with every row.
LIST_BOUND_NEIGHBOURS = """
select record_id, code_id, phone_id, code_class, state, issued_at, expires_at, credential, row_mac
from unnest($1::bytea[]) as listed (prefix)
join holder_credential on substring(holder_credential.code_id from 1 for 6) = listed.prefix
where holder_credential.expires_at > $2 and holder_credential.state <> 'REVOKED'
"""
LIST_PRINTED_NEIGHBOURS = """
select record_id, printed_code_id, code_id, code_class, state, issued_at, expires_at, row_mac
from unnest($1::bytea[]) as listed (prefix)
join printed_code on substring(printed_code.code_id from 1 for 6) = listed.prefix
where printed_code.expires_at > $2 and printed_code.state <> 'REVOKED'
"""
GET_LIST = """
select scope, code_class, sequence, width, entries, made_at, next_at, digest, row_mac, content
from code_list
where scope = $1 and code_class = $2
"""
LIST_HEADS = """
select scope, code_class, sequence, entries, length(content) as size, made_at
from code_list
order by scope, code_class
limit $1
"""
INSERT_LIST = """
insert into code_list (
  scope, code_class, sequence, width, entries, made_at, next_at, digest, row_mac, content
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (scope, code_class) do nothing
"""
REPLACE_LIST = """
update code_list
set sequence = $3, width = $4, entries = $5, made_at = $6, next_at = $7, digest = $8, row_mac = $9,
  content = $10
where scope = $1 and code_class = $2 and sequence = $11
"""
GET_MARK = """
select scope, code_class, sequence, digest, row_mac
from code_list_mark
where scope = $1 and code_class = $2
"""
PUT_MARK = """
insert into code_list_mark (scope, code_class, sequence, digest, row_mac)
values ($1, $2, $3, $4, $5)
on conflict (scope, code_class) do update
set sequence = excluded.sequence, digest = excluded.digest, row_mac = excluded.row_mac
"""
INSERT_STEP = """
insert into code_list_step (
  scope, code_class, sequence, base, made_at, removed, added, content
)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
LIST_STEPS = """
select scope, code_class, sequence, base, made_at, removed, added, content
from code_list_step
where scope = $1 and code_class = $2 and sequence > $3
order by sequence
limit $4
"""
DELETE_OLD_STEPS = """
delete from code_list_step where scope = $1 and code_class = $2 and made_at < $3
"""
GET_STEP = """
select scope, code_class, sequence, base, made_at, removed, added, content
from code_list_step
where scope = $1 and code_class = $2 and base = $3
"""
GET_DELTA = """
select content
from code_list_delta
where scope = $1 and code_class = $2 and sequence = $3 and base = $4
"""
INSERT_DELTA = """
insert into code_list_delta (scope, code_class, sequence, base, content)
values ($1, $2, $3, $4, $5)
on conflict (scope, code_class, sequence, base) do nothing
"""
DELETE_OLD_DELTAS = """
delete from code_list_delta where scope = $1 and code_class = $2 and sequence < $3
"""
INSERT_SHOWN = """
insert into shown_code (
  code_id, rise, record_id, scan_id, institution_id, terminal_id, shown_at, reported
)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (code_id, rise) do nothing
"""
GET_SHOWN = """
select code_id, rise, record_id, scan_id, institution_id, terminal_id, shown_at, reported
from shown_code
where code_id = $1 and rise = $2
"""
DELETE_OLD_SHOWN = """
delete from shown_code where shown_at < $1
"""
GET_LOG = """
select institution_id, terminal_id, log_id, next_number, head, taken_at, row_mac
from shown_log
where institution_id = $1 and terminal_id = $2 and log_id = $3
"""
INSERT_LOG = """
insert into shown_log (institution_id, terminal_id, log_id, next_number, head, taken_at, row_mac)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (institution_id, terminal_id, log_id) do nothing
"""
ADVANCE_LOG = """
update shown_log
set next_number = $4, head = $5, taken_at = $6, row_mac = $7
where institution_id = $1 and terminal_id = $2 and log_id = $3
  and next_number = $8 and head = $9
"""


async def list_due(
    conn: Connection,
    *,
    live_after: datetime,
    made_before: datetime,
    hurried_before: datetime,
    overlap: timedelta,
    new_after: datetime,
    made_after: datetime,
    limit: int,
) -> list[DueList]:
    """Lists never made, made before ``made_before``, or before ``hurried_before`` and overtaken;
    and those that say they were made after ``made_after``, which no clock has reached.

    A class is looked for among what was revoked after ``new_after``; later its list is there.
    """
    return await list_rows(
        conn,
        DueList,
        LIST_DUE,
        live_after,
        made_before,
        hurried_before,
        overlap,
        [scope.value for scope in RevokedScope],
        limit,
        new_after,
        made_after,
    )


async def list_revoked(
    conn: Connection, place: ListPlace, live_after: datetime
) -> list[RevokedCode]:
    """The rows behind a list."""
    return await list_rows(
        conn, RevokedCode, LIST_REVOKED, place.scope.value, place.code_class, live_after
    )


async def list_said_revoked(
    conn: Connection, place: ListPlace, live_after: datetime
) -> set[tuple[int, bytes]]:
    """(record, code id) of every live credential or printed code that itself says REVOKED."""
    bound = place.scope is RevokedScope.BOUND
    sql = LIST_REVOKED_CREDENTIALS if bound else LIST_REVOKED_PRINTED
    rows = await conn.fetch(sql, live_after, place.code_class)
    return {(row["record_id"], row["code_id"]) for row in rows}


async def find_issued(
    conn: Connection, scope: RevokedScope, record_id: int, code_id: bytes
) -> HolderCredential | PrintedRow | None:
    """The row that was written when a code was issued."""
    if scope is RevokedScope.BOUND:
        return await find_row(conn, HolderCredential, GET_CREDENTIAL, record_id, code_id)
    return await find_row(conn, PrintedRow, GET_PRINTED, record_id, code_id)


async def put_revoked(conn: Connection, row: RevokedCode) -> None:
    """A row in the place of whatever is there."""
    await execute(conn, REPLACE_REVOKED, *msgspec.structs.astuple(row))


async def list_neighbours(
    conn: Connection, place: ListPlace, revoked: Sequence[bytes], live_after: datetime
) -> Sequence[HolderCredential | PrintedRow]:
    """Live codes, not marked revoked, that begin with the first 6 bytes of a revoked one."""
    prefixes = list({code_id[:6] for code_id in revoked})
    if place.scope is RevokedScope.BOUND:
        return await list_rows(conn, HolderCredential, LIST_BOUND_NEIGHBOURS, prefixes, live_after)
    return await list_rows(conn, PrintedRow, LIST_PRINTED_NEIGHBOURS, prefixes, live_after)


async def find_list(conn: Connection, place: ListPlace) -> CodeList | None:
    """The newest list of a place."""
    return await find_row(conn, CodeList, GET_LIST, place.scope.value, place.code_class)


async def find_mark(conn: Connection, place: ListPlace) -> ListMark | None:
    """Which list of a place was made last."""
    return await find_row(conn, ListMark, GET_MARK, place.scope.value, place.code_class)


async def put_mark(conn: Connection, row: ListMark) -> None:
    """Beside the list that was just put."""
    await execute(conn, PUT_MARK, *msgspec.structs.astuple(row))


async def list_heads(conn: Connection) -> list[ListHead]:
    """Every list without its content."""
    return await list_rows(conn, ListHead, LIST_HEADS, 2 * 256)


async def put_list(conn: Connection, row: CodeList, was: int) -> bool:
    """Put a list in the place of number ``was`` (0: of none); False when somebody was faster."""
    if was == 0:
        return await insert_new(conn, INSERT_LIST, *msgspec.structs.astuple(row))
    return await execute(conn, REPLACE_LIST, *msgspec.structs.astuple(row), was) == 1


async def insert_step(conn: Connection, row: ListStep) -> None:
    """The step to the list that was just put."""
    await execute(conn, INSERT_STEP, *msgspec.structs.astuple(row))


async def list_steps(conn: Connection, place: ListPlace, base: int, limit: int) -> list[ListStep]:
    """The steps behind a list, oldest first."""
    return await list_rows(
        conn, ListStep, LIST_STEPS, place.scope.value, place.code_class, base, limit
    )


async def find_step(conn: Connection, place: ListPlace, base: int) -> ListStep | None:
    """The one step from a list."""
    return await find_row(conn, ListStep, GET_STEP, place.scope.value, place.code_class, base)


async def forget_steps(conn: Connection, place: ListPlace, before: datetime, newest: int) -> None:
    """Drop steps of an earlier day, and deltas that no longer lead to the newest list."""
    await execute(conn, DELETE_OLD_STEPS, place.scope.value, place.code_class, before)
    await execute(conn, DELETE_OLD_DELTAS, place.scope.value, place.code_class, newest)


async def find_delta(conn: Connection, place: ListPlace, sequence: int, base: int) -> bytes | None:
    """The joined delta that was made before."""
    content: bytes | None = await conn.fetchval(
        GET_DELTA, place.scope.value, place.code_class, sequence, base
    )
    return content


async def keep_delta(
    conn: Connection, place: ListPlace, sequence: int, base: int, content: bytes
) -> None:
    """Keep a joined delta; the first one made stays."""
    await execute(conn, INSERT_DELTA, place.scope.value, place.code_class, sequence, base, content)


async def insert_shown(conn: Connection, row: ShownCode) -> bool:
    """False when this showing was taken before; a rival's insert is waited for."""
    return await insert_new(conn, INSERT_SHOWN, *msgspec.structs.astuple(row))


async def find_shown(conn: Connection, code_id: bytes, rise: int) -> ShownCode | None:
    """The first place of a showing."""
    return await find_row(conn, ShownCode, GET_SHOWN, code_id, rise)


async def delete_old_shown(conn: Connection, before: datetime) -> int:
    """Showings too old for any report."""
    return await execute(conn, DELETE_OLD_SHOWN, before)


async def find_log(
    conn: Connection, institution_id: int, terminal_id: int, log_id: bytes
) -> LogRow | None:
    """How far a log was taken."""
    return await find_row(conn, LogRow, GET_LOG, institution_id, terminal_id, log_id)


async def advance_log(conn: Connection, row: LogRow, was: LogRow | None) -> bool:
    """Compare-and-set on number and head; False when somebody was faster."""
    values = msgspec.structs.astuple(row)
    if was is None:
        return await insert_new(conn, INSERT_LOG, *values)
    return await execute(conn, ADVANCE_LOG, *values, was.next_number, was.head) == 1
