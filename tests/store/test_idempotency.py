"""One effect and one answer for each idempotency key."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.kernel import idempotency
from service.kernel.context import Context
from service.kernel.idempotency import Answer, answer_once
from service.kernel.problems import (
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    MalformedRequest,
    NotFound,
    Overloaded,
    RequestInProgress,
)
from tests.support.app import a_context
from tests.support.clock import FakeClock


@pytest.fixture
async def ctx(fresh_database: str) -> AsyncIterator[Context]:
    async with a_context(fresh_database) as ctx:
        yield ctx


class Work:
    """Counts its runs; fails as told."""

    def __init__(self, *faults: Exception) -> None:
        self.runs = 0
        self.faults = list(faults)
        self.gate: asyncio.Event | None = None
        self.begun = asyncio.Event()

    async def __call__(self) -> Answer:
        self.runs += 1
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        return Answer(201, b'{"n":%d}' % self.runs)


async def once(ctx: Context, work: Work, *, key: str | None, given: bytes = b"in") -> Answer:
    return await answer_once(
        ctx.pool,
        ctx.sealer,
        ctx.clock,
        caller="c",
        operation="op",
        key=key,
        given=given,
        run=work,
    )


async def test_a_repeat_gets_the_first_answer_and_runs_nothing(ctx: Context) -> None:
    work = Work()
    first = await once(ctx, work, key="repeat")
    assert await once(ctx, work, key="repeat") == first == Answer(201, b'{"n":1}')
    assert work.runs == 1


async def test_the_same_key_with_other_input_is_refused(ctx: Context) -> None:
    work = Work()
    await once(ctx, work, key="other")
    with pytest.raises(IdempotencyKeyReused):
        await once(ctx, work, key="other", given=b"something else")


@pytest.mark.parametrize("key", [None, ""])
async def test_a_missing_key_is_refused(ctx: Context, key: str | None) -> None:
    with pytest.raises(IdempotencyKeyMissing):
        await once(ctx, Work(), key=key)


@pytest.mark.parametrize("key", ["k" * 65, "a\nb", "密"])
async def test_a_key_that_is_not_printable_ascii_is_refused(ctx: Context, key: str) -> None:
    with pytest.raises(MalformedRequest):
        await once(ctx, Work(), key=key)


async def test_two_at_once_run_it_once(ctx: Context) -> None:
    work = Work()
    work.gate = asyncio.Event()
    first = asyncio.create_task(once(ctx, work, key="race"))
    await work.begun.wait()
    with pytest.raises(RequestInProgress):
        await once(ctx, work, key="race")
    work.gate.set()
    assert (await first).status == 201
    assert (await once(ctx, work, key="race")).body == b'{"n":1}'
    assert work.runs == 1


async def test_a_retryable_problem_frees_the_key(ctx: Context) -> None:
    work = Work(Overloaded())
    with pytest.raises(Overloaded):
        await once(ctx, work, key="busy")
    assert (await once(ctx, work, key="busy")).body == b'{"n":2}'


async def test_a_final_problem_is_kept(ctx: Context) -> None:
    work = Work(NotFound())
    with pytest.raises(NotFound):
        await once(ctx, work, key="final")
    assert (await once(ctx, work, key="final")).status == 404
    assert work.runs == 1


async def test_a_holder_that_died_is_replaced_when_its_lease_ends(ctx: Context) -> None:
    work = Work(asyncio.CancelledError())  # type: ignore[arg-type]
    clock = ctx.clock
    assert isinstance(clock, FakeClock)
    await idempotency._claim(
        ctx.pool, clock.now(), idempotency._key_hash("c", "op", "dead"), idempotency.sm3(b"in")
    )
    with pytest.raises(RequestInProgress):
        await once(ctx, Work(), key="dead")
    clock.advance(idempotency.LEASE + timedelta(seconds=1))
    assert (await once(ctx, Work(), key="dead")).status == 201
    assert work.runs == 0


async def test_answers_are_sealed_in_the_database(ctx: Context) -> None:
    async def personal() -> Answer:
        return Answer(200, '{"name":"测试甲"}'.encode())

    await answer_once(
        ctx.pool,
        ctx.sealer,
        ctx.clock,
        caller="c",
        operation="op",
        key="sealed",
        given=b"",
        run=personal,
    )
    async with ctx.pool.acquire() as conn:
        stored = await conn.fetchval("select string_agg(answer, ''::bytea) from idempotency")
    assert "测试甲".encode() not in stored


async def test_who_was_too_slow_does_not_free_the_key_of_the_next(ctx: Context) -> None:
    slow, second = Work(Overloaded()), Work()
    slow.gate, second.gate = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(once(ctx, slow, key="k"))
    await slow.begun.wait()
    assert isinstance(ctx.clock, FakeClock)
    ctx.clock.advance(idempotency.LEASE + timedelta(seconds=1))
    other = asyncio.create_task(once(ctx, second, key="k"))
    await second.begun.wait()
    slow.gate.set()
    with pytest.raises(Overloaded):
        await first
    with pytest.raises(RequestInProgress):
        await once(ctx, Work(), key="k")
    second.gate.set()
    assert (await other).body == b'{"n":1}'
