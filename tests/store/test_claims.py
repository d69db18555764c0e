"""The claim loop: each due unit once at a time, and again when a holder dies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from service.casework import actions as casework
from service.kernel import outbox
from service.kernel.claims import ClaimSource, run_once
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.worker import TRIES_MAX, outbox_source
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


async def test_an_event_that_nobody_could_hear_for_long_is_shown_and_heard_in_the_end(
    ctx: Context,
) -> None:
    """Nothing is set aside: a hospital must hear of a settlement however late."""
    heard: list[int] = []
    deaf = True

    async def handler(_ctx: Context, event: outbox.Event) -> None:
        if deaf:
            raise RuntimeError("not now")
        heard.append(event.subject_id)

    await an_event(ctx)
    source = outbox_source(ctx, {"thing.happened": handler})
    assert isinstance(ctx.clock, FakeClock)
    for _ in range(TRIES_MAX + 5):
        await run_once(source, ctx.clock, ctx.metrics)
        ctx.clock.advance(timedelta(minutes=11))
    (item,) = await casework.list_open(ctx, 10)
    assert (item.kind, item.reason) == ("event", "event-not-heard")
    assert item.evidence["topic"] == "thing.happened"
    deaf = False
    await run_once(source, ctx.clock, ctx.metrics)
    assert heard == [1]
    assert await casework.list_open(ctx, 10) == []
    assert await run_once(source, ctx.clock, ctx.metrics) == 0
