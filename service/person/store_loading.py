"""SQL of initial loads: how far each file is."""

from datetime import datetime

import msgspec

from service.kernel.database import Connection, execute, find_row, insert_new

FIND_LOAD = """
select file_digest, model, salt, steps, done, began_at, moved_at
from index_load
where file_digest = $1
"""
INSERT_LOAD = """
insert into index_load (file_digest, model, salt, steps, done, began_at, moved_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing
"""
ADVANCE_LOAD = """
update index_load
set done = $3, moved_at = $4
where file_digest = $1 and done = $2
"""
HAS_RECORDS = "select exists (select 1 from record)"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A file's load: ``done`` of its ``steps``, each of which is a transaction. ``salt`` makes the
    numbers of its records, the same each time it goes on."""

    file_digest: bytes
    model: str
    salt: bytes
    steps: int
    done: int
    began_at: datetime
    moved_at: datetime


async def find_load(conn: Connection, file_digest: bytes) -> Load | None:
    """Of this file."""
    return await find_row(conn, Load, FIND_LOAD, file_digest)


async def insert_load(conn: Connection, row: Load) -> bool:
    """False when there is one of this file."""
    return await insert_new(conn, INSERT_LOAD, *msgspec.structs.astuple(row))


async def advance(conn: Connection, file_digest: bytes, done: int, now: datetime) -> bool:
    """One step more than ``done``; False when somebody else did it."""
    return await execute(conn, ADVANCE_LOAD, file_digest, done, done + 1, now) == 1


async def has_records(conn: Connection) -> bool:
    """Whether anybody is registered."""
    found: bool = await conn.fetchval(HAS_RECORDS)
    return found
