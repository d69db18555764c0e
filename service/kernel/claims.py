"""The claim loop: due rows are found without a lock, then claimed by compare-and-set on a lease.

Runs unchanged on one server and on a sharded one; needs no SKIP LOCKED, NOTIFY or advisory lock.
A unit is cut off at four fifths of its lease, so no two holders work at once; a holder that dies
is replaced when its lease ends.
Work is at least once: every unit acts through compare-and-set on its own state.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from service.kernel.clock import Clock
from service.kernel.database import UNAVAILABLE
from service.kernel.logs import get_logger
from service.kernel.metrics import Metrics

K = TypeVar("K")

_log = get_logger("claims")

BATCH = 64
PAUSE_S_MIN = 0.05
PAUSE_S_MAX = 0.5

# Paces of loops that nobody waits for: the shortest and the longest pause between two looks.
BRISK = (0.25, 0.5)
EASY = (0.5, 2.0)
SELDOM = (1.0, 5.0)


class OldestDue(NamedTuple):
    """How to see that a loop lags: ``sql`` gives, for a time $1, the earliest time not after it at
    which a row waited; the row is due ``after`` that time."""

    sql: str
    after: timedelta = timedelta(0)


class ClaimSource(Generic[K]):
    """One kind of due work.

    ``list_due(now, limit)`` reads candidates; ``claim(key, now, until)`` gives whether this holder
    won the row; ``work(key)`` does it and records the outcome, releasing the lease by the way.
    ``in_batches`` False: a slow unit does not hold up those that become due meanwhile.
    ``pace_s``: the shortest and the longest pause between two looks; None where somebody waits for
    the work, which is then looked for again as soon as some was done.
    """

    def __init__(
        self,
        name: str,
        *,
        list_due: Callable[[datetime, int], Awaitable[Sequence[K]]],
        claim: Callable[[K, datetime, datetime], Awaitable[bool]],
        work: Callable[[K], Awaitable[None]],
        concurrency: int = 8,
        lease: timedelta = timedelta(seconds=30),
        in_batches: bool = True,
        pace_s: tuple[float, float] | None = None,
    ) -> None:
        self.name = name
        self.lease = lease
        self.list_due = list_due
        self.claim = claim
        self.work = work
        self.concurrency = concurrency
        self.in_batches = in_batches
        self.pace_s = pace_s or (PAUSE_S_MIN, PAUSE_S_MAX)
        self.is_awaited = pace_s is None
        self.oldest_due: OldestDue | None = None
        """None where work is not due by a row's time."""

    def lagging_by(self, oldest_due: OldestDue) -> "ClaimSource[K]":
        """The same loop, whose lag is told."""
        self.oldest_due = oldest_due
        return self


async def run_once(source: ClaimSource[K], clock: Clock, metrics: Metrics) -> int:
    """Work off one batch; gives the number of units done or tried. Never raises for one unit."""
    candidates = list(await source.list_due(clock.now(), BATCH))
    if not candidates:
        return 0
    random.shuffle(candidates)
    slots = asyncio.Semaphore(source.concurrency)

    async def one(key: K) -> bool:
        async with slots:
            return await run_unit(source, clock, metrics, key)

    return sum(await asyncio.gather(*(one(key) for key in candidates)))


async def run_unit(
    source: ClaimSource[K],
    clock: Clock,
    metrics: Metrics,
    key: K,
    within: Callable[[float], AbstractAsyncContextManager[object]] = asyncio.timeout,
) -> bool:
    """Claim and work one unit; False when another holder was faster.

    ``within`` cuts the unit off after so many seconds.
    """
    now = clock.now()
    if not await source.claim(key, now, now + source.lease):
        metrics.claims.labels(source.name, "lost").inc()
        return False
    try:
        async with within(source.lease.total_seconds() * 0.8):
            await source.work(key)
    except UNAVAILABLE as fault:
        metrics.claims.labels(source.name, "unavailable").inc()
        _log.warning("claim.postponed", loop=source.name, fault=fault)
    except Exception as fault:  # noqa: BLE001 - one bad row must not stop the loop
        metrics.claims.labels(source.name, "failed").inc()
        _log.error("claim.failed", loop=source.name, fault=fault)
    else:
        metrics.claims.labels(source.name, "done").inc()
    return True


async def run_loop(
    source: ClaimSource[K], clock: Clock, metrics: Metrics, stop: asyncio.Event
) -> None:
    """Work until ``stop`` is set; backs off while nothing is due or the database is away."""
    if not source.in_batches:
        await _run_apart(source, clock, metrics, stop)
        return
    pause_s, longest_s = source.pace_s
    while not stop.is_set():
        try:
            worked = await run_once(source, clock, metrics)
        except UNAVAILABLE as fault:
            _log.warning("loop.database_away", loop=source.name, fault=fault)
            worked, pause_s = 0, longest_s
        except Exception as fault:  # noqa: BLE001 - the loop outlives a bad batch
            _log.error("loop.failed", loop=source.name, fault=fault)
            worked, pause_s = 0, longest_s
        if worked:
            pause_s = source.pace_s[0]
        if worked >= BATCH or (worked and source.is_awaited):
            continue
        try:
            async with asyncio.timeout(pause_s):
                await stop.wait()
        except TimeoutError:
            pause_s = min(longest_s, pause_s * 1.5)


async def _run_apart(
    source: ClaimSource[K], clock: Clock, metrics: Metrics, stop: asyncio.Event
) -> None:
    """Take up due units as slots become free; what is under way at the end is finished."""
    stopping = asyncio.ensure_future(stop.wait())
    under_way: set[asyncio.Future[bool]] = set()
    try:
        while not stop.is_set():
            pause_s = PAUSE_S_MAX
            try:
                if free := source.concurrency - len(under_way):
                    due = await source.list_due(clock.now(), free)
                    under_way |= {
                        asyncio.ensure_future(run_unit(source, clock, metrics, key)) for key in due
                    }
                    pause_s = PAUSE_S_MIN if due else PAUSE_S_MAX
            except Exception as fault:  # noqa: BLE001 - the loop outlives a bad question
                _log.warning("loop.failed", loop=source.name, fault=fault)
            waited: list[asyncio.Future[Any]] = [stopping, *under_way]
            await asyncio.wait(waited, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            done = {unit for unit in under_way if unit.done()}
            under_way -= done
            _report(source, done)
        if under_way:
            _report(source, (await asyncio.wait(under_way))[0])
    finally:
        stopping.cancel()
        for unit in under_way:
            unit.cancel()


def _report(source: ClaimSource[K], done: set[asyncio.Future[bool]]) -> None:
    """A fault in claiming: the unit is due as before."""
    for unit in done:
        if (fault := unit.exception()) is not None:
            _log.warning("claim.postponed", loop=source.name, fault=fault)
