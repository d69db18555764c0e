"""SQL of the counter. Every statement stays in one institution, but for the search for entries in
doubt. Rows are written whole, columns in the order of their Structs.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import astuple

from service.kernel.database import Connection, execute, find_row, insert_new, list_rows
from service.shift.model import CounterRefund, CounterTender, Entry, Shift, Staff

INSERT_STAFF = """
insert into staff (
  institution_id, staff_id, staff_no, pin_salt, pin_hash, state, failures, locked_until,
  session_hash, session_terminal_id, session_until, created_at, version, row_mac
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
)
on conflict (institution_id, staff_no) do nothing
"""
GET_STAFF = """
select institution_id, staff_id, staff_no, pin_salt, pin_hash, state, failures, locked_until,
  session_hash, session_terminal_id, session_until, created_at, version, row_mac
from staff
where institution_id = $1 and staff_id = $2
"""
FIND_STAFF = """
select institution_id, staff_id, staff_no, pin_salt, pin_hash, state, failures, locked_until,
  session_hash, session_terminal_id, session_until, created_at, version, row_mac
from staff
where institution_id = $1 and staff_no = $2
"""
LIST_STAFF = """
select institution_id, staff_id, staff_no, pin_salt, pin_hash, state, failures, locked_until,
  session_hash, session_terminal_id, session_until, created_at, version, row_mac
from staff
where institution_id = $1
order by staff_no
limit $2
"""
SAVE_STAFF = """
update staff
set staff_no = $3, pin_salt = $4, pin_hash = $5, state = $6, failures = $7, locked_until = $8,
  session_hash = $9, session_terminal_id = $10, session_until = $11, created_at = $12,
  version = $13, row_mac = $14
where institution_id = $1 and staff_id = $2 and version = $13 - 1
"""
INSERT_SHIFT = """
insert into shift (
  institution_id, shift_id, terminal_id, staff_id, state, float_fen, opened_at, closed_at,
  expected_cash_fen, counted_cash_fen, expected_pos_fen, counted_pos_fen, explanation,
  next_shift_id, version, row_mac
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
)
on conflict do nothing
"""
GET_SHIFT = """
select institution_id, shift_id, terminal_id, staff_id, state, float_fen, opened_at, closed_at,
  expected_cash_fen, counted_cash_fen, expected_pos_fen, counted_pos_fen, explanation,
  next_shift_id, version, row_mac
from shift
where institution_id = $1 and shift_id = $2
"""
LOCK_SHIFT = """
select institution_id, shift_id, terminal_id, staff_id, state, float_fen, opened_at, closed_at,
  expected_cash_fen, counted_cash_fen, expected_pos_fen, counted_pos_fen, explanation,
  next_shift_id, version, row_mac
from shift
where institution_id = $1 and shift_id = $2
for update
"""
FIND_OPEN_SHIFT = """
select institution_id, shift_id, terminal_id, staff_id, state, float_fen, opened_at, closed_at,
  expected_cash_fen, counted_cash_fen, expected_pos_fen, counted_pos_fen, explanation,
  next_shift_id, version, row_mac
from shift
where institution_id = $1 and staff_id = $2 and state = 'OPEN'
"""
LIST_SHIFTS = """
select institution_id, shift_id, terminal_id, staff_id, state, float_fen, opened_at, closed_at,
  expected_cash_fen, counted_cash_fen, expected_pos_fen, counted_pos_fen, explanation,
  next_shift_id, version, row_mac
from shift
where institution_id = $1
order by opened_at desc, shift_id
limit $2
"""
SAVE_SHIFT = """
update shift
set terminal_id = $3, staff_id = $4, state = $5, float_fen = $6, opened_at = $7, closed_at = $8,
  expected_cash_fen = $9, counted_cash_fen = $10, expected_pos_fen = $11, counted_pos_fen = $12,
  explanation = $13, next_shift_id = $14, version = $15, row_mac = $16
where institution_id = $1 and shift_id = $2 and version = $15 - 1
"""
INSERT_ENTRY = """
insert into shift_entry (
  institution_id, entry_id, shift_id, staff_id, direction, tender, amount_fen, tendered_fen,
  record_id, settlement_id, attempt_id, refund_id, refund_version, slip_no, slip_ref, slip_day,
  request_key, state, made_at, ended_at, row_mac
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21
)
on conflict do nothing
"""
GET_ENTRY = """
select institution_id, entry_id, shift_id, staff_id, direction, tender, amount_fen, tendered_fen,
  record_id, settlement_id, attempt_id, refund_id, refund_version, slip_no, slip_ref, slip_day,
  request_key, state, made_at, ended_at, row_mac
from shift_entry
where institution_id = $1 and entry_id = $2
"""
FIND_REQUESTED = """
select institution_id, entry_id, shift_id, staff_id, direction, tender, amount_fen, tendered_fen,
  record_id, settlement_id, attempt_id, refund_id, refund_version, slip_no, slip_ref, slip_day,
  request_key, state, made_at, ended_at, row_mac
from shift_entry
where institution_id = $1 and shift_id = $2 and request_key = $3
"""
LIST_ENTRIES = """
select institution_id, entry_id, shift_id, staff_id, direction, tender, amount_fen, tendered_fen,
  record_id, settlement_id, attempt_id, refund_id, refund_version, slip_no, slip_ref, slip_day,
  request_key, state, made_at, ended_at, row_mac
from shift_entry
where institution_id = $1 and shift_id = $2
order by made_at, entry_id
limit $3
"""
LIST_IN_DOUBT = """
select institution_id, entry_id
from shift_entry
where state = 'INTENDED' and made_at <= $1
order by made_at
limit $2
"""
OLDEST_IN_DOUBT = """
select min(made_at) from shift_entry where state = 'INTENDED' and made_at <= $1
"""
SLIP_USED = """
select exists (
  select 1 from shift_entry
  where institution_id = $1 and slip_day = $2 and slip_no = $3 and state <> 'VOID'
)
"""
END_ENTRY = """
update shift_entry
set state = $3, ended_at = $4, row_mac = $5
where institution_id = $1 and entry_id = $2 and state = 'INTENDED'
"""
INSERT_TENDER = """
insert into counter_tender (institution_id, tender, set_at, row_mac)
values ($1, $2, $3, $4)
on conflict (institution_id, tender) do nothing
"""
DELETE_TENDER = """
delete from counter_tender where institution_id = $1 and tender = $2
"""
LIST_TENDERS = """
select institution_id, tender, set_at, row_mac
from counter_tender
where institution_id = $1
order by tender
"""
INSERT_REFUND = """
insert into counter_refund (
  institution_id, refund_id, record_id, settlement_id, tender, amount_fen, asked_at, given_at,
  row_mac, overdue_at
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
)
on conflict (institution_id, refund_id) do nothing
"""
PUT_GIVEN = """
insert into counter_refund (
  institution_id, refund_id, record_id, settlement_id, tender, amount_fen, asked_at, given_at,
  row_mac, overdue_at
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
)
on conflict (institution_id, refund_id) do update
set asked_at = $7, given_at = $8, row_mac = $9, overdue_at = $10
"""
FIND_REFUND = """
select institution_id, refund_id, record_id, settlement_id, tender, amount_fen, asked_at,
  given_at, row_mac, overdue_at
from counter_refund
where institution_id = $1 and refund_id = $2
"""
LIST_OVERDUE = """
select institution_id, refund_id
from counter_refund
where asked_at <= $1 and given_at is null and overdue_at is null
order by asked_at
limit $2
"""
OLDEST_OVERDUE = """
select min(asked_at) from counter_refund
where asked_at <= $1 and given_at is null and overdue_at is null
"""
SAVE_OVERDUE = """
update counter_refund
set overdue_at = $3, row_mac = $4
where institution_id = $1 and refund_id = $2 and row_mac = $5
"""
LIST_WAITING = """
select institution_id, refund_id, record_id, settlement_id, tender, amount_fen, asked_at,
  given_at, row_mac, overdue_at
from counter_refund
where institution_id = $1 and given_at is null
order by asked_at, refund_id
limit $2
"""
LIST_WAITING_OF = """
select institution_id, refund_id, record_id, settlement_id, tender, amount_fen, asked_at,
  given_at, row_mac, overdue_at
from counter_refund
where institution_id = $1 and record_id = any($2::bigint[]) and given_at is null
order by asked_at, refund_id
limit $3
"""


async def insert_staff(conn: Connection, row: Staff) -> bool:
    """False when the number is taken."""
    return await insert_new(conn, INSERT_STAFF, *astuple(row))


async def get_staff(conn: Connection, institution_id: int, staff_id: int) -> Staff | None:
    """By id."""
    return await find_row(conn, Staff, GET_STAFF, institution_id, staff_id)


async def find_staff(conn: Connection, institution_id: int, staff_no: str) -> Staff | None:
    """By number."""
    return await find_row(conn, Staff, FIND_STAFF, institution_id, staff_no)


async def list_staff(conn: Connection, institution_id: int, limit: int) -> list[Staff]:
    """By number."""
    return await list_rows(conn, Staff, LIST_STAFF, institution_id, limit)


async def save_staff(conn: Connection, row: Staff) -> bool:
    """Compare-and-set: the row stored must be of the version before. False when it is not."""
    return await execute(conn, SAVE_STAFF, *astuple(row)) == 1


async def insert_shift(conn: Connection, row: Shift) -> bool:
    """False when the terminal or the cashier has an open one."""
    return await insert_new(conn, INSERT_SHIFT, *astuple(row))


async def get_shift(conn: Connection, institution_id: int, shift_id: int) -> Shift | None:
    """By id."""
    return await find_row(conn, Shift, GET_SHIFT, institution_id, shift_id)


async def lock_shift(conn: Connection, institution_id: int, shift_id: int) -> Shift | None:
    """By id, held until the transaction ends."""
    return await find_row(conn, Shift, LOCK_SHIFT, institution_id, shift_id)


async def find_open_shift(conn: Connection, institution_id: int, staff_id: int) -> Shift | None:
    """A cashier's open shift, wherever it is."""
    return await find_row(conn, Shift, FIND_OPEN_SHIFT, institution_id, staff_id)


async def list_shifts(conn: Connection, institution_id: int, limit: int) -> list[Shift]:
    """Newest first."""
    return await list_rows(conn, Shift, LIST_SHIFTS, institution_id, limit)


async def save_shift(conn: Connection, row: Shift) -> bool:
    """Compare-and-set: the row stored must be of the version before. False when it is not."""
    return await execute(conn, SAVE_SHIFT, *astuple(row)) == 1


async def insert_entry(conn: Connection, row: Entry) -> bool:
    """False when the request is known, the slip used, or the refund being given."""
    return await insert_new(conn, INSERT_ENTRY, *astuple(row))


async def get_entry(conn: Connection, institution_id: int, entry_id: int) -> Entry | None:
    """By id."""
    return await find_row(conn, Entry, GET_ENTRY, institution_id, entry_id)


async def find_requested(
    conn: Connection, institution_id: int, shift_id: int, request_key: str
) -> Entry | None:
    """What a request of this shift made before."""
    return await find_row(conn, Entry, FIND_REQUESTED, institution_id, shift_id, request_key)


async def list_entries(
    conn: Connection, institution_id: int, shift_id: int, limit: int
) -> list[Entry]:
    """In order."""
    return await list_rows(conn, Entry, LIST_ENTRIES, institution_id, shift_id, limit)


async def list_in_doubt(conn: Connection, before: datetime, limit: int) -> list[tuple[int, int]]:
    """(institution, entry) of what nobody ended."""
    rows = await conn.fetch(LIST_IN_DOUBT, before, limit)
    return [(row["institution_id"], row["entry_id"]) for row in rows]


async def is_slip_used(conn: Connection, row: Entry) -> bool:
    """Whether an entry of that day has the slip's number."""
    used: bool = await conn.fetchval(SLIP_USED, row.institution_id, row.slip_day, row.slip_no)
    return used


async def end_entry(conn: Connection, row: Entry) -> bool:
    """Write how an entry ended; False when that is written already."""
    args = (row.institution_id, row.entry_id, row.state, row.ended_at, row.row_mac)
    return await execute(conn, END_ENTRY, *args) == 1


async def insert_tender(conn: Connection, row: CounterTender) -> None:
    """The institution takes this; a repeat changes nothing."""
    await insert_new(conn, INSERT_TENDER, *astuple(row))


async def delete_tender(conn: Connection, institution_id: int, tender: str) -> None:
    """The institution does not take this any more."""
    await execute(conn, DELETE_TENDER, institution_id, tender)


async def list_tenders(conn: Connection, institution_id: int) -> list[CounterTender]:
    """What the institution takes."""
    return await list_rows(conn, CounterTender, LIST_TENDERS, institution_id)


async def insert_refund(conn: Connection, row: CounterRefund) -> None:
    """Let a refund wait; one that waits or is given already stays as it is."""
    await insert_new(conn, INSERT_REFUND, *astuple(row))


async def put_given(conn: Connection, row: CounterRefund) -> None:
    """The refund is given, whether or not it was seen waiting."""
    await execute(conn, PUT_GIVEN, *astuple(row))


async def find_refund(
    conn: Connection, institution_id: int, refund_id: int
) -> CounterRefund | None:
    """By id."""
    return await find_row(conn, CounterRefund, FIND_REFUND, institution_id, refund_id)


async def list_overdue(
    conn: Connection, asked_until: datetime, limit: int
) -> list[tuple[int, int]]:
    """(institution, refund) of what waits since then or longer, and nobody was told of."""
    rows = await conn.fetch(LIST_OVERDUE, asked_until, limit)
    return [(row["institution_id"], row["refund_id"]) for row in rows]


async def save_overdue(conn: Connection, row: CounterRefund, before: CounterRefund) -> None:
    """Note that somebody was told, unless the row changed meanwhile."""
    key = (row.institution_id, row.refund_id)
    await execute(conn, SAVE_OVERDUE, *key, row.overdue_at, row.row_mac, before.row_mac)


async def list_waiting(conn: Connection, institution_id: int, limit: int) -> list[CounterRefund]:
    """What waits for its payer, oldest first."""
    return await list_rows(conn, CounterRefund, LIST_WAITING, institution_id, limit)


async def list_waiting_of(
    conn: Connection, institution_id: int, records: Sequence[int], limit: int
) -> list[CounterRefund]:
    """What waits for one person, oldest first."""
    args = (institution_id, list(records), limit)
    return await list_rows(conn, CounterRefund, LIST_WAITING_OF, *args)
