"""Rows of corrections: checked when read, signed when written, moved by their machine."""

from typing import Any

import msgspec
from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import NotFound, StateConflict
from service.settlement.corrections import store
from service.settlement.corrections.model import Correction, CorrectionContent
from service.settlement.model import Settlement
from service.settlement.states import CORRECTION, CorrectionEvent

TABLE = "correction"


def check(ctx: Context, row: Correction | None) -> Correction:
    """Raises ``NotFound``, ``RowTampered``."""
    if row is None:
        raise NotFound
    ctx.sealer.check_mac(TABLE, row.mac_parts(), row.row_mac)
    return row


async def insert(
    conn: Connection, ctx: Context, row: Correction, content: CorrectionContent
) -> bool:
    """Store a new correction; False while another one of the settlement is open."""
    key = await ctx.sealer.record_key(conn, row.record_id)
    text = msgspec.json.encode(content)
    sealed = ctx.sealer.seal(key, TABLE, "sealed", row.correction_id, text)
    return await store.insert_correction(conn, _signed(ctx, replace(row, sealed=sealed)))


async def content_of(conn: Connection, ctx: Context, row: Correction) -> CorrectionContent:
    """Raises ``RowTampered``."""
    key = await ctx.sealer.record_key(conn, row.record_id)
    text = ctx.sealer.open(key, TABLE, "sealed", row.correction_id, row.sealed)
    return msgspec.json.decode(text, type=CorrectionContent)


async def advance(
    conn: Connection, ctx: Context, row: Correction, event: CorrectionEvent, **changes: Any
) -> Correction:
    """One step of the machine. Raises ``StateConflict``: not possible, or somebody was faster."""
    return await keep(conn, ctx, row, state=CORRECTION.advance(row.state, event), **changes)


async def keep(conn: Connection, ctx: Context, row: Correction, **changes: Any) -> Correction:
    """Changed facts. Raises ``StateConflict`` when somebody was faster."""
    after = _signed(ctx, replace(row, version=row.version + 1, **changes))
    if not await store.save_correction(conn, after, version=row.version):
        raise StateConflict("the correction is changing; try again")
    return after


async def find_running(conn: Connection, ctx: Context, row: Settlement) -> Correction | None:
    """The correction on whose behalf the settlement moves. Raises ``RowTampered``."""
    found = await store.find_running(conn, row.record_id, row.settlement_id)
    return None if found is None else check(ctx, found)


def _signed(ctx: Context, row: Correction) -> Correction:
    return replace(row, row_mac=ctx.sealer.row_mac(TABLE, row.mac_parts()))
