"""SQL of the feed and of institutions' books."""

from collections.abc import Sequence
from datetime import date

import msgspec

from service.kernel.database import Connection, execute, list_rows
from service.ledger.model import Entry, LatePosting, Posting

LIST_FED = """
select record_id, posting_id
from posting_feed
limit $1
"""
OLDEST_FED = """
select min(p.posted_at)
from posting_feed f
join posting p on p.record_id = f.record_id and p.posting_id = f.posting_id
where p.posted_at <= $1
"""
LIST_POSTINGS = """
select record_id, posting_id, settlement_id, institution_id, cause, debit, credit, amount_fen, day,
  posted_at, row_mac, value_day
from posting
where record_id = any($1::bigint[]) and posting_id = any($2::bigint[])
"""
LIST_FED_OF_DAY = """
select p.record_id, p.posting_id, p.settlement_id, p.institution_id, p.cause, p.debit, p.credit,
  p.amount_fen, p.day, p.posted_at, p.row_mac, p.value_day
from posting_feed f
join posting p on p.record_id = f.record_id and p.posting_id = f.posting_id
where p.institution_id = $1 and p.day = $2
limit $3
"""
DELETE_FED = """
delete from posting_feed
where record_id = any($1::bigint[]) and posting_id = any($2::bigint[])
"""
FEED_AGAIN = """
insert into posting_feed (record_id, posting_id)
select record_id, posting_id
from posting
where day = $2 and institution_id = $1
on conflict do nothing
"""
INSERT_ENTRIES = """
insert into ledger_entry (
  institution_id, record_id, posting_id, settlement_id, day, value_day, debit, credit, amount_fen,
  row_mac
)
select institution_id, record_id, posting_id, settlement_id, day, value_day, debit, credit,
  amount_fen, row_mac
from unnest(
  $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::date[], $6::date[], $7::text[],
  $8::text[], $9::bigint[], $10::bytea[]
) as fed (
  institution_id, record_id, posting_id, settlement_id, day, value_day, debit, credit, amount_fen,
  row_mac
)
on conflict do nothing
"""
SUM_POSTINGS = """
select account, sum(debit_fen)::bigint as debit_fen, sum(credit_fen)::bigint as credit_fen,
  sum(postings)::bigint as postings
from (
  select debit as account, amount_fen as debit_fen, 0 as credit_fen, 1 as postings
  from posting
  where day = $2 and institution_id = $1
  union all
  select credit, 0, amount_fen, 0
  from posting
  where day = $2 and institution_id = $1
) side
group by account
"""
SUM_ENTRIES = """
select day, account, sum(debit_fen)::bigint as debit_fen, sum(credit_fen)::bigint as credit_fen,
  sum(postings)::bigint as postings
from (
  select day, debit as account, amount_fen as debit_fen, 0 as credit_fen, 1 as postings
  from ledger_entry
  where institution_id = $1 and day > $2 and day <= $3
  union all
  select day, credit, 0, amount_fen, 0
  from ledger_entry
  where institution_id = $1 and day > $2 and day <= $3
) side
group by day, account
"""
PAGE_OF_DAY = """
select institution_id, record_id, posting_id, settlement_id, day, value_day, debit, credit,
  amount_fen, row_mac
from ledger_entry
where institution_id = $1 and day = $2 and (record_id, posting_id) > ($3, $4)
order by record_id, posting_id
limit $5
"""
LIST_LATE = """
select record_id, settlement_id, value_day, debit, credit, amount_fen
from ledger_entry
where institution_id = $1 and day = $2 and value_day is not null
order by value_day, settlement_id, posting_id
limit $3
"""
FIRST_ENTERED = """
select min(day) from ledger_entry where institution_id = $1
"""
FIRST_POSTED = """
select min(day) from posting where institution_id = $1 and day <= $2
"""
PIECE = 500
FeedKey = tuple[int, int]
"""(record id, posting id)."""
LATE_MAX = 200


class DaySum(msgspec.Struct, frozen=True, kw_only=True):
    """One account's movements over one day, and how many postings it received in."""

    day: date
    account: str
    debit_fen: int
    credit_fen: int
    postings: int


class AccountMoves(msgspec.Struct, frozen=True, kw_only=True):
    """``DaySum`` of a day that is known."""

    account: str
    debit_fen: int
    credit_fen: int
    postings: int


async def list_fed(conn: Connection) -> list[FeedKey]:
    """What the books may not have, in any order, at most 500."""
    return [(row[0], row[1]) for row in await conn.fetch(LIST_FED, PIECE)]


async def list_postings(conn: Connection, keys: Sequence[FeedKey]) -> list[Posting]:
    """The postings of feed rows; where a cause was posted already there is none."""
    return await list_rows(conn, Posting, LIST_POSTINGS, *_columns(keys))


async def list_fed_of_day(conn: Connection, institution_id: int, day: date) -> list[Posting]:
    """Of one institution's day, at most 500."""
    return await list_rows(conn, Posting, LIST_FED_OF_DAY, institution_id, day, PIECE)


async def delete_fed(conn: Connection, keys: Sequence[FeedKey]) -> None:
    """The books have these."""
    await execute(conn, DELETE_FED, *_columns(keys))


def _columns(keys: Sequence[FeedKey]) -> tuple[list[int], list[int]]:
    return [key[0] for key in keys], [key[1] for key in keys]


async def feed_again(conn: Connection, institution_id: int, day: date) -> int:
    """Feed a whole day once more; what the books have stays as it is."""
    return await execute(conn, FEED_AGAIN, institution_id, day)


async def insert_entries(conn: Connection, entries: Sequence[Entry]) -> None:
    """What stands already stays."""
    columns = [[getattr(one, name) for one in entries] for name in Entry.__struct_fields__]
    await execute(conn, INSERT_ENTRIES, *columns)


async def sum_postings(conn: Connection, institution_id: int, day: date) -> list[AccountMoves]:
    """A day's movements by account, asked of every shard."""
    return await list_rows(conn, AccountMoves, SUM_POSTINGS, institution_id, day)


async def sum_entries(
    conn: Connection, institution_id: int, after: date, until: date
) -> list[DaySum]:
    """Movements by day and account, ``after`` not counted."""
    return await list_rows(conn, DaySum, SUM_ENTRIES, institution_id, after, until)


async def page_of_day(
    conn: Connection, institution_id: int, day: date, place: tuple[int, int]
) -> list[Entry]:
    """The next 500 entries behind a place."""
    return await list_rows(conn, Entry, PAGE_OF_DAY, institution_id, day, *place, PIECE)


async def list_late(conn: Connection, institution_id: int, day: date) -> list[LatePosting]:
    """Entries that belong to earlier days, at most 200."""
    return await list_rows(conn, LatePosting, LIST_LATE, institution_id, day, LATE_MAX)


async def first_day(conn: Connection, institution_id: int) -> date | None:
    """The day of the institution's first posting; None before the books have any."""
    entered: date | None = await conn.fetchval(FIRST_ENTERED, institution_id)
    if entered is None:
        return None
    posted: date | None = await conn.fetchval(FIRST_POSTED, institution_id, entered)
    return posted or entered
