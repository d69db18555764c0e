"""What re-keying must know of the console's operators: their SQL, and how a row moves."""

from msgspec.structs import replace

from crypto.keyring import KeyKind
from service.console.model import OperatorRow
from service.kernel.context import Context
from service.kernel.rekeying import (
    KeyedRows,
    Rekeyed,
    belonging,
    maced,
    swapped,
    wrapped_version,
)

TABLE = "console_operator"
PAGE_OPERATORS = """
select operator_id, name, roles, state, password_salt, password_hash, factor_sealed, factor_step,
  failures, locked_until, session_hash, session_began_at, session_seen_at, created_at, version,
  row_mac
from console_operator
where operator_id > $1
order by operator_id
limit $2
"""
COUNT_MACS = """
select count(*) from console_operator where substring(row_mac from 1 for 1) = $1
"""
SWAP_MAC = """
update console_operator
set row_mac = $3
where operator_id = $1 and row_mac = $2
"""
COUNT_FACTORS = """
select count(*) from console_operator where substring(factor_sealed from 2 for 1) = $1
"""
SWAP_FACTOR = """
update console_operator
set factor_sealed = $3, row_mac = $4
where operator_id = $1 and row_mac = $2
"""


async def _rewrap_factor(ctx: Context, row: OperatorRow) -> Rekeyed:
    """The MAC covers the sealed secret, so both change at once."""
    if ctx.sealer.is_current(KeyKind.COLUMN, wrapped_version(row.factor_sealed)):
        return Rekeyed.CURRENT
    ctx.sealer.check_mac(TABLE, row.mac_parts(), row.row_mac)
    place = row.operator_id.to_bytes(8)
    fresh = replace(row, factor_sealed=ctx.sealer.rewrap_local(TABLE, place, row.factor_sealed))
    mac = ctx.sealer.row_mac(TABLE, fresh.mac_parts())
    return await swapped(ctx, SWAP_FACTOR, row.operator_id, row.row_mac, fresh.factor_sealed, mac)


KEYED_ROWS = (
    maced(
        TABLE,
        OperatorRow,
        ("operator_id",),
        "operator_id",
        page=PAGE_OPERATORS,
        count=COUNT_MACS,
        swap=SWAP_MAC,
    ),
    KeyedRows(
        table=TABLE,
        kind=KeyKind.COLUMN,
        row=OperatorRow,
        key=("operator_id",),
        page=PAGE_OPERATORS,
        count=COUNT_FACTORS,
        rekey=_rewrap_factor,
        belongs=belonging("operator_id"),
    ),
)
