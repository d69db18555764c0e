"""SQL of the console's operators. Rows are written whole, columns in the order of their Struct."""

from msgspec.structs import astuple

from service.console.model import OperatorRow
from service.kernel.database import Connection, execute, find_row, insert_new, list_rows

INSERT_OPERATOR = """
insert into console_operator (
  operator_id, name, roles, state, password_salt, password_hash, factor_sealed, factor_step,
  failures, locked_until, session_hash, session_began_at, session_seen_at, created_at, version,
  row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict do nothing
"""
GET_OPERATOR = """
select operator_id, name, roles, state, password_salt, password_hash, factor_sealed, factor_step,
  failures, locked_until, session_hash, session_began_at, session_seen_at, created_at, version,
  row_mac
from console_operator
where operator_id = $1
"""
FIND_OPERATOR = """
select operator_id, name, roles, state, password_salt, password_hash, factor_sealed, factor_step,
  failures, locked_until, session_hash, session_began_at, session_seen_at, created_at, version,
  row_mac
from console_operator
where name = $1
"""
LIST_OPERATORS = """
select operator_id, name, roles, state, password_salt, password_hash, factor_sealed, factor_step,
  failures, locked_until, session_hash, session_began_at, session_seen_at, created_at, version,
  row_mac
from console_operator
order by name
limit $1
"""
SAVE_OPERATOR = """
update console_operator
set name = $2, roles = $3, state = $4, password_salt = $5, password_hash = $6, factor_sealed = $7,
  factor_step = $8, failures = $9, locked_until = $10, session_hash = $11, session_began_at = $12,
  session_seen_at = $13, created_at = $14, version = $15, row_mac = $16
where operator_id = $1 and version = $15 - 1
"""


async def insert_operator(conn: Connection, row: OperatorRow) -> bool:
    """False when the name is taken."""
    return await insert_new(conn, INSERT_OPERATOR, *astuple(row))


async def get_operator(conn: Connection, operator_id: int) -> OperatorRow | None:
    """By id."""
    return await find_row(conn, OperatorRow, GET_OPERATOR, operator_id)


async def find_operator(conn: Connection, name: str) -> OperatorRow | None:
    """By name."""
    return await find_row(conn, OperatorRow, FIND_OPERATOR, name)


async def list_operators(conn: Connection, limit: int) -> list[OperatorRow]:
    """By name."""
    return await list_rows(conn, OperatorRow, LIST_OPERATORS, limit)


async def save_operator(conn: Connection, row: OperatorRow) -> bool:
    """False when somebody was faster."""
    return await execute(conn, SAVE_OPERATOR, *astuple(row)) == 1
