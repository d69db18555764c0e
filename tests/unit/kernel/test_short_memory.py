"""Rows kept for two seconds: never longer, never a failure, never without a bound."""

from datetime import timedelta

import pytest

from service.kernel.short_memory import LIFE, ShortMemory
from tests.support.clock import FakeClock


class Source:
    """Counts how often it is asked; fails on demand."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False

    async def load(self) -> int:
        self.asked += 1
        if self.fails:
            raise LookupError
        return self.asked


async def test_a_row_is_read_once_within_its_life_and_again_after_it() -> None:
    clock, source = FakeClock(), Source()
    memory = ShortMemory(clock)
    assert [await memory.get(("row", 1), source.load) for _ in range(3)] == [1, 1, 1]
    clock.advance(LIFE - timedelta(microseconds=1))
    assert await memory.get(("row", 1), source.load) == 1
    clock.advance(timedelta(microseconds=1))
    assert await memory.get(("row", 1), source.load) == 2


async def test_a_clock_that_went_back_reads_again() -> None:
    clock, source = FakeClock(), Source()
    memory = ShortMemory(clock)
    await memory.get(("row", 1), source.load)
    clock.advance(timedelta(seconds=-1))
    assert await memory.get(("row", 1), source.load) == 2


async def test_a_forgotten_row_is_read_again_and_a_failure_is_never_kept() -> None:
    clock, source = FakeClock(), Source()
    memory = ShortMemory(clock)
    await memory.get(("row", 1), source.load)
    memory.forget(("row", 1))
    source.fails = True
    for _ in range(2):
        with pytest.raises(LookupError):
            await memory.get(("row", 1), source.load)
    source.fails = False
    assert await memory.get(("row", 1), source.load) == 4


async def test_the_memory_is_bounded_and_lets_go_of_the_oldest() -> None:
    clock, source = FakeClock(), Source()
    memory = ShortMemory(clock, size=2)
    for number in (1, 2, 3):
        await memory.get(("row", number), source.load)
    assert source.asked == 3
    await memory.get(("row", 3), source.load)
    assert source.asked == 3
    await memory.get(("row", 1), source.load)
    assert source.asked == 4
