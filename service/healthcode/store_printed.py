"""SQL of printed codes."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from service.healthcode.model import PrintedRow
from service.kernel.database import Connection, execute, find_row, list_rows

INSERT_PRINTED = """
insert into printed_code (
  record_id, printed_code_id, code_id, code_class, state, issued_at, expires_at, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
LIST_PRINTED = """
select record_id, printed_code_id, code_id, code_class, state, issued_at, expires_at, row_mac
from printed_code
where record_id = $1
order by issued_at desc, printed_code_id
limit $2
"""
LOCK_PRINTED = """
select record_id, printed_code_id, code_id, code_class, state, issued_at, expires_at, row_mac
from printed_code
where record_id = $1 and state = 'LIVE' and expires_at > $2
order by printed_code_id
for update
"""
LOCK_ONE_PRINTED = """
select record_id, printed_code_id, code_id, code_class, state, issued_at, expires_at, row_mac
from printed_code
where record_id = $1 and printed_code_id = $2
for update
"""
REVOKE_PRINTED = """
update printed_code
set state = 'REVOKED', row_mac = listed.row_mac
from unnest($2::bigint[], $3::bytea[]) as listed (printed_code_id, row_mac)
where printed_code.record_id = $1 and printed_code.printed_code_id = listed.printed_code_id
"""


async def insert_printed(conn: Connection, row: PrintedRow) -> None:
    """A printed code as it is issued."""
    await execute(conn, INSERT_PRINTED, *msgspec.structs.astuple(row))


async def list_printed(conn: Connection, record_id: int, limit: int) -> list[PrintedRow]:
    """Newest first."""
    return await list_rows(conn, PrintedRow, LIST_PRINTED, record_id, limit)


async def lock_printed(conn: Connection, record_id: int, now: datetime) -> list[PrintedRow]:
    """Those that still resolve, held until the transaction ends."""
    return await list_rows(conn, PrintedRow, LOCK_PRINTED, record_id, now)


async def lock_one_printed(
    conn: Connection, record_id: int, printed_code_id: int
) -> PrintedRow | None:
    """By id, held until the transaction ends."""
    return await find_row(conn, PrintedRow, LOCK_ONE_PRINTED, record_id, printed_code_id)


async def revoke_printed(conn: Connection, record_id: int, rows: Sequence[PrintedRow]) -> None:
    """Write the state and MAC of revoked printed codes."""
    ids, macs = [row.printed_code_id for row in rows], [row.row_mac for row in rows]
    await execute(conn, REVOKE_PRINTED, record_id, ids, macs)
