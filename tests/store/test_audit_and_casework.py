"""Audit entries are part of the act and sealed; work items are opened once while open."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.casework import actions as casework
from service.casework.model import ItemsOf, NewItem
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


OF_ITEM = ItemsOf(record_id=0, kind="payment", subject_id=9)


def an_item(reason: str) -> NewItem:
    """One about a payment."""
    return NewItem(
        record_id=0,
        kind="payment",
        subject_id=9,
        institution_id=None,
        reason=reason,
        evidence={"expected_fen": 1},
    )


async def test_an_open_item_is_not_opened_twice_but_again_after_closing(ctx: Context) -> None:
    item = an_item("amount-differs")
    for _ in range(2):
        async with transaction(ctx.pool) as conn:
            await casework.open_item(conn, ctx, item)
    (stored,) = await casework.list_open(ctx, 10)
    assert (stored.reason, stored.evidence) == ("amount-differs", {"expected_fen": 1})
    async with transaction(ctx.pool) as conn:
        await casework.close_items_of(conn, ctx, OF_ITEM, "paid")
        await casework.open_item(conn, ctx, item)
    (again,) = await casework.list_open(ctx, 10)
    assert again.item_id != stored.item_id
    assert (await casework.read(ctx, 0, stored.item_id)).closing == "paid"


@pytest.mark.parametrize(
    ("of", "left"),
    [
        (OF_ITEM, set()),
        (ItemsOf(record_id=0, kind="payment", subject_id=9, reasons=("two",)), {"one"}),
        (ItemsOf(record_id=0, kind="payment", subject_id=9, but_reason="two"), {"two"}),
        (ItemsOf(record_id=0, kind="refund", subject_id=9), {"one", "two"}),
        (ItemsOf(record_id=1, kind="payment", subject_id=9), {"one", "two"}),
    ],
)
async def test_items_are_closed_by_subject_and_reason(
    ctx: Context, of: ItemsOf, left: set[str]
) -> None:
    async with transaction(ctx.pool) as conn:
        for reason in ("one", "two"):
            await casework.open_item(conn, ctx, an_item(reason))
        assert await casework.is_open(conn, of) == (len(left) < 2)
    async with transaction(ctx.pool) as conn:
        await casework.close_items_of(conn, ctx, of, "over")
    assert {one.reason for one in await casework.list_open(ctx, 10)} == left


async def test_what_does_not_stand_any_more_is_closed(ctx: Context) -> None:
    one, two = an_item("one"), an_item("two")
    other = msgspec.structs.replace(one, kind="refund")
    async with transaction(ctx.pool) as conn:
        await casework.open_item(conn, ctx, other)
    await casework.keep_standing(ctx, "payment", [one, two], "mended")
    await casework.keep_standing(ctx, "payment", [two], "mended")
    standing = await casework.list_open(ctx, 10)
    assert {(item.kind, item.reason) for item in standing} == {
        ("refund", "one"),
        ("payment", "two"),
    }
    await casework.keep_standing(ctx, "payment", [], "mended")
    assert [item.kind for item in await casework.list_open(ctx, 10)] == ["refund"]
