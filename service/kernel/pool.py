"""A bounded pool of PostgreSQL connections that costs next to nothing to take from.

asyncpg's own pool spends a task, two timers and a proxy for each taking, more than a statement
costs. Here the connection that was used last is taken first, and what may be broken is closed
rather than mended: nothing here leaves session state on a connection, so none is ever reset. A
connection whose statement was given up is closed before its place is free and before its holder
goes on: the server has then ended that statement, so what was told to have failed stays undone.

A connection is of one kind for its life: its commits wait for the disk (``durable``) or do not.
Each kind has a bound of its own: under one bound for both, a busy server would close one of a
kind to open one of the other, again and again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType

import asyncpg

CLOSE_WITHIN_S = 5.0
DURABLE_FOR_EACH_CLAIMING = 4
"""A claim is one short statement, so a few connections carry those of many requests."""

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class Pool:
    """At most ``size`` connections whose commits wait for the disk, and a quarter as many, one at
    least, whose commits do not; those who find none free wait in line.

    ``connect(durable)`` makes one of either kind.
    """

    def __init__(self, connect: Callable[[bool], Awaitable[asyncpg.Connection]], size: int) -> None:
        self._durable = Places(partial(connect, True), size)
        self._claiming = Places(partial(connect, False), max(1, size // DURABLE_FOR_EACH_CLAIMING))

    def acquire(self, *, timeout: float | None = None, durable: bool = True) -> "Lease":
        """One connection for a block; ``TimeoutError`` when none is free for ``timeout`` s."""
        return Lease(self._durable if durable else self._claiming, timeout)

    async def close(self) -> None:
        """Wait until every connection was given back, and close them all."""
        await self._durable.close()
        await self._claiming.close()


class Places:
    """At most ``size`` connections of one kind."""

    def __init__(self, connect: Connect, size: int) -> None:
        self._connect = connect
        self._size = size
        self._places = asyncio.Semaphore(size)
        self._free: list[asyncpg.Connection] = []
        self._ending: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """As ``Pool.close``."""
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

    __slots__ = ("_conn", "_places", "_timeout")

    def __init__(self, places: Places, timeout: float | None) -> None:
        self._places = places
        self._timeout = timeout

    async def __aenter__(self) -> asyncpg.Connection:
        self._conn = await self._places.take(self._timeout)
        return self._conn

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        stopped = kind is not None and issubclass(kind, (asyncio.CancelledError, TimeoutError))
        if stopped or self._conn.is_in_transaction():
            await self._places.end(self._conn)
        else:
            self._places.give_back(self._conn)
