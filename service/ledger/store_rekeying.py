"""What re-keying must know of the tables of ledger: their SQL, and how a row moves."""

from service.kernel.rekeying import maced
from service.ledger.model import Entry, LedgerDay, Posting

PAGE_POSTINGS = """
select record_id, settlement_id, institution_id, cause, debit, credit, amount_fen, posting_id,
  day, value_day, posted_at, row_mac
from posting
where (record_id, posting_id) > ($1, $2)
order by record_id, posting_id
limit $3
"""
COUNT_POSTINGS = """
select count(*) from posting where substring(row_mac from 1 for 1) = $1
"""
SWAP_POSTING_MAC = """
update posting
set row_mac = $4
where record_id = $1 and posting_id = $2 and row_mac = $3
"""
PAGE_ENTRIES = """
select institution_id, record_id, posting_id, settlement_id, day, value_day, debit, credit,
  amount_fen, row_mac
from ledger_entry
where (institution_id, record_id, posting_id) > ($1, $2, $3)
order by institution_id, record_id, posting_id
limit $4
"""
COUNT_ENTRIES = """
select count(*) from ledger_entry where substring(row_mac from 1 for 1) = $1
"""
SWAP_ENTRY_MAC = """
update ledger_entry
set row_mac = $5
where institution_id = $1 and record_id = $2 and posting_id = $3 and row_mac = $4
"""
PAGE_DAYS = """
select institution_id, day, close_id, state, asked_by, asked_at, due_at, horizon, sums, postings,
  closed_at, row_mac
from ledger_day
where (institution_id, day) > ($1, $2)
order by institution_id, day
limit $3
"""
COUNT_DAYS = """
select count(*) from ledger_day where substring(row_mac from 1 for 1) = $1
"""
SWAP_DAY_MAC = """
update ledger_day
set row_mac = $4
where institution_id = $1 and day = $2 and row_mac = $3
"""

KEYED_ROWS = (
    maced(
        "posting",
        Posting,
        ("record_id", "posting_id"),
        ("record_id", "posting_id"),
        page=PAGE_POSTINGS,
        count=COUNT_POSTINGS,
        swap=SWAP_POSTING_MAC,
    ),
    maced(
        "ledger_entry",
        Entry,
        ("institution_id", "record_id", "posting_id"),
        ("record_id", "posting_id"),
        page=PAGE_ENTRIES,
        count=COUNT_ENTRIES,
        swap=SWAP_ENTRY_MAC,
    ),
    maced(
        "ledger_day",
        LedgerDay,
        ("institution_id", "day"),
        "close_id",
        page=PAGE_DAYS,
        count=COUNT_DAYS,
        swap=SWAP_DAY_MAC,
    ),
)
