"""Rows of operators, checked when they are read and signed when they are written; audit entries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.console.model import OperatorRow
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction

TABLE = "console_operator"
Facts = dict[str, str | int | bool | None]


def check(ctx: Context, row: OperatorRow) -> OperatorRow:
    """The row, proved to be what this program wrote. Raises ``RowTampered``."""
    ctx.sealer.check_mac(TABLE, row.mac_parts(), row.row_mac)
    return row


def sign(ctx: Context, row: OperatorRow) -> OperatorRow:
    """The row with its MAC."""
    return replace(row, row_mac=ctx.sealer.row_mac(TABLE, row.mac_parts()))


def next_version(ctx: Context, row: OperatorRow, **changes: Any) -> OperatorRow:
    """The row changed, one version on, with its MAC."""
    return sign(ctx, replace(row, version=row.version + 1, **changes))


def seal_factor(ctx: Context, operator_id: int, secret: bytes) -> bytes:
    """The secret of a second factor, as its row holds it."""
    return ctx.sealer.seal_local("console_operator", operator_id.to_bytes(8), secret)


def factor_secret(ctx: Context, row: OperatorRow) -> bytes:
    """The reverse. Raises ``RowTampered``."""
    return ctx.sealer.open_local(TABLE, row.operator_id.to_bytes(8), row.factor_sealed)


@asynccontextmanager
async def noting(ctx: Context) -> AsyncIterator[Connection]:
    """A transaction that may ``note``: the key of what concerns no record is there before."""
    async with connection(ctx.pool) as conn:
        await ctx.sealer.platform_key(conn, ctx.clock.now())
    async with transaction(ctx.pool) as conn:
        yield conn


async def note(
    conn: Connection, ctx: Context, action: str, operator_id: int, facts: Facts, record_id: int = 0
) -> None:
    """An audit entry of an operator (0: of whoever runs our commands); about a record, or none."""
    entry = AuditEntry(
        record_id=record_id,
        action=action,
        actor_kind="operator",
        actor_id=operator_id,
        institution_id=None,
        facts=facts,
    )
    await audit.append(conn, ctx, entry)
