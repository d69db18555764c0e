"""A pool that keeps what is sent to the server, a line for each round trip."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class CountedPool:
    """As ``Pool``; ``sent`` holds every statement, begin, commit and rollback."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.sent: list[str] = []

    @asynccontextmanager
    async def acquire(self, **options: Any) -> AsyncIterator["_Connection"]:
        async with self._pool.acquire(**options) as connection:
            yield _Connection(connection, self.sent)

    @property
    def verbs(self) -> list[str]:
        """The first word of each."""
        return [sql.split()[0] for sql in self.sent]


class _Connection:
    def __init__(self, connection: Any, sent: list[str]) -> None:
        self._connection = connection
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, sql: str, *args: object) -> Any:
        self._sent.append(sql)
        return await self._connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Any:
        self._sent.append(sql)
        return await self._connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        self._sent.append(sql)
        return await self._connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        self._sent.append(sql)
        status: str = await self._connection.execute(sql, *args)
        return status

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self._sent.append("begin")
        try:
            async with self._connection.transaction():
                yield
        except BaseException:
            self._sent.append("rollback")
            raise
        self._sent.append("commit")
