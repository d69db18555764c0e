"""How the rows of institutions move to newer keys."""

import msgspec

from crypto.keyring import KeyKind
from service.institution.model import EnrolledTerminal
from service.institution.store_rekeying import (
    COUNT_TERMINAL_KEYS,
    MACED,
    PAGE_TERMINALS,
    SWAP_TERMINAL_KEY,
)
from service.kernel.context import Context
from service.kernel.rekeying import KeyedRows, Rekeyed, belonging, swapped, wrapped_version


async def _rewrap_terminal_key(ctx: Context, row: EnrolledTerminal) -> Rekeyed:
    """The MAC covers the sealed key, so both change at once."""
    sealed = row.key_sealed
    if sealed is None or ctx.sealer.is_current(KeyKind.COLUMN, wrapped_version(sealed)):
        return Rekeyed.CURRENT
    ctx.sealer.check_mac("terminal", row.mac_parts(), row.row_mac)
    place = row.terminal_id.to_bytes(8)
    fresh = msgspec.structs.replace(
        row, key_sealed=ctx.sealer.rewrap_local("terminal", place, sealed)
    )
    mac = ctx.sealer.row_mac("terminal", fresh.mac_parts())
    return await swapped(
        ctx,
        SWAP_TERMINAL_KEY,
        row.institution_id,
        row.terminal_id,
        row.row_mac,
        fresh.key_sealed,
        mac,
    )


KEYED_ROWS = (
    *MACED,
    KeyedRows(
        table="terminal",
        kind=KeyKind.COLUMN,
        row=EnrolledTerminal,
        key=("institution_id", "terminal_id"),
        page=PAGE_TERMINALS,
        count=COUNT_TERMINAL_KEYS,
        rekey=_rewrap_terminal_key,
        belongs=belonging("terminal_id"),
    ),
)
