"""SQL of corrections."""

from datetime import datetime

from service.kernel.database import Connection, execute, find_row, insert_new, list_rows
from service.settlement.corrections.model import Correction
from service.settlement.model import Settlement

LIST_MAX = 100

INSERT_CORRECTION = """
insert into correction (
  record_id, correction_id, settlement_id, institution_id, bill_version, bill_after, amount_fen,
  state, sealed, asked_by, asked_through, asked_at, decided_by, decided_through, decided_at,
  round_no, ended_at, version, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
on conflict do nothing
"""
GET_CORRECTION = """
select record_id, correction_id, settlement_id, institution_id, bill_version, bill_after,
  amount_fen, state, sealed, asked_by, asked_through, asked_at, decided_by, decided_through,
  decided_at, round_no, ended_at, version, row_mac
from correction
where record_id = $1 and correction_id = $2
"""
FIND_RUNNING = """
select record_id, correction_id, settlement_id, institution_id, bill_version, bill_after,
  amount_fen, state, sealed, asked_by, asked_through, asked_at, decided_by, decided_through,
  decided_at, round_no, ended_at, version, row_mac
from correction
where record_id = $1 and settlement_id = $2 and state = 'RUNNING'
"""
LIST_CORRECTIONS = """
select record_id, correction_id, settlement_id, institution_id, bill_version, bill_after,
  amount_fen, state, sealed, asked_by, asked_through, asked_at, decided_by, decided_through,
  decided_at, round_no, ended_at, version, row_mac
from correction
where record_id = $1 and settlement_id = $2
order by asked_at, correction_id
limit $3
"""
LIST_AWAITING = """
select record_id, correction_id, settlement_id, institution_id, bill_version, bill_after,
  amount_fen, state, sealed, asked_by, asked_through, asked_at, decided_by, decided_through,
  decided_at, round_no, ended_at, version, row_mac
from correction
where institution_id = $1 and state = 'AWAITING_APPROVAL'
order by asked_at, correction_id
limit $2
"""
LIST_POSTED = """
select record_id, settlement_id, bill_id, bill_version, institution_id, channel, terminal_id,
  account_id, insured, use_account, state, reason, total_fen, fund_fen, account_fen, cash_fen,
  hospital_fen, paid_fen, refunded_fen, sealed, settlement_ref, paid_by, provider_ref,
  hospital_ref, due_at, deadline_at, tries, created_at, updated_at, settled_at, version, row_mac,
  round_no, taken_over_at, cover_fen
from settlement
where record_id = $1 and institution_id = $2 and state = 'POSTED' and settled_at > $3
order by settled_at desc, settlement_id
limit $4
"""
SAVE_CORRECTION = """
update correction
set state = $4, decided_by = $5, decided_through = $6, decided_at = $7, round_no = $8,
  ended_at = $9, version = $10, row_mac = $11
where record_id = $1 and correction_id = $2 and version = $3
"""


async def insert_correction(conn: Connection, row: Correction) -> bool:
    """False while another correction of the settlement is open."""
    return await insert_new(
        conn,
        INSERT_CORRECTION,
        row.record_id,
        row.correction_id,
        row.settlement_id,
        row.institution_id,
        row.bill_version,
        row.bill_after,
        row.amount_fen,
        row.state.value,
        row.sealed,
        row.asked_by,
        row.asked_through,
        row.asked_at,
        row.decided_by,
        row.decided_through,
        row.decided_at,
        row.round_no,
        row.ended_at,
        row.version,
        row.row_mac,
    )


async def find_correction(
    conn: Connection, record_id: int, correction_id: int
) -> Correction | None:
    """By id."""
    return await find_row(conn, Correction, GET_CORRECTION, record_id, correction_id)


async def find_running(conn: Connection, record_id: int, settlement_id: int) -> Correction | None:
    """The correction on whose behalf the settlement moves."""
    return await find_row(conn, Correction, FIND_RUNNING, record_id, settlement_id)


async def list_corrections(
    conn: Connection, record_id: int, settlement_id: int
) -> list[Correction]:
    """Oldest first."""
    return await list_rows(conn, Correction, LIST_CORRECTIONS, record_id, settlement_id, LIST_MAX)


async def list_awaiting(conn: Connection, institution_id: int) -> list[Correction]:
    """What waits for a second person of the institution, oldest first."""
    return await list_rows(conn, Correction, LIST_AWAITING, institution_id, LIST_MAX)


async def list_posted(
    conn: Connection, record_id: int, institution_id: int, since: datetime
) -> list[Settlement]:
    """What the institution settled with the record since and has in its books, newest first."""
    return await list_rows(
        conn, Settlement, LIST_POSTED, record_id, institution_id, since, LIST_MAX
    )


async def save_correction(conn: Connection, row: Correction, *, version: int) -> bool:
    """Write ``row`` over the row of that version; False when somebody was faster."""
    return (
        await execute(
            conn,
            SAVE_CORRECTION,
            row.record_id,
            row.correction_id,
            version,
            row.state.value,
            row.decided_by,
            row.decided_through,
            row.decided_at,
            row.round_no,
            row.ended_at,
            row.version,
            row.row_mac,
        )
        == 1
    )
