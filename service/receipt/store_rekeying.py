"""What re-keying must know of the tables of receipt: their SQL, and how a row moves."""

from service.kernel.rekeying import maced
from service.receipt.model import InvoiceRow, ReceiptRow

PAGE_RECEIPTS = """
select record_id, receipt_id, settlement_id, institution_id, receipt_no, sealed, issued_at,
  row_mac, round_no
from receipt
where (record_id, receipt_id) > ($1, $2)
order by record_id, receipt_id
limit $3
"""
COUNT_RECEIPTS = """
select count(*) from receipt where substring(row_mac from 1 for 1) = $1
"""
SWAP_RECEIPT_MAC = """
update receipt
set row_mac = $4
where record_id = $1 and receipt_id = $2 and row_mac = $3
"""
PAGE_INVOICES = """
select record_id, invoice_id, settlement_id, institution_id, business_no, state, code, number,
  red_code, red_number, reason, sealed, sent_at, due_at, tries, created_at, version, row_mac,
  round_no
from fiscal_invoice
where (record_id, invoice_id) > ($1, $2)
order by record_id, invoice_id
limit $3
"""
COUNT_INVOICES = """
select count(*) from fiscal_invoice where substring(row_mac from 1 for 1) = $1
"""
SWAP_INVOICE_MAC = """
update fiscal_invoice
set row_mac = $4
where record_id = $1 and invoice_id = $2 and row_mac = $3
"""

KEYED_ROWS = (
    maced(
        "receipt",
        ReceiptRow,
        ("record_id", "receipt_id"),
        ("record_id", "receipt_id"),
        page=PAGE_RECEIPTS,
        count=COUNT_RECEIPTS,
        swap=SWAP_RECEIPT_MAC,
    ),
    maced(
        "fiscal_invoice",
        InvoiceRow,
        ("record_id", "invoice_id"),
        ("record_id", "invoice_id"),
        page=PAGE_INVOICES,
        count=COUNT_INVOICES,
        swap=SWAP_INVOICE_MAC,
    ),
)
