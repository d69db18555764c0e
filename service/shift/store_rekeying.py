"""What re-keying must know of the tables of the counter: their SQL, and how a row moves."""

from service.kernel.rekeying import maced
from service.shift.model import CounterRefund, CounterTender, Entry, Shift, Staff

PAGE_STAFF = """
select institution_id, staff_id, staff_no, pin_salt, pin_hash, state, failures, locked_until,
  session_hash, session_terminal_id, session_until, created_at, version, row_mac
from staff
where (institution_id, staff_id) > ($1, $2)
order by institution_id, staff_id
limit $3
"""
COUNT_STAFF = """
select count(*) from staff where substring(row_mac from 1 for 1) = $1
"""
SWAP_STAFF_MAC = """
update staff
set row_mac = $4
where institution_id = $1 and staff_id = $2 and row_mac = $3
"""
PAGE_SHIFTS = """
select institution_id, shift_id, terminal_id, staff_id, state, float_fen, opened_at, closed_at,
  expected_cash_fen, counted_cash_fen, expected_pos_fen, counted_pos_fen, explanation,
  next_shift_id, version, row_mac
from shift
where (institution_id, shift_id) > ($1, $2)
order by institution_id, shift_id
limit $3
"""
COUNT_SHIFTS = """
select count(*) from shift where substring(row_mac from 1 for 1) = $1
"""
SWAP_SHIFTS_MAC = """
update shift
set row_mac = $4
where institution_id = $1 and shift_id = $2 and row_mac = $3
"""
PAGE_ENTRIES = """
select institution_id, entry_id, shift_id, staff_id, direction, tender, amount_fen, tendered_fen,
  record_id, settlement_id, attempt_id, refund_id, refund_version, slip_no, slip_ref, slip_day,
  request_key, state, made_at, ended_at, row_mac
from shift_entry
where (institution_id, entry_id) > ($1, $2)
order by institution_id, entry_id
limit $3
"""
COUNT_ENTRIES = """
select count(*) from shift_entry where substring(row_mac from 1 for 1) = $1
"""
SWAP_ENTRIES_MAC = """
update shift_entry
set row_mac = $4
where institution_id = $1 and entry_id = $2 and row_mac = $3
"""
PAGE_TENDERS = """
select institution_id, tender, set_at, row_mac
from counter_tender
where (institution_id, tender) > ($1, $2)
order by institution_id, tender
limit $3
"""
COUNT_TENDERS = """
select count(*) from counter_tender where substring(row_mac from 1 for 1) = $1
"""
SWAP_TENDERS_MAC = """
update counter_tender
set row_mac = $4
where institution_id = $1 and tender = $2 and row_mac = $3
"""
PAGE_WAITING = """
select institution_id, refund_id, record_id, settlement_id, tender, amount_fen, asked_at,
  given_at, row_mac, overdue_at
from counter_refund
where (institution_id, refund_id) > ($1, $2)
order by institution_id, refund_id
limit $3
"""
COUNT_WAITING = """
select count(*) from counter_refund where substring(row_mac from 1 for 1) = $1
"""
SWAP_WAITING_MAC = """
update counter_refund
set row_mac = $4
where institution_id = $1 and refund_id = $2 and row_mac = $3
"""

KEYED_ROWS = (
    maced(
        "staff",
        Staff,
        ("institution_id", "staff_id"),
        "staff_id",
        page=PAGE_STAFF,
        count=COUNT_STAFF,
        swap=SWAP_STAFF_MAC,
    ),
    maced(
        "shift",
        Shift,
        ("institution_id", "shift_id"),
        "shift_id",
        page=PAGE_SHIFTS,
        count=COUNT_SHIFTS,
        swap=SWAP_SHIFTS_MAC,
    ),
    maced(
        "shift_entry",
        Entry,
        ("institution_id", "entry_id"),
        ("record_id", "entry_id"),
        page=PAGE_ENTRIES,
        count=COUNT_ENTRIES,
        swap=SWAP_ENTRIES_MAC,
    ),
    maced(
        "counter_tender",
        CounterTender,
        ("institution_id", "tender"),
        "institution_id",
        page=PAGE_TENDERS,
        count=COUNT_TENDERS,
        swap=SWAP_TENDERS_MAC,
    ),
    maced(
        "counter_refund",
        CounterRefund,
        ("institution_id", "refund_id"),
        ("record_id", "refund_id"),
        page=PAGE_WAITING,
        count=COUNT_WAITING,
        swap=SWAP_WAITING_MAC,
    ),
)
