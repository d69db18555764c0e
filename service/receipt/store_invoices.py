"""SQL of fiscal e-invoices. Rows are saved whole, by compare-and-set on their version."""

from collections.abc import Sequence
from datetime import datetime

from service.kernel.database import (
    Connection,
    execute,
    find_row,
    insert_new,
    list_rows,
    write,
)
from service.receipt.model import InvoiceKey, InvoiceRow

INSERT_INVOICE = """
insert into fiscal_invoice (
  record_id, invoice_id, settlement_id, institution_id, business_no, state, code, number, red_code,
  red_number, reason, sealed, sent_at, due_at, tries, created_at, version, row_mac,
  round_no
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
)
on conflict (record_id, settlement_id, round_no) do nothing
"""
GET_INVOICE = """
select record_id, invoice_id, settlement_id, institution_id, business_no, state, code, number,
  red_code, red_number, reason, sealed, sent_at, due_at, tries, created_at, version, row_mac,
  round_no
from fiscal_invoice
where record_id = $1 and invoice_id = $2
"""
GET_OF_SETTLEMENT = """
select record_id, invoice_id, settlement_id, institution_id, business_no, state, code, number,
  red_code, red_number, reason, sealed, sent_at, due_at, tries, created_at, version, row_mac,
  round_no
from fiscal_invoice
where record_id = $1 and settlement_id = $2 and ($3::integer is null or round_no = $3)
order by round_no desc
limit 1
"""
LOCK_INVOICE = """
select record_id, invoice_id, settlement_id, institution_id, business_no, state, code, number,
  red_code, red_number, reason, sealed, sent_at, due_at, tries, created_at, version, row_mac,
  round_no
from fiscal_invoice
where record_id = $1 and invoice_id = $2
for update
"""
SAVE_INVOICE = """
update fiscal_invoice
set state = $3, code = $4, number = $5, red_code = $6, red_number = $7, reason = $8, sealed = $9,
  sent_at = $10, due_at = $11, tries = $12, version = $13, row_mac = $14
where record_id = $1 and invoice_id = $2 and version = $13 - 1
"""
LIST_DUE_INVOICES = """
select record_id, invoice_id
from fiscal_invoice
where due_at <= $1 and (lease_until is null or lease_until <= $1)
order by due_at
limit $2
"""
OLDEST_DUE_INVOICE = """
select min(due_at) from fiscal_invoice where due_at <= $1
"""
CLAIM_INVOICE = """
update fiscal_invoice
set lease_until = $4
where record_id = $1 and invoice_id = $2 and due_at <= $3
  and (lease_until is null or lease_until <= $3)
"""
RELEASE_INVOICE = """
update fiscal_invoice
set lease_until = null
where record_id = $1 and invoice_id = $2 and lease_until = $3
"""


async def insert_invoice(conn: Connection, row: InvoiceRow) -> bool:
    """False when that round of the settlement has its invoice already."""
    return await insert_new(
        conn,
        INSERT_INVOICE,
        row.record_id,
        row.invoice_id,
        row.settlement_id,
        row.institution_id,
        row.business_no,
        row.state.value,
        row.code,
        row.number,
        row.red_code,
        row.red_number,
        row.reason,
        row.sealed,
        row.sent_at,
        row.due_at,
        row.tries,
        row.created_at,
        row.version,
        row.row_mac,
        row.round_no,
    )


async def find_invoice(conn: Connection, key: InvoiceKey) -> InvoiceRow | None:
    """By its id."""
    return await find_row(conn, InvoiceRow, GET_INVOICE, key.record_id, key.invoice_id)


async def find_of_settlement(
    conn: Connection, record_id: int, settlement_id: int, round_no: int | None
) -> InvoiceRow | None:
    """The invoice of one round of a settlement; None: of its last."""
    return await find_row(conn, InvoiceRow, GET_OF_SETTLEMENT, record_id, settlement_id, round_no)


async def lock_invoice(conn: Connection, key: InvoiceKey) -> InvoiceRow | None:
    """By its id, held until the transaction ends."""
    return await find_row(conn, InvoiceRow, LOCK_INVOICE, key.record_id, key.invoice_id)


async def save_invoice(conn: Connection, row: InvoiceRow) -> bool:
    """False when the row is not at the version before."""
    return await execute(conn, SAVE_INVOICE, *_saved(row)) == 1


async def keep_invoice(conn: Connection, row: InvoiceRow, *, otherwise: Exception) -> None:
    """As ``save_invoice``, with what the caller's transaction writes; nothing of it is written when
    the row is not at the version before."""
    await write(conn, SAVE_INVOICE, *_saved(row), otherwise=otherwise)


def _saved(row: InvoiceRow) -> Sequence[object]:
    return (
        row.record_id,
        row.invoice_id,
        row.state.value,
        row.code,
        row.number,
        row.red_code,
        row.red_number,
        row.reason,
        row.sealed,
        row.sent_at,
        row.due_at,
        row.tries,
        row.version,
        row.row_mac,
    )


async def list_due(conn: Connection, now: datetime, limit: int) -> list[InvoiceKey]:
    """Invoices to pursue."""
    return await list_rows(conn, InvoiceKey, LIST_DUE_INVOICES, now, limit)


async def claim(conn: Connection, key: InvoiceKey, now: datetime, until: datetime) -> bool:
    """Whether this caller holds the due row."""
    done = await execute(conn, CLAIM_INVOICE, key.record_id, key.invoice_id, now, until)
    return done == 1


async def release(conn: Connection, key: InvoiceKey, until: datetime) -> None:
    """Let others take the row before the lease ends, if it is still the one until then."""
    await execute(conn, RELEASE_INVOICE, key.record_id, key.invoice_id, until)
