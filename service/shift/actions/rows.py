"""Rows of the counter, checked when they are read and signed when they are written."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from msgspec.structs import replace

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import NotFound
from service.shift import store
from service.shift.model import CounterRefund, CounterTender, Entry, Shift, Staff

Row = TypeVar("Row", Staff, Shift, Entry, CounterTender, CounterRefund)
ENTRIES_MAX = 10_000
_TABLES = {
    Staff: "staff",
    Shift: "shift",
    Entry: "shift_entry",
    CounterTender: "counter_tender",
    CounterRefund: "counter_refund",
}


def check(ctx: Context, row: Row) -> Row:
    """The row, proved to be what this program wrote. Raises ``RowTampered``."""
    ctx.sealer.check_mac(_TABLES[type(row)], row.mac_parts(), row.row_mac)
    return row


def sign(ctx: Context, row: Row) -> Row:
    """The row with its MAC."""
    return replace(row, row_mac=ctx.sealer.row_mac(_TABLES[type(row)], row.mac_parts()))


def next_version(ctx: Context, row: Any, **changes: Any) -> Any:
    """The row changed, one version on, with its MAC."""
    return sign(ctx, replace(row, version=row.version + 1, **changes))


async def get_staff(conn: Connection, ctx: Context, institution_id: int, staff_id: int) -> Staff:
    """Raises ``NotFound``, ``RowTampered``."""
    row = await store.get_staff(conn, institution_id, staff_id)
    if row is None:
        raise NotFound
    return check(ctx, row)


async def list_entries(conn: Connection, ctx: Context, shift: Shift) -> list[Entry]:
    """A shift's entries in order. Raises ``RowTampered``."""
    found = await store.list_entries(conn, shift.institution_id, shift.shift_id, ENTRIES_MAX)
    return [check(ctx, one) for one in found]


@asynccontextmanager
async def noting(ctx: Context) -> AsyncIterator[Connection]:
    """A transaction that may ``note``: the key of what concerns no record is there before."""
    async with connection(ctx.pool) as conn:
        await ctx.sealer.platform_key(conn, ctx.clock.now())
    async with transaction(ctx.pool) as conn:
        yield conn


async def note(
    conn: Connection,
    ctx: Context,
    action: str,
    institution_id: int,
    staff_id: int,
    facts: dict[str, str | int | bool | None],
) -> None:
    """An audit entry of a counter, by a cashier or (0) by the operator. It concerns no record."""
    await audit.append(
        conn,
        ctx,
        AuditEntry(
            record_id=0,
            action=action,
            actor_kind="staff" if staff_id else "operator",
            actor_id=staff_id,
            institution_id=institution_id,
            facts=facts,
        ),
    )
