"""The scheduler: one actor runs at a time, from one declared point to the next.

Owns whose turn it is, the simulated clock and the death of hosts. Knows nothing of settlements.
Points are declared where an actor holds no connection: before a connection is taken, before and
after an outgoing call, and where an actor waits for time to pass.
"""

import asyncio
import hashlib
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, TypeVar

from integrations.ports.outcalls import transaction_open
from service.simulate.points import CrashPoints

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, None]]

ROWS, TWINS = "rows", "twins"
PAUSE = timedelta(milliseconds=300)
"""Whoever waits for changes looks no more often."""
STEP_MS_MAX = 40
"""A step takes at least one millisecond and at most this many."""
TRACE_MAX = 400
"""Steps kept for the report of a violation: the last ones."""


class Crash(BaseException):
    """The host dies here. Not an ``Exception``: nothing may catch it and go on."""


class HostDown(Exception):
    """Whoever asked this host has no answer."""


class NeverEnds(Exception):
    """The world did not come to rest within its steps; the message names who is waiting where."""


class SimulatedClock:
    """Time that only the stage moves."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The present instant."""
        return self._at

    def leap(self, by: timedelta) -> None:
        """Move forward."""
        self._at += by


class Host:
    """A program that may die: with it die all actors that run on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.life = 0
        self.is_up = True

    def die(self) -> None:
        """All that runs on it is lost."""
        self.is_up = False
        self.life += 1

    def start(self) -> None:
        """Up again, empty."""
        self.is_up = True


class Actor:
    """Something that acts by itself: a payer, a unit of a worker, a notice under way."""

    def __init__(self, name: str, host: Host | None) -> None:
        self.name = name
        self.host = host
        self.life = host.life if host is not None else 0
        self.gate: asyncio.Future[None] | None = None
        self.point = "begin"
        self.wake_at: datetime | None = None
        self.awaits: tuple[str, int] | None = None
        self.not_before: datetime | None = None
        self.cut_off: datetime | None = None
        self.connections = 0
        self.unbroken = 0
        """Above zero it may not be interrupted: it runs on through the points."""

    @property
    def is_lost(self) -> bool:
        """Whether its host died since it began there."""
        return self.host is not None and self.host.life != self.life


_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)


class Stage:
    """All actors of one world, and whose turn it is."""

    def __init__(self, draw: random.Random, clock: SimulatedClock, points: CrashPoints) -> None:
        self.draw = draw
        self.clock = clock
        self.points = points
        self.changes: Counter[str] = Counter()
        """Of ``ROWS`` and of ``TWINS``: rises with whatever may have made something due there."""
        self.steps = 0
        self.steps_max = 0
        self._trace: deque[tuple[int, datetime, str]] = deque(maxlen=TRACE_MAX)
        self._digest = hashlib.sha256()
        self._actors: dict[Actor, asyncio.Task[None]] = {}
        self._turn_over = asyncio.Event()
        self._running: Actor | None = None
        self.when_dead: Callable[[Host], None] = lambda _host: None
        """What the world does about a host that died."""
        self.faults: list[BaseException] = []
        """What actors raised that nobody expected."""

    @property
    def digest(self) -> str:
        """Of every step so far: equal in two runs of one seed."""
        return self._digest.hexdigest()

    def note(self, text: str) -> None:
        """A line of the trace."""
        self._digest.update(text.encode())
        self._trace.append((self.steps, self.clock.now(), text))

    def trace(self) -> list[str]:
        """The last steps, for people."""
        return [f"{step:6d} {at:%H:%M:%S.%f} {text}" for step, at, text in self._trace]

    def play(self, name: str, host: Host | None, work: Work) -> None:
        """Let a new actor begin at its turn."""
        actor = Actor(name, host)
        actor.gate = asyncio.get_running_loop().create_future()

        async def run() -> None:
            _acting.set(actor)
            try:
                await self._at_gate(actor)
                await work()
            except Crash:
                pass
            except Exception as fault:  # noqa: BLE001 - reported as a violation of the seed
                self.note(f"{actor.name} raised {type(fault).__name__}: {fault}")
                self.faults.append(fault)
            finally:
                del self._actors[actor]
                if self._running is actor:
                    self._turn_over.set()

        self._actors[actor] = asyncio.ensure_future(run())

    async def _at_gate(self, actor: Actor) -> None:
        gate = actor.gate
        assert gate is not None  # noqa: S101 - set by whoever calls
        await gate
        actor.gate = None
        self.check()

    def check(self) -> None:
        """Raises ``Crash`` in an actor whose host died, ``TimeoutError`` where its time is over."""
        actor = _acting.get()
        if actor is None:
            return
        if actor.is_lost:
            raise Crash(actor.name)
        if actor.cut_off is not None and self.clock.now() > actor.cut_off:
            actor.cut_off = None
            raise TimeoutError("cut off")

    async def pause(self, point: str) -> None:
        """A declared point: others may run before this actor goes on."""
        actor = _acting.get()
        if actor is None:
            return
        self.check()
        if actor.unbroken or actor.connections or transaction_open.get():
            return
        await self._park(actor, point)

    async def rest(self, span: timedelta, point: str, *, until_change: str | None = None) -> None:
        """Wait for time to pass; with ``until_change`` only until that changed, but ``PAUSE``."""
        actor = _acting.get()
        if actor is None:
            return
        actor.wake_at = self.clock.now() + span
        actor.not_before = self.clock.now() + min(PAUSE, span)
        actor.awaits = None if until_change is None else (until_change, self.changes[until_change])
        try:
            await self._park(actor, point)
        finally:
            actor.wake_at = actor.awaits = None

    async def _park(self, actor: Actor, point: str) -> None:
        actor.point = point
        actor.gate = asyncio.get_running_loop().create_future()
        if self._running is actor:
            self._turn_over.set()
        await self._at_gate(actor)

    def hit(self, point: str) -> None:
        """Pass a crash point, or die there with the whole host."""
        actor = _acting.get()
        if actor is None or actor.host is None:
            return
        self.check()
        if self.points.hit(point):
            self.note(f"at {point}")
            self.kill(actor.host)
            raise Crash(point)

    def kill(self, host: Host) -> None:
        """The host dies now."""
        self.note(f"{host.name} dies")
        host.die()
        self.when_dead(host)

    async def on(self, host: Host, work: Callable[[], Awaitable[T]]) -> T:
        """Have a host do something for this actor. Raises ``HostDown`` when it dies meanwhile."""
        actor = _acting.get()
        if actor is None:
            return await work()
        if not host.is_up:
            raise HostDown
        before = actor.host, actor.life
        actor.host, actor.life = host, host.life
        try:
            return await work()
        except Crash:
            raise HostDown from None
        finally:
            actor.host, actor.life = before

    @asynccontextmanager
    async def within(self, seconds: float | None) -> AsyncIterator[None]:
        """``asyncio.timeout`` in simulated time: the actor is cut off at its next point."""
        actor = _acting.get()
        if actor is None or seconds is None:
            yield
            return
        before, actor.cut_off = actor.cut_off, self.clock.now() + timedelta(seconds=seconds)
        try:
            yield
        finally:
            actor.cut_off = before

    @asynccontextmanager
    async def unbroken(self) -> AsyncIterator[None]:
        """The body runs in one step."""
        actor = _acting.get()
        if actor is None:
            yield
            return
        actor.unbroken += 1
        try:
            yield
        finally:
            actor.unbroken -= 1

    def hold(self, by: int) -> None:
        """This actor took (1) or gave back (-1) a connection."""
        actor = _acting.get()
        if actor is not None:
            actor.connections += by

    def hosts_at_work(self) -> list[Host]:
        """Hosts on which something is going on, in a fixed order."""
        found = {id(a.host): a.host for a in self._actors if a.host is not None and a.host.is_up}
        return list(found.values())

    async def step(self) -> None:
        """Let one actor run to its next point; moves the clock where nobody has anything to do."""
        now, ready, soonest = self.clock.now(), [], None
        changes = self.changes
        # The one loop that every step pays for: nothing is called in it.
        for actor in self._actors:
            at, host, awaits = actor.wake_at, actor.host, actor.awaits
            if at is None or (host is not None and host.life != actor.life):
                ready.append(actor)
                continue
            if awaits is not None and changes[awaits[0]] != awaits[1]:
                at = actor.not_before or at
            if at <= now:
                ready.append(actor)
            elif soonest is None or at < soonest:
                soonest = at
        if not ready:
            self.clock.leap((soonest or now) - now)
            return
        actor = ready[self.draw.randrange(len(ready))]
        self.steps += 1
        self.clock.leap(timedelta(milliseconds=self.draw.randint(1, STEP_MS_MAX)))
        self.note(f"{actor.name}: {actor.point}")
        self._turn_over.clear()
        self._running = actor
        if actor.gate is not None:
            actor.gate.set_result(None)
        await self._turn_over.wait()
        self._running = None

    def waiting(self) -> list[str]:
        """Who is where, for the report of a world that never ends."""
        return [f"{actor.name}: {actor.point}" for actor in self._actors]

    async def close(self) -> None:
        """End every actor that is left."""
        tasks = list(self._actors.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class StageClock:
    """The clock of our hosts: while one of them sleeps, others act."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def now(self) -> datetime:
        """The present instant."""
        return self._stage.clock.now()

    async def sleep(self, seconds: float) -> None:
        """Others act until this much time has passed."""
        await self._stage.rest(timedelta(seconds=seconds), "sleeps")
