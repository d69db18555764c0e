"""What re-keying must know of the tables of bill: their SQL, and how a row moves."""

from service.bill.model import BillRow
from service.kernel.rekeying import maced

PAGE_BILLS = """
select record_id, bill_id, institution_id, bill_no, version, total_fen, state, holder_id,
  pay_until, created_at, updated_at, row_mac, kind, stay_no
from bill
where (record_id, bill_id) > ($1, $2)
order by record_id, bill_id
limit $3
"""
COUNT_BILLS = """
select count(*) from bill where substring(row_mac from 1 for 1) = $1
"""
SWAP_BILL_MAC = """
update bill
set row_mac = $4
where record_id = $1 and bill_id = $2 and row_mac = $3
"""

KEYED_ROWS = (
    maced(
        "bill",
        BillRow,
        ("record_id", "bill_id"),
        ("record_id", "bill_id"),
        page=PAGE_BILLS,
        count=COUNT_BILLS,
        swap=SWAP_BILL_MAC,
    ),
)
