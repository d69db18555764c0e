"""Bounds on callers and on ourselves: token buckets per caller, a bounded queue before work."""

import asyncio
from collections import OrderedDict, deque
from datetime import datetime

from service.kernel.problems import Overloaded, TooManyRequests

SWEEP_S = 0.05
"""So much longer than its patience one may wait in a line, so that many are refused together."""


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
    """At most ``running`` at work and ``waiting`` in line, each waiting at most ``patience_s``.

    A line no longer than ``running`` goes by age. In a longer one the newest is next: not all can
    be served before they give up, and whoever came last still wants his answer.
    """

    def __init__(self, *, running: int, waiting: int, patience_s: float) -> None:
        self._free = running
        self._by_age = running
        self._line: deque[_Waiter] = deque()
        self._waiting = waiting
        self._patience_s = patience_s
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """True if another one would be refused at once."""
        return not self._free and len(self._line) >= self._waiting

    def place(self) -> "Place":
        """Hold a place for a block. Entering raises ``Overloaded`` when the line is full or too
        slow."""
        return Place(self)

    async def take(self) -> None:
        """A place that whoever takes it must ``give_back``; ``Place`` does both."""
        if not (self.take_free() or await self.wait()):
            raise Overloaded(retry_after_s=1)

    def take_free(self) -> bool:
        """A place that nobody has, as by ``take``; False when there is none."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self) -> bool:
        """A place after others, as by ``take``; False when the line is full or too slow.

        One timer serves the whole line: a timer of its own would cost a request that is refused
        more than all the rest of its refusal.
        """
        if len(self._line) >= self._waiting:
            return False
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), loop.time() + self._patience_s)
        self._line.append(waiter)
        if self._sweep is None:
            self._sweep = loop.call_at(waiter.until, self._refuse_the_late, loop)
        try:
            return await waiter.admitted
        except asyncio.CancelledError:
            self._forget(waiter)
            raise

    def give_back(self) -> None:
        """Free for the next."""
        while self._line:
            newest = len(self._line) > self._by_age
            waiter = self._line.pop() if newest else self._line.popleft()
            if not waiter.admitted.done():  # done: cancelled, and not yet forgotten
                waiter.admitted.set_result(True)
                return
        self._free += 1

    def _forget(self, waiter: "_Waiter") -> None:
        """Whoever waited is cancelled, in the line or already admitted."""
        if not waiter.admitted.cancelled():
            if waiter.admitted.result():
                self.give_back()
        elif waiter in self._line:
            self._line.remove(waiter)

    def _refuse_the_late(self, loop: asyncio.AbstractEventLoop) -> None:
        """All whose time is over at once, and seldom: together they cost less than each alone."""
        now = loop.time()
        while self._line and self._line[0].until <= now:
            waiter = self._line.popleft()
            if not waiter.admitted.done():
                waiter.admitted.set_result(False)
        self._sweep = None
        if self._line:
            at = max(self._line[0].until, now + SWEEP_S)
            self._sweep = loop.call_at(at, self._refuse_the_late, loop)


class _Waiter:
    """One in the line, until when (on the loop's clock), and whether it got its place."""

    __slots__ = ("admitted", "until")

    def __init__(self, admitted: asyncio.Future[bool], until: float) -> None:
        self.admitted = admitted
        self.until = until


class Place:
    """``async with`` a place of the queue; a generator would cost more than the rest of it."""

    __slots__ = ("_queue",)

    def __init__(self, queue: BoundedQueue) -> None:
        self._queue = queue

    async def __aenter__(self) -> None:
        await self._queue.take()

    async def __aexit__(self, *_fault: object) -> None:
        self._queue.give_back()
