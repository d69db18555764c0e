"""Callers have a rate; the server has a line of bounded length."""

import asyncio
from collections.abc import Callable
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


class Line:
    """A queue, who got a place of it in which order, and who was refused."""

    def __init__(self, *, running: int, waiting: int, patience_s: float) -> None:
        self.queue = BoundedQueue(running=running, waiting=waiting, patience_s=patience_s)
        self.admitted: list[str] = []
        self.refused: list[str] = []

    def join(self, name: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._join(name))

    async def _join(self, name: str) -> None:
        if self.queue.take_free() or await self.queue.wait():
            self.admitted.append(name)
        else:
            self.refused.append(name)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true in five seconds")


async def test_a_short_line_goes_by_age_and_of_a_long_one_the_newest_is_next() -> None:
    line = Line(running=2, waiting=10, patience_s=5)
    for name in ("first", "second", "a", "b", "c", "d"):
        line.join(name)
    await asyncio.sleep(0)
    for _ in range(4):
        line.queue.give_back()
        await asyncio.sleep(0)
    assert line.admitted == ["first", "second", "d", "c", "a", "b"]


async def test_who_waited_too_long_is_refused_and_the_line_serves_on() -> None:
    line = Line(running=1, waiting=10, patience_s=0.1)
    line.join("first")
    old = [line.join(f"old {n}") for n in range(3)]
    await asyncio.sleep(0.06)
    line.join("young")
    await until(lambda: len(line.refused) == 3)
    assert line.refused == ["old 0", "old 1", "old 2"]
    assert all(one.done() for one in old)
    line.queue.give_back()
    await until(lambda: line.admitted == ["first", "young"])
    line.queue.give_back()
    assert line.queue.take_free(), "every place came back"
    assert not line.queue.take_free()


async def test_the_line_is_bounded_and_takes_others_when_it_has_moved() -> None:
    line = Line(running=1, waiting=2, patience_s=5)
    tasks = [line.join(name) for name in ("first", "a", "b", "too much")]
    await until(lambda: line.refused == ["too much"])
    assert line.queue.is_full
    line.queue.give_back()
    assert not line.queue.is_full
    tasks.append(line.join("later"))
    for _ in range(2):
        line.queue.give_back()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert sorted(line.admitted) == ["a", "b", "first", "later"]


async def test_whoever_stops_waiting_takes_no_place_with_him() -> None:
    line = Line(running=1, waiting=10, patience_s=5)
    line.join("first")
    in_line, granted, last = (line.join(name) for name in ("in line", "granted", "last"))
    await asyncio.sleep(0)
    in_line.cancel()
    line.queue.give_back()  # before the cancelled one ran: it is passed over
    granted.cancel()  # it has its place already, and gives it on
    await until(lambda: line.admitted == ["first", "last"])
    await asyncio.gather(in_line, granted, return_exceptions=True)
    assert last.done()
    assert not line.queue.take_free()
    line.queue.give_back()
    assert line.queue.take_free()
