"""SQL of receipts."""

from service.kernel.database import Connection, find_row, write
from service.kernel.transactions import Repeated
from service.receipt.model import ReceiptRow

INSERT_RECEIPT = """
insert into receipt (
  record_id, receipt_id, settlement_id, institution_id, receipt_no, sealed, issued_at, row_mac,
  round_no
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (record_id, settlement_id, round_no) do nothing
"""
GET_RECEIPT = """
select record_id, receipt_id, settlement_id, institution_id, receipt_no, sealed, issued_at, row_mac,
  round_no
from receipt
where record_id = $1 and settlement_id = $2 and ($3::integer is null or round_no = $3)
order by round_no desc
limit 1
"""


async def insert_receipt(conn: Connection, row: ReceiptRow) -> None:
    """Raises ``Repeated`` when that round of the settlement has its receipt already."""
    await write(
        conn,
        INSERT_RECEIPT,
        row.record_id,
        row.receipt_id,
        row.settlement_id,
        row.institution_id,
        row.receipt_no,
        row.sealed,
        row.issued_at,
        row.row_mac,
        row.round_no,
        otherwise=Repeated(),
    )


async def find_receipt(
    conn: Connection, record_id: int, settlement_id: int, round_no: int | None
) -> ReceiptRow | None:
    """The receipt of one round of a settlement; None: of its last."""
    return await find_row(conn, ReceiptRow, GET_RECEIPT, record_id, settlement_id, round_no)
