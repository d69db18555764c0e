"""A bounded pool of PostgreSQL connections that costs next to nothing to take from.

asyncpg's own pool spends a task, two timers and a proxy for each taking, more than a statement
costs. Here the connection that was used last is taken first, and what may be broken is closed
rather than mended: nothing here leaves session state on a connection, so none is ever reset. A
connection whose statement was given up is closed before its place is free and before its holder
goes on: the server has then ended that statement, so what was told to have failed stays undone.

A connection is of one kind for its life: its commits wait for the disk (``durable``) or do not. The
bound is over both kinds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

import asyncpg

CLOSE_WITHIN_S = 5.0


class Pool:
    """At most ``size`` connections; those who find none free wait in line.

    ``connect(durable)`` makes one whose commits wait for the disk, or do not.
    """

    def __init__(self, connect: Callable[[bool], Awaitable[asyncpg.Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._places = asyncio.Semaphore(size)
        self._taken = 0
        self._free: dict[bool, list[asyncpg.Connection]] = {True: [], False: []}
        self._ending: set[asyncio.Task[None]] = set()

    def acquire(self, *, timeout: float | None = None, durable: bool = True) -> "Lease":
        """One connection for a block; ``TimeoutError`` when none is free for ``timeout`` s."""
        return Lease(self, timeout, durable)

    async def close(self) -> None:
        """Wait until every connection was given back, and close them all."""
        for _ in range(self._size):
            await self._places.acquire()
        for free in self._free.values():
            for conn in free:
                await conn.close()
            free.clear()

    async def take(self, timeout: float | None, durable: bool) -> asyncpg.Connection:  # noqa: ASYNC109
        """A connection that whoever takes it must ``give_back``; ``Lease`` does both."""
        if self._places.locked():
            async with asyncio.timeout(timeout):
                await self._places.acquire()
        else:
            await self._places.acquire()
        self._taken += 1
        while self._free[durable]:
            if not (conn := self._free[durable].pop()).is_closed():
                return conn
        try:
            if self._taken + len(self._free[not durable]) > self._size:
                await self._close(self._free[not durable].pop(0))
            return await self._connect(durable)
        except BaseException:
            self._leave()
            raise

    def give_back(self, conn: asyncpg.Connection, durable: bool) -> None:
        """Free for the next who wants this kind."""
        if not conn.is_closed():
            self._free[durable].append(conn)
        self._leave()

    async def end(self, conn: asyncpg.Connection) -> None:
        """Close it, a running statement first. Whoever is cancelled meanwhile leaves it to us."""
        ending = asyncio.create_task(self._end(conn))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    async def _end(self, conn: asyncpg.Connection) -> None:
        try:
            await self._close(conn)
        finally:
            self._leave()

    async def _close(self, conn: asyncpg.Connection) -> None:
        try:
            await conn.close(timeout=CLOSE_WITHIN_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            conn.terminate()

    def _leave(self) -> None:
        self._taken -= 1
        self._places.release()


class Lease:
    """``async with`` a connection of the pool."""

    __slots__ = ("_conn", "_durable", "_pool", "_timeout")

    def __init__(self, pool: Pool, timeout: float | None, durable: bool) -> None:
        self._pool = pool
        self._timeout = timeout
        self._durable = durable

    async def __aenter__(self) -> asyncpg.Connection:
        self._conn = await self._pool.take(self._timeout, self._durable)
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
            self._pool.give_back(self._conn, self._durable)
