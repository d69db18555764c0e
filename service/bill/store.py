"""SQL of bills."""

from datetime import datetime

import msgspec

from service.bill.model import BillRow, SealedBill
from service.kernel.database import Connection, execute, find_row, insert_new, list_rows, write

INSERT_NUMBER = """
insert into bill_number (institution_id, bill_no, record_id, bill_id)
values ($1, $2, $3, $4)
on conflict (institution_id, bill_no) do nothing
"""
GET_NUMBER = """
select record_id, bill_id
from bill_number
where institution_id = $1 and bill_no = $2
"""
INSERT_STAY = """
insert into stay_number (institution_id, stay_no, record_id)
values ($1, $2, $3)
on conflict (institution_id, stay_no) do nothing
"""
GET_STAY = """
select record_id
from stay_number
where institution_id = $1 and stay_no = $2
"""
HAS_DISCHARGE = """
select exists (
  select 1
  from bill
  where record_id = $1 and institution_id = $2 and stay_no = $3 and kind = 'DISCHARGE'
    and state in ('LOCKED', 'PAID')
)
"""
INSERT_BILL = """
insert into bill (
  record_id, bill_id, institution_id, bill_no, version, total_fen, state, holder_id, pay_until,
  created_at, updated_at, row_mac, kind, stay_no
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
INSERT_VERSION = """
insert into bill_version (record_id, bill_id, version, sealed, created_at)
values ($1, $2, $3, $4, $5)
"""
GET_VERSION = """
select sealed
from bill_version
where record_id = $1 and bill_id = $2 and version = $3
"""
GET_BILL = """
select b.record_id, b.bill_id, b.institution_id, b.bill_no, b.version, b.total_fen, b.state,
  b.holder_id, b.pay_until, b.created_at, b.updated_at, b.row_mac, b.kind, b.stay_no,
  v.sealed
from bill b
join bill_version v on v.record_id = b.record_id and v.bill_id = b.bill_id and v.version = b.version
where b.record_id = $1 and b.bill_id = $2
"""
LIST_PAYABLE = """
select b.record_id, b.bill_id, b.institution_id, b.bill_no, b.version, b.total_fen, b.state,
  b.holder_id, b.pay_until, b.created_at, b.updated_at, b.row_mac, b.kind, b.stay_no,
  v.sealed
from bill b
join bill_version v on v.record_id = b.record_id and v.bill_id = b.bill_id and v.version = b.version
where b.record_id = $1 and ($2::bigint is null or b.institution_id = $2)
  and (b.state = 'LOCKED' or (b.state = 'OPEN' and b.pay_until > $3))
order by b.created_at desc, b.bill_id
limit $4
"""
LIST_SHOWN = """
select b.record_id, b.bill_id, b.institution_id, b.bill_no, b.version, b.total_fen, b.state,
  b.holder_id, b.pay_until, b.created_at, b.updated_at, b.row_mac, b.kind, b.stay_no,
  v.sealed
from bill b
join bill_version v on v.record_id = b.record_id and v.bill_id = b.bill_id and v.version = b.version
where b.record_id = $1
  and (b.state = 'LOCKED' or (b.state = 'OPEN' and b.pay_until > $2)
    or (b.state = 'PAID' and b.updated_at > $3))
order by b.created_at desc, b.bill_id
limit $4
"""
SAVE_BILL = """
update bill
set version = $4, total_fen = $5, state = $6, holder_id = $7, pay_until = $8, updated_at = $9,
  row_mac = $10
where record_id = $1 and bill_id = $2 and row_mac = $3
"""
LIST_OVERDUE = """
select record_id, bill_id
from bill
where state = 'OPEN' and pay_until <= $1
order by pay_until
limit $2
"""
OLDEST_OVERDUE = """
select min(pay_until) from bill where state = 'OPEN' and pay_until <= $1
"""


class BillKey(msgspec.Struct, frozen=True):
    """Which bill."""

    record_id: int
    bill_id: int


async def insert_number(conn: Connection, row: BillRow) -> bool:
    """False when the institution used the number before."""
    return await insert_new(
        conn, INSERT_NUMBER, row.institution_id, row.bill_no, row.record_id, row.bill_id
    )


async def find_number(conn: Connection, institution_id: int, bill_no: str) -> BillKey | None:
    """Where the bill of that number lies."""
    return await find_row(conn, BillKey, GET_NUMBER, institution_id, bill_no)


async def insert_stay(conn: Connection, row: BillRow) -> None:
    """The first bill of a stay says whose it is."""
    await execute(conn, INSERT_STAY, row.institution_id, row.stay_no, row.record_id)


async def find_stay(conn: Connection, institution_id: int, stay_no: str) -> int | None:
    """The record that a stay lies with."""
    found: int | None = await conn.fetchval(GET_STAY, institution_id, stay_no)
    return found


async def has_discharge(
    conn: Connection, record_id: int, institution_id: int, stay_no: str
) -> bool:
    """Whether a discharge of the stay is being settled, or was."""
    found: bool = await conn.fetchval(HAS_DISCHARGE, record_id, institution_id, stay_no)
    return found


async def insert_bill(conn: Connection, row: BillRow) -> None:
    """A new bill; its number is taken before."""
    await write(
        conn,
        INSERT_BILL,
        row.record_id,
        row.bill_id,
        row.institution_id,
        row.bill_no,
        row.version,
        row.total_fen,
        row.state,
        row.holder_id,
        row.pay_until,
        row.created_at,
        row.updated_at,
        row.row_mac,
        row.kind.value,
        row.stay_no,
    )


async def insert_version(conn: Connection, row: BillRow, sealed: bytes) -> None:
    """The content of the row's version."""
    await write(
        conn, INSERT_VERSION, row.record_id, row.bill_id, row.version, sealed, row.updated_at
    )


async def find_version(conn: Connection, key: BillKey, version: int) -> bytes | None:
    """The sealed content of one version."""
    found: bytes | None = await conn.fetchval(GET_VERSION, key.record_id, key.bill_id, version)
    return found


async def find_bill(conn: Connection, key: BillKey) -> SealedBill | None:
    """The bill with its present version."""
    return await find_row(conn, SealedBill, GET_BILL, key.record_id, key.bill_id)


async def list_payable(
    conn: Connection, record_id: int, institution_id: int | None, now: datetime, limit: int
) -> list[SealedBill]:
    """Newest first."""
    return await list_rows(conn, SealedBill, LIST_PAYABLE, record_id, institution_id, now, limit)


async def list_shown(
    conn: Connection, record_id: int, now: datetime, paid_since: datetime, limit: int
) -> list[SealedBill]:
    """Newest first: to pay, being paid, and paid since."""
    return await list_rows(conn, SealedBill, LIST_SHOWN, record_id, now, paid_since, limit)


async def save_bill(
    conn: Connection, before: BillRow, after: BillRow, otherwise: Exception
) -> None:
    """Compare-and-set on the whole row, by its MAC. Raises ``otherwise``: somebody was faster."""
    await write(
        conn,
        SAVE_BILL,
        before.record_id,
        before.bill_id,
        before.row_mac,
        after.version,
        after.total_fen,
        after.state,
        after.holder_id,
        after.pay_until,
        after.updated_at,
        after.row_mac,
        otherwise=otherwise,
    )


async def list_overdue(conn: Connection, now: datetime, limit: int) -> list[BillKey]:
    """Open bills whose time to pay is over."""
    return await list_rows(conn, BillKey, LIST_OVERDUE, now, limit)
