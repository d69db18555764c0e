"""SQL of days and their closing."""

from datetime import date, datetime

from service.kernel.database import Connection, execute, find_row, insert_new
from service.ledger.model import LedgerDay

DayKey = tuple[int, date]
"""(institution id, day)."""

INSERT_DAY = """
insert into ledger_day (
  institution_id, day, close_id, state, asked_by, asked_at, due_at, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing
"""
FIND_DAY = """
select institution_id, day, close_id, state, asked_by, asked_at, due_at, horizon, sums, postings,
  closed_at, row_mac
from ledger_day
where institution_id = $1 and day = $2
"""
LAST_DAY = """
select institution_id, day, close_id, state, asked_by, asked_at, due_at, horizon, sums, postings,
  closed_at, row_mac
from ledger_day
where institution_id = $1 and day <= $2
order by day desc
limit 1
"""
LAST_CLOSED = """
select institution_id, day, close_id, state, asked_by, asked_at, due_at, horizon, sums, postings,
  closed_at, row_mac
from ledger_day
where institution_id = $1 and day <= $2 and state = 'CLOSED'
order by day desc
limit 1
"""
LIST_DUE = """
select institution_id, day
from ledger_day
where due_at <= $1
order by due_at, day
limit $2
"""
OLDEST_DUE = """
select min(due_at) from ledger_day where due_at <= $1
"""
CLAIM_DAY = """
update ledger_day
set due_at = $4
where institution_id = $1 and day = $2 and due_at <= $3
"""
POSTPONE_DAY = """
update ledger_day
set due_at = $3
where institution_id = $1 and day = $2 and state = 'CLOSING'
"""
SET_HORIZON = """
update ledger_day
set horizon = $3, row_mac = $4
where institution_id = $1 and day = $2 and state = 'CLOSING' and row_mac = $5
"""
CLOSE_DAY = """
update ledger_day
set state = 'CLOSED', sums = $3, postings = $4, closed_at = $5, row_mac = $6, due_at = null
where institution_id = $1 and day = $2 and state = 'CLOSING' and row_mac = $7
"""
# Unclosed days of institutions that nobody closes: after the last closed one, or from the first.
LIST_OVERDUE = """
select i.institution_id, coalesce(
    (
      select case d.state when 'CLOSED' then d.day + 1 end
      from ledger_day d
      where d.institution_id = i.institution_id
      order by d.day desc
      limit 1
    ),
    (
      select e.day
      from ledger_entry e
      where e.institution_id = i.institution_id
        and not exists (select 1 from ledger_day o where o.institution_id = i.institution_id)
      order by e.day
      limit 1
    )
  ) as day
from institution i
order by i.institution_id
"""
# The first number that no transaction has yet, and the first whose transaction still goes on.
NEXT_TRANSACTION = """
select pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""
OLDEST_TRANSACTION = """
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint
"""


async def insert_day(conn: Connection, row: LedgerDay) -> bool:
    """False when the day's closing was asked for already."""
    return await insert_new(
        conn,
        INSERT_DAY,
        row.institution_id,
        row.day,
        row.close_id,
        row.state,
        row.asked_by,
        row.asked_at,
        row.due_at,
        row.row_mac,
    )


async def find_day(conn: Connection, key: DayKey) -> LedgerDay | None:
    """The closing of a day."""
    return await find_row(conn, LedgerDay, FIND_DAY, *key)


async def last_day(conn: Connection, institution_id: int, until: date) -> LedgerDay | None:
    """The newest day up to ``until`` whose closing was asked for."""
    return await find_row(conn, LedgerDay, LAST_DAY, institution_id, until)


async def last_closed(conn: Connection, institution_id: int, until: date) -> LedgerDay | None:
    """The newest closed day up to ``until``."""
    return await find_row(conn, LedgerDay, LAST_CLOSED, institution_id, until)


async def list_due(conn: Connection, now: datetime, limit: int) -> list[DayKey]:
    """Days to close, the longest waiting first."""
    return [tuple(row) for row in await conn.fetch(LIST_DUE, now, limit)]


async def claim_day(conn: Connection, key: DayKey, now: datetime, until: datetime) -> bool:
    """Whether nobody else works on it until then."""
    return await execute(conn, CLAIM_DAY, *key, now, until) == 1


async def postpone_day(conn: Connection, key: DayKey, due_at: datetime) -> None:
    """Try again then."""
    await execute(conn, POSTPONE_DAY, *key, due_at)


async def set_horizon(conn: Connection, row: LedgerDay, before: bytes) -> bool:
    """False when the row is not as it was read."""
    key = (row.institution_id, row.day)
    return await execute(conn, SET_HORIZON, *key, row.horizon, row.row_mac, before) == 1


async def close_day(conn: Connection, row: LedgerDay, before: bytes) -> bool:
    """False when the row is not as it was read."""
    fixed = (row.sums, row.postings, row.closed_at, row.row_mac, before)
    return await execute(conn, CLOSE_DAY, row.institution_id, row.day, *fixed) == 1


async def list_overdue(conn: Connection, newest: date) -> list[DayKey]:
    """Each institution's next day, where it is ``newest`` or older."""
    found = [(row[0], row[1]) for row in await conn.fetch(LIST_OVERDUE)]
    return [key for key in found if key[1] is not None and key[1] <= newest]


async def next_transaction(conn: Connection) -> int:
    """Every transaction that has written something by now has a lower number."""
    number: int = await conn.fetchval(NEXT_TRANSACTION)
    return number


async def oldest_transaction(conn: Connection) -> int:
    """Every transaction with a lower number has ended, and what it wrote can be read."""
    number: int = await conn.fetchval(OLDEST_TRANSACTION)
    return number
