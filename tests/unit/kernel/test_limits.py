"""Callers have a rate; the server has a line of bounded length."""

import asyncio
from datetime import timedelta

import pytest

from service.kernel.limits import BoundedQueue, RateLimit
from service.kernel.problems import Overloaded, TooManyRequests
from tests.support.clock import FakeClock


def test_a_burst_is_allowed_and_the_next_is_told_when_to_come_back() -> None:
    clock = FakeClock()
    limit = RateLimit(per_s=0.5, burst=3)
    for _ in range(3):
        limit.take("a", clock.now())
    with pytest.raises(TooManyRequests) as caught:
        limit.take("a", clock.now())
    clock.advance(timedelta(seconds=int(str(caught.value.extensions["retry_after_s"]))))
    limit.take("a", clock.now())


def test_one_caller_does_not_use_up_another_ones_rate() -> None:
    clock = FakeClock()
    limit = RateLimit(per_s=1, burst=1)
    limit.take("a", clock.now())
    limit.take("b", clock.now())


def test_the_memory_of_callers_is_bounded() -> None:
    clock = FakeClock()
    limit = RateLimit(per_s=1, burst=1, callers=10)
    for n in range(1000):
        limit.take(f"caller {n}", clock.now())
    assert len(limit._buckets) == 10


async def test_a_full_line_is_refused_at_once_and_a_slow_one_after_its_patience() -> None:
    queue = BoundedQueue(running=1, waiting=1, patience_s=0.05)
    release = asyncio.Event()

    async def hold() -> None:
        async with queue.place():
            await release.wait()

    async def wait() -> None:
        async with queue.place():
            pass

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0)
    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await wait()
    with pytest.raises(Overloaded):
        await waiter
    release.set()
    await holder
    await wait()
