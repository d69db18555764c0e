"""A bounded pool of PostgreSQL connections that costs next to nothing to take from.

asyncpg's own pool spends a task, two timers and a proxy for each taking, more than a statement
costs. Here the connection that was used last is taken first, and what may be broken is closed
rather than mended: nothing here leaves session state on a connection, so none is ever reset. A
connection whose statement was given up is closed before its place is free and before its holder
goes on: the server has then ended that statement, so what was told to have failed stays undone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

import asyncpg

CLOSE_WITHIN_S = 5.0


class Pool:
    """At most ``size`` connections; those who find none free wait in line."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._places = asyncio.Semaphore(size)
        self._free: list[asyncpg.Connection] = []
        self._ending: set[asyncio.Task[None]] = set()

    def acquire(self, *, timeout: float | None = None) -> "Lease":
        """One connection for a block; ``TimeoutError`` when none is free for ``timeout`` s."""
        return Lease(self, timeout)

    async def close(self) -> None:
        """Wait until every connection was given back, and close them all."""
        for _ in range(self._size):
            await self._places.acquire()
        for conn in self._free:
            await conn.close()
        self._free.clear()

    async def take(self, timeout: float | None) -> asyncpg.Connection:  # noqa: ASYNC109
        """A connection that whoever takes it must ``give_back``; ``Lease`` does both."""
        if self._places.locked():
            async with asyncio.timeout(timeout):
                await self._places.acquire()
        else:
            await self._places.acquire()
        while self._free:
            if not (conn := self._free.pop()).is_closed():
                return conn
        try:
            return await self._connect()
        except BaseException:
            self._places.release()
            raise

    def give_back(self, conn: asyncpg.Connection) -> None:
        """Free for the next."""
        if not conn.is_closed():
            self._free.append(conn)
        self._places.release()

    async def end(self, conn: asyncpg.Connection) -> None:
        """Close it, a running statement first. Whoever is cancelled meanwhile leaves it to us."""
        ending = asyncio.create_task(self._end(conn))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    async def _end(self, conn: asyncpg.Connection) -> None:
        try:
            await conn.close(timeout=CLOSE_WITHIN_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            conn.terminate()
        finally:
            self._places.release()


class Lease:
    """``async with`` a connection of the pool."""

    __slots__ = ("_conn", "_pool", "_timeout")

    def __init__(self, pool: Pool, timeout: float | None) -> None:
        self._pool = pool
        self._timeout = timeout

    async def __aenter__(self) -> asyncpg.Connection:
        self._conn = await self._pool.take(self._timeout)
        return self._conn

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        stopped = kind is not None and issubclass(kind, (asyncio.CancelledError, TimeoutError))
        if stopped or self._conn.is_in_transaction():
            await self._pool.end(self._conn)
        else:
            self._pool.give_back(self._conn)
