"""Every transaction boundary and every partner call as a numbered point at which a process may die.

A crash before a commit rolls back; one after it leaves the row as written and nobody to go on.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.fakes_settlement import Crash


class CrashPoints:
    """Counts the points passed; dies once at the chosen one."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.passed: list[str] = []
        self.crashed_at: str | None = None

    def hit(self, name: str) -> None:
        """Pass a point, or die at it."""
        self.passed.append(name)
        if len(self.passed) == self.at:
            self.crashed_at = name
            raise Crash(name)


class CrashingPool:
    """A pool whose transactions, and writes by themselves, have a point before and after."""

    def __init__(self, pool: Any, points: CrashPoints) -> None:
        self._pool = pool
        self._points = points

    @asynccontextmanager
    async def acquire(self, **options: Any) -> AsyncIterator["_Connection"]:
        async with self._pool.acquire(**options) as connection:
            yield _Connection(connection, self._points)


class _Connection:
    def __init__(self, connection: Any, points: CrashPoints) -> None:
        self._connection = connection
        self._points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, sql: str, *args: object) -> str:
        alone = not self._connection.is_in_transaction()
        if alone:
            self._points.hit("before write")
        status: str = await self._connection.execute(sql, *args)
        if alone:
            self._points.hit("after write")
        return status

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            yield
            self._points.hit("before commit")
        self._points.hit("after commit")
