"""SQL of deposits."""

from service.kernel.database import Connection, execute, find_row, insert_new, list_rows
from service.settlement.stays.model import Deposit

LISTED_MAX = 100
COUNTED_MAX = 50
"""What one discharge counts: with its other payments no more than a settlement lists."""

INSERT_DEPOSIT = """
insert into deposit (
  record_id, settlement_id, institution_id, stay_no, held_fen, taken_by, settled_at, version,
  row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (record_id, settlement_id) do nothing
"""
GET_DEPOSIT = """
select record_id, settlement_id, institution_id, stay_no, held_fen, taken_by, settled_at, version,
  row_mac
from deposit
where record_id = $1 and settlement_id = $2
"""
LIST_OF_STAY = """
select record_id, settlement_id, institution_id, stay_no, held_fen, taken_by, settled_at, version,
  row_mac
from deposit
where record_id = $1 and institution_id = $2 and stay_no = $3
order by settled_at, settlement_id
limit $4
"""
LIST_HELD = """
select record_id, settlement_id, institution_id, stay_no, held_fen, taken_by, settled_at, version,
  row_mac
from deposit
where record_id = $1 and institution_id = $2 and stay_no = $3 and taken_by is null and held_fen > 0
order by settled_at, settlement_id
limit $4
"""
SAVE_DEPOSIT = """
update deposit
set held_fen = $4, taken_by = $5, version = $6, row_mac = $7
where record_id = $1 and settlement_id = $2 and version = $3
"""


async def insert_deposit(conn: Connection, row: Deposit) -> bool:
    """False when the settlement's deposit stands."""
    return await insert_new(
        conn,
        INSERT_DEPOSIT,
        row.record_id,
        row.settlement_id,
        row.institution_id,
        row.stay_no,
        row.held_fen,
        row.taken_by,
        row.settled_at,
        row.version,
        row.row_mac,
    )


async def find_deposit(conn: Connection, record_id: int, settlement_id: int) -> Deposit | None:
    """What a settlement took."""
    return await find_row(conn, Deposit, GET_DEPOSIT, record_id, settlement_id)


async def list_of_stay(
    conn: Connection, record_id: int, institution_id: int, stay_no: str
) -> list[Deposit]:
    """Oldest first, at most 100."""
    return await list_rows(
        conn, Deposit, LIST_OF_STAY, record_id, institution_id, stay_no, LISTED_MAX
    )


async def list_held(
    conn: Connection, record_id: int, institution_id: int, stay_no: str
) -> list[Deposit]:
    """Those that nobody counts and of which something is left, oldest first, at most 50."""
    return await list_rows(
        conn, Deposit, LIST_HELD, record_id, institution_id, stay_no, COUNTED_MAX
    )


async def save_deposit(conn: Connection, row: Deposit) -> bool:
    """Compare-and-set: the row stored must be of the version before. False when it is not."""
    key = (row.record_id, row.settlement_id, row.version - 1)
    changed = (row.held_fen, row.taken_by, row.version, row.row_mac)
    return await execute(conn, SAVE_DEPOSIT, *key, *changed) == 1
