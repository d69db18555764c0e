"""Audit entries are part of the act and sealed; work items are opened once while open."""

from collections.abc import AsyncIterator

import pytest

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.casework import actions as casework
from service.casework.model import NewItem
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from tests.support.app import a_context


@pytest.fixture
async def ctx(fresh_database: str) -> AsyncIterator[Context]:
    async with a_context(fresh_database) as ctx:
        yield ctx


async def test_an_entry_is_sealed_and_committed_to(ctx: Context) -> None:
    entry = AuditEntry(
        record_id=11,
        action="code.scanned",
        actor_kind="terminal",
        actor_id=5,
        institution_id=3,
        facts={"name": "测试甲"},
    )
    async with transaction(ctx.pool) as conn:
        await ctx.sealer.new_record_key(conn, 11, ctx.clock.now())
        await audit.append(conn, ctx, entry)
        await audit.append(conn, ctx, entry)
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch("select commitment, sealed, leaf_no from audit_entry")
    assert len(rows) == 2
    assert rows[0]["commitment"] != rows[1]["commitment"]
    assert all(row["leaf_no"] is None for row in rows)
    assert all("测试甲".encode() not in row["sealed"] for row in rows)


async def test_an_open_item_is_not_opened_twice_but_again_after_closing(ctx: Context) -> None:
    item = NewItem(
        record_id=0,
        kind="payment",
        subject_id=9,
        institution_id=None,
        reason="amount-differs",
        evidence={"expected_fen": 1},
    )
    for _ in range(2):
        async with transaction(ctx.pool) as conn:
            await casework.open_item(conn, ctx, item)
    (stored,) = await casework.list_open(ctx, 10)
    assert (stored.reason, stored.evidence) == ("amount-differs", {"expected_fen": 1})
    assert await casework.close_item(ctx, 0, stored.item_id, "explained")
    assert not await casework.close_item(ctx, 0, stored.item_id, "twice")
    async with transaction(ctx.pool) as conn:
        await casework.open_item(conn, ctx, item)
    assert len(await casework.list_open(ctx, 10)) == 1
