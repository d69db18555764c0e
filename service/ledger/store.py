"""SQL of postings."""

from service.kernel.database import (
    Connection,
    Write,
    execute_together,
    find_row,
    list_rows,
    write,
)
from service.kernel.transactions import Repeated
from service.ledger.model import Posting

POSTINGS_MAX = 1000

INSERT_POSTING = """
insert into posting (
  record_id, posting_id, settlement_id, institution_id, cause, debit, credit, amount_fen, day,
  posted_at, row_mac, value_day
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (record_id, settlement_id, cause) do nothing
"""
INSERT_FEED = """
insert into posting_feed (record_id, posting_id) values ($1, $2)
"""
GET_BY_CAUSE = """
select record_id, posting_id, settlement_id, institution_id, cause, debit, credit, amount_fen, day,
  posted_at, row_mac, value_day
from posting
where record_id = $1 and settlement_id = $2 and cause = $3
"""
LIST_OF_SETTLEMENT = """
select record_id, posting_id, settlement_id, institution_id, cause, debit, credit, amount_fen, day,
  posted_at, row_mac, value_day
from posting
where record_id = $1 and settlement_id = $2
order by posted_at, posting_id
limit $3
"""


async def insert_posting(conn: Connection, row: Posting) -> bool:
    """False when the cause is posted already; the feed then names a posting that is not there."""
    feed = Write(INSERT_FEED, (row.record_id, row.posting_id))
    return await execute_together(conn, Write(INSERT_POSTING, _columns(row)), feed) == 1


async def write_posting(conn: Connection, row: Posting) -> None:
    """Insert it with what else the transaction writes. Raises ``Repeated`` by its end when the
    cause is posted already."""
    await write(conn, INSERT_POSTING, *_columns(row), otherwise=Repeated())
    await write(conn, INSERT_FEED, row.record_id, row.posting_id)


def _columns(row: Posting) -> tuple[object, ...]:
    return (
        row.record_id,
        row.posting_id,
        row.settlement_id,
        row.institution_id,
        row.cause,
        row.debit,
        row.credit,
        row.amount_fen,
        row.day,
        row.posted_at,
        row.row_mac,
        row.value_day,
    )


async def find_by_cause(
    conn: Connection, record_id: int, settlement_id: int, cause: str
) -> Posting | None:
    """The posting of a cause."""
    return await find_row(conn, Posting, GET_BY_CAUSE, record_id, settlement_id, cause)


async def list_of_settlement(conn: Connection, record_id: int, settlement_id: int) -> list[Posting]:
    """In the order of posting, at most 1,000."""
    return await list_rows(
        conn, Posting, LIST_OF_SETTLEMENT, record_id, settlement_id, POSTINGS_MAX
    )
