"""What re-keying must know of the tables of ledger: their SQL, and how a row moves."""

from service.kernel.rekeying import maced
from service.ledger.model import Posting

PAGE_POSTINGS = """
select record_id, settlement_id, institution_id, cause, debit, credit, amount_fen, posting_id,
  day, posted_at, row_mac
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
)
