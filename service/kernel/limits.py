"""Bounds on callers and on ourselves: token buckets per caller, a bounded queue before work."""

import asyncio
from collections import OrderedDict
from datetime import datetime

from service.kernel.problems import Overloaded, TooManyRequests


class RateLimit:
    """A token bucket per caller: ``per_s`` steady, ``burst`` at once, ``callers`` remembered."""

    def __init__(self, *, per_s: float, burst: int, callers: int = 100_000) -> None:
        self._per_s = per_s
        self._burst = burst
        self._callers = callers
        self._buckets: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def take(self, caller: str, now: datetime) -> None:
        """Take one token. Raises ``TooManyRequests`` with ``retry_after_s``."""
        tokens, since = self._buckets.pop(caller, (float(self._burst), now))
        elapsed_s = max(0.0, (now - since).total_seconds())
        tokens = min(float(self._burst), tokens + elapsed_s * self._per_s)
        allowed = tokens >= 1.0
        self._buckets[caller] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > self._callers:
            self._buckets.popitem(last=False)
        if not allowed:
            wait_s = max(1, round((1.0 - tokens) / self._per_s + 0.5))
            raise TooManyRequests(retry_after_s=wait_s)


class BoundedQueue:
    """At most ``running`` at work and ``waiting`` in line, each waiting at most ``patience_s``."""

    def __init__(self, *, running: int, waiting: int, patience_s: float) -> None:
        self._slots = asyncio.Semaphore(running)
        self._line = 0
        self._waiting = waiting
        self._patience_s = patience_s

    @property
    def is_full(self) -> bool:
        """True if another one would be refused at once."""
        return self._line >= self._waiting and self._slots.locked()

    def place(self) -> "Place":
        """Hold a place for a block. Entering raises ``Overloaded`` when the line is full or too
        slow."""
        return Place(self)

    async def take(self) -> None:
        """A place that whoever takes it must ``give_back``; ``Place`` does both."""
        if self.is_full:
            raise Overloaded(retry_after_s=1)
        if self._slots.locked():
            await self._wait()
        else:
            await self._slots.acquire()

    def give_back(self) -> None:
        """Free for the next."""
        self._slots.release()

    async def _wait(self) -> None:
        """In line for a place; apart, because a timer costs as much as the rest of this."""
        self._line += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await self._slots.acquire()
        except TimeoutError:
            raise Overloaded(retry_after_s=1) from None
        finally:
            self._line -= 1


class Place:
    """``async with`` a place of the queue; a generator would cost more than the rest of it."""

    __slots__ = ("_queue",)

    def __init__(self, queue: BoundedQueue) -> None:
        self._queue = queue

    async def __aenter__(self) -> None:
        await self._queue.take()

    async def __aexit__(self, *_fault: object) -> None:
        self._queue.give_back()
