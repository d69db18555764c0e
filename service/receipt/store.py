"""SQL of receipts."""

from service.kernel.database import Connection, find_row, insert_new
from service.receipt.model import ReceiptRow

INSERT_RECEIPT = """
insert into receipt (
  record_id, receipt_id, settlement_id, institution_id, receipt_no, sealed, issued_at, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (record_id, settlement_id) do nothing
"""
GET_RECEIPT = """
select record_id, receipt_id, settlement_id, institution_id, receipt_no, sealed, issued_at, row_mac
from receipt
where record_id = $1 and settlement_id = $2
"""


async def insert_receipt(conn: Connection, row: ReceiptRow) -> bool:
    """False when the settlement has its receipt already."""
    return await insert_new(
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
    )


async def find_receipt(conn: Connection, record_id: int, settlement_id: int) -> ReceiptRow | None:
    """The receipt of a settlement."""
    return await find_row(conn, ReceiptRow, GET_RECEIPT, record_id, settlement_id)
