"""The claim loop: each due unit once at a time, and again when a holder dies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from service.kernel import outbox
from service.kernel.claims import ClaimSource, run_once
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.worker import outbox_source
from tests.support.app import a_context
from tests.support.clock import FakeClock


@pytest.fixture
async def ctx(postgres: object, migrated: str) -> AsyncIterator[Context]:
    async with postgres.database(migrated) as dsn, a_context(dsn) as ctx:  # type: ignore[attr-defined]
        yield ctx


async def an_event(ctx: Context, topic: str = "thing.happened") -> None:
    async with transaction(ctx.pool) as conn:
        await outbox.append(
            conn, ctx.ids, ctx.clock.now(), record_id=7, topic=topic, subject_id=1, body={"n": 1}
        )


async def test_an_event_is_finished_once_even_with_many_relays(ctx: Context) -> None:
    for _ in range(30):
        await an_event(ctx)
    relays = [outbox_source(ctx) for _ in range(4)]
    await asyncio.gather(*(run_once(relay, ctx.clock, ctx.metrics) for relay in relays))
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch("select attempts, done_at from outbox")
    assert all(row["attempts"] == 1 and row["done_at"] for row in rows)


async def test_a_rolled_back_act_leaves_no_event(ctx: Context) -> None:
    async def act() -> None:
        async with transaction(ctx.pool) as conn:
            await outbox.append(
                conn, ctx.ids, ctx.clock.now(), record_id=7, topic="x", subject_id=1, body={}
            )
            raise RuntimeError("act failed")

    with pytest.raises(RuntimeError, match="act failed"):
        await act()
    async with connection(ctx.pool) as conn:
        assert await outbox.list_due(conn, ctx.clock.now(), 10) == []


async def test_a_dead_holder_is_replaced_when_its_lease_ends(ctx: Context) -> None:
    await an_event(ctx)
    source = outbox_source(ctx)
    (event,) = await source.list_due(ctx.clock.now(), 10)
    assert await source.claim(event, ctx.clock.now(), ctx.clock.now() + source.lease)
    assert await run_once(outbox_source(ctx), ctx.clock, ctx.metrics) == 0
    assert isinstance(ctx.clock, FakeClock)
    ctx.clock.advance(source.lease + timedelta(seconds=1))
    assert await run_once(outbox_source(ctx), ctx.clock, ctx.metrics) == 1


async def test_one_bad_unit_does_not_stop_the_others(ctx: Context) -> None:
    done: list[int] = []

    async def list_due(_now: datetime, _limit: int) -> list[int]:
        return [1, 2, 3]

    async def claim(_key: int, _now: datetime, _until: datetime) -> bool:
        return True

    async def work(key: int) -> None:
        if key == 2:
            raise ValueError("poison")
        done.append(key)

    source = ClaimSource("test", list_due=list_due, claim=claim, work=work)
    assert await run_once(source, ctx.clock, ctx.metrics) == 3
    assert sorted(done) == [1, 3]


async def test_a_unit_is_cut_off_before_its_lease_ends(ctx: Context) -> None:
    async def list_due(_now: datetime, _limit: int) -> list[int]:
        return [1]

    async def claim(_key: int, _now: datetime, _until: datetime) -> bool:
        return True

    async def work(_key: int) -> None:
        await asyncio.sleep(60)

    source = ClaimSource(
        "slow", list_due=list_due, claim=claim, work=work, lease=timedelta(milliseconds=100)
    )
    async with asyncio.timeout(30):
        await run_once(source, ctx.clock, ctx.metrics)
