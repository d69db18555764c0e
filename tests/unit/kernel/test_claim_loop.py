"""A claim loop without batches: a slow unit holds up nobody, and a stop waits for it."""

import asyncio
from datetime import datetime

from service.kernel.claims import ClaimSource, run_loop
from service.kernel.metrics import Metrics
from tests.support.clock import FakeClock


class Work:
    """Units by name; ``slow`` ends when it is told to."""

    def __init__(self, concurrency: int) -> None:
        self.due = ["slow"]
        self.claimed: list[str] = []
        self.done: list[str] = []
        self.go_on = asyncio.Event()
        self.all_done = asyncio.Event()
        self.faults = 1
        self.source = ClaimSource(
            "test",
            list_due=self.list_due,
            claim=self.claim,
            work=self.work,
            concurrency=concurrency,
            in_batches=False,
        )

    async def list_due(self, _now: datetime, limit: int) -> list[str]:
        if self.faults:
            self.faults -= 1
            raise ConnectionError
        return [name for name in self.due if name not in self.claimed][:limit]

    async def claim(self, name: str, _now: datetime, _until: datetime) -> bool:
        if name in self.claimed:
            return False
        self.claimed.append(name)
        return True

    async def work(self, name: str) -> None:
        if name == "slow":
            self.due += ["a", "broken", "b"]
            await self.go_on.wait()
        if name == "broken":
            raise ValueError
        self.done.append(name)
        if {"a", "b"} <= set(self.done):
            self.all_done.set()


async def test_others_are_worked_while_one_is_slow_and_a_stop_finishes_it() -> None:
    work, stop = Work(concurrency=2), asyncio.Event()
    loop = asyncio.create_task(run_loop(work.source, FakeClock(), Metrics(), stop))
    async with asyncio.timeout(45):
        await work.all_done.wait()
        assert sorted(work.done) == ["a", "b"]
        assert "broken" in work.claimed
        stop.set()
        await asyncio.sleep(0)
        work.go_on.set()
        await loop
    assert sorted(work.done) == ["a", "b", "slow"]
