"""SQL of statements: files, lines, and the differences that were found."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from service.kernel.database import Connection, execute, find_row, insert_new, list_rows
from service.reconcile.model import Account, Class, Difference, FileState, StatementFile

COLUMNS = (
    "file_id", "kind", "own_no", "line_no", "trade_no", "provider_ref", "amount_fen", "state", "at",
)  # fmt: skip
BULK_TIMEOUT_S = 300.0

INSERT_FILE = """
insert into statement_file (
  file_id, provider, account_name, day, version, state, reason, file_digest, lines_digest,
  trade_count, trade_fen, refund_count, refund_fen, tied, taken_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict do nothing
"""
FIND_FILE = """
select file_id, provider, account_name, day, version, state, reason, file_digest, lines_digest,
  trade_count, trade_fen, refund_count, refund_fen, tied, taken_at
from statement_file
where provider = $1 and account_name = $2 and day = $3 and state = $4
order by version desc
limit 1
"""
LAST_VERSION = """
select coalesce(max(version), 0)
from statement_file
where provider = $1 and account_name = $2 and day = $3
"""
LIST_REFUSED = """
select file_id
from statement_file
where provider = $1 and account_name = $2 and day = $3 and state = 'REFUSED'
"""
FIND_REFUSED = """
select file_id, provider, account_name, day, version, state, reason, file_digest, lines_digest,
  trade_count, trade_fen, refund_count, refund_fen, tied, taken_at
from statement_file
where provider = $1 and account_name = $2 and day = $3 and state = 'REFUSED' and reason = $4
  and file_digest = $5
"""
REPLACE_ACTIVE = """
update statement_file
set state = 'REPLACED'
where provider = $1 and account_name = $2 and day = $3 and state = 'ACTIVE'
"""
FINISH_FILE = """
update statement_file
set state = 'ACTIVE', lines_digest = $2, trade_count = $3, trade_fen = $4, refund_count = $5,
  refund_fen = $6, tied = $7
where file_id = $1 and state = 'LOADING'
"""
DELETE_FILE = """
delete from statement_file
where file_id = $1 and state = 'LOADING'
"""
DELETE_LINES = """
delete from statement_line
where file_id = $1
"""
ANALYZE_LINES = "analyze statement_line"
LIST_ACCOUNTS = """
select distinct provider, account_name
from merchant_account
order by provider, account_name
"""
UPSERT_DIFFERENCE = """
insert into statement_difference as held (
  own_no, kind, provider, account_name, day, difference_id, class, state, record_id,
  institution_id, evidence, found_at, closed_at, closing
)
values (
  $1, $2, $3, $4, $5, $6, $7, case when $12::text is null then 'OPEN' else 'CLOSED' end, $8, $9,
  $10, $11, case when $12::text is null then null else $11::timestamptz end, $12
)
on conflict (own_no, kind, provider, account_name, day) do update
set class = excluded.class, state = excluded.state, record_id = excluded.record_id,
  institution_id = excluded.institution_id, evidence = excluded.evidence, item_at = null,
  closed_at = excluded.closed_at, closing = excluded.closing
where (held.class, held.state, held.evidence)
  is distinct from (excluded.class, excluded.state, excluded.evidence)
  and not (held.state = 'OPEN' and excluded.state = 'CLOSED')
"""
COUNT_OPEN = """
select count(*)
from statement_difference
where provider = $1 and account_name = $2 and day = $3 and state = 'OPEN'
"""
COUNT_ITEMS = """
select count(*)
from statement_difference
where provider = $1 and account_name = $2 and state = 'OPEN' and item_at is not null
"""
LIST_WITHOUT_ITEM = """
select own_no, kind, provider, account_name, day, difference_id, class as held_class, record_id,
  institution_id, evidence
from statement_difference
where provider = $1 and account_name = $2 and state = 'OPEN' and item_at is null
order by day, own_no, kind
limit $3
"""
MARK_ITEM = """
update statement_difference
set item_at = $6
where own_no = $1 and kind = $2 and provider = $3 and account_name = $4 and day = $5
"""
CLOSE_DIFFERENCE = """
update statement_difference
set state = 'CLOSED', class = $8, closed_at = $6, closing = $7
where own_no = $1 and kind = $2 and provider = $3 and account_name = $4 and day = $5
  and state = 'OPEN'
"""


async def insert_file(conn: Connection, row: StatementFile) -> bool:
    """False when a file of the day is in that state already."""
    return await insert_new(
        conn,
        INSERT_FILE,
        row.file_id,
        row.provider,
        row.account_name,
        row.day,
        row.version,
        row.state.value,
        row.reason,
        row.file_digest,
        row.lines_digest,
        row.trade_count,
        row.trade_fen,
        row.refund_count,
        row.refund_fen,
        row.tied,
        row.taken_at,
    )


async def find_file(
    conn: Connection, account: Account, day: date, state: FileState
) -> StatementFile | None:
    """The newest file of a day in a state."""
    key = (account.provider, account.account_name, day, state.value)
    return await find_row(conn, StatementFile, FIND_FILE, *key)


async def find_refused(
    conn: Connection, account: Account, day: date, reason: str, digest: bytes
) -> StatementFile | None:
    """The same file refused for the same reason before."""
    key = (account.provider, account.account_name, day, reason, digest)
    return await find_row(conn, StatementFile, FIND_REFUSED, *key)


async def list_refused(conn: Connection, account: Account, day: date) -> list[int]:
    """Every refused file of a day."""
    rows = await conn.fetch(LIST_REFUSED, account.provider, account.account_name, day)
    return [row["file_id"] for row in rows]


async def last_version(conn: Connection, account: Account, day: date) -> int:
    """0 when there was none."""
    return int(await conn.fetchval(LAST_VERSION, account.provider, account.account_name, day))


async def activate(conn: Connection, row: StatementFile) -> bool:
    """Put a loaded file in the place of the one in use, inside the caller's transaction."""
    await execute(conn, REPLACE_ACTIVE, row.provider, row.account_name, row.day)
    values = (row.lines_digest, row.trade_count, row.trade_fen, row.refund_count, row.refund_fen)
    return await execute(conn, FINISH_FILE, row.file_id, *values, row.tied) == 1


async def delete_file(conn: Connection, file_id: int) -> None:
    """Forget a file under loading."""
    await execute(conn, DELETE_FILE, file_id)


async def delete_lines(conn: Connection, file_id: int) -> None:
    """Take every line of a file out again."""
    await conn.execute(DELETE_LINES, file_id, timeout=BULK_TIMEOUT_S)


async def list_accounts(conn: Connection) -> list[Account]:
    """Every merchant account that collects for an institution."""
    return await list_rows(conn, Account, LIST_ACCOUNTS)


async def upsert_differences(conn: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """New ones, and those that changed; one that stands as it was is not touched."""
    await conn.executemany(UPSERT_DIFFERENCE, rows, timeout=BULK_TIMEOUT_S)


async def count_open(conn: Connection, account: Account, day: date) -> int:
    """Open differences of a day."""
    return int(await conn.fetchval(COUNT_OPEN, account.provider, account.account_name, day))


async def count_items(conn: Connection, account: Account) -> int:
    """Open differences of an account that have a work item."""
    return int(await conn.fetchval(COUNT_ITEMS, account.provider, account.account_name))


async def list_without_item(conn: Connection, account: Account, limit: int) -> list[Difference]:
    """Oldest day first."""
    key = (account.provider, account.account_name, limit)
    return await list_rows(conn, Difference, LIST_WITHOUT_ITEM, *key)


async def mark_item(conn: Connection, row: Difference, now: datetime) -> None:
    """Its work item is open."""
    key = (row.own_no, row.kind, row.provider, row.account_name, row.day)
    await execute(conn, MARK_ITEM, *key, now)


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """Which difference is closed, as what and why."""

    own_no: str
    kind: str
    day: date
    held_class: Class
    reason: str


async def close_difference(
    conn: Connection, account: Account, closing: Closing, now: datetime
) -> bool:
    """False when it is closed already."""
    key = (closing.own_no, closing.kind, account.provider, account.account_name, closing.day)
    values = (now, closing.reason, closing.held_class.value)
    return await execute(conn, CLOSE_DIFFERENCE, *key, *values) == 1
