"""What the audit log holds of an act, opened."""

from typing import Any

import msgspec

from service.kernel.context import Context
from service.kernel.database import connection


async def entries_of(ctx: Context, record_id: int, action: str) -> list[dict[str, Any]]:
    """Actor and facts of every entry of the record with this action, oldest first."""
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch(
            "select entry_id, sealed from audit_entry"
            " where record_id = $1 and action = $2 order by at",
            record_id,
            action,
        )
        key = await ctx.sealer.record_key(conn, record_id)
    opened = [
        ctx.sealer.open(key, "audit_entry", "sealed", row["entry_id"], row["sealed"])
        for row in rows
    ]
    entries = [msgspec.json.decode(text)["entry"] for text in opened]
    return [{"actor_kind": entry["actor_kind"], **entry["facts"]} for entry in entries]


async def closings(ctx: Context, record_id: int) -> dict[str, str | None]:
    """Reason and closing of every work item of a record; None: still open."""
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch(
            "select reason, closing from work_item where record_id = $1 order by opened_at",
            record_id,
        )
    return {row["reason"]: row["closing"] for row in rows}
