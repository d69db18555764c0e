"""PostgreSQL as a host of the stage sees it: points around transactions and single writes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from service.kernel.pool import Lease, Pool
from service.simulate.points import place_of
from service.simulate.stage import ROWS, Stage


class SteppedPool:
    """A pool whose every taking is a point at which others may run."""

    def __init__(self, pool: Pool, stage: Stage) -> None:
        self._pool = pool
        self._stage = stage

    def acquire(self, *, timeout: float | None = None, durable: bool = True) -> "SteppedLease":
        """As ``Pool.acquire``."""
        return SteppedLease(self._pool.acquire(timeout=timeout, durable=durable), self._stage)


class SteppedLease:
    """``async with`` a connection."""

    __slots__ = ("_lease", "_stage")

    def __init__(self, lease: Lease, stage: Stage) -> None:
        self._lease = lease
        self._stage = stage

    async def __aenter__(self) -> "SteppedConnection":
        await self._stage.pause(place_of())
        inner = await self._lease.__aenter__()
        self._stage.hold(1)
        return SteppedConnection(inner, self._stage)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stage.hold(-1)
        await self._lease.__aexit__(kind, fault, trace)


class SteppedConnection:
    """A connection whose commits are points. A host that died sends no more statements."""

    __slots__ = ("_conn", "_stage")

    def __init__(self, conn: Any, stage: Stage) -> None:
        self._conn = conn
        self._stage = stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    async def fetch(self, sql: str, *args: object) -> Any:
        """Rows."""
        return await self._conn.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Any:
        """One row."""
        return await self._conn.fetchrow(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """A write by itself commits at once, so there is a point after it."""
        stage = self._stage
        stage.check()
        status: str = await self._conn.execute(sql, *args)
        if not self._conn.is_in_transaction():
            stage.changes[ROWS] += 1
            if stage.points.counting:
                stage.hit(f"after write {place_of()}")
        return status

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Points before and after the commit."""
        stage = self._stage
        stage.check()
        where = ""
        async with self._conn.transaction():
            yield
            # Now whoever ends it is at work: it began by the first statement in it.
            if stage.points.counting:
                where = place_of()
                stage.hit(f"before commit {where}")
        stage.changes[ROWS] += 1
        if where:
            stage.hit(f"after commit {where}")
