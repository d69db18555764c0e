"""A transaction that sends what it writes together, in one statement when its block ends.

Reads go to the server at once. What is handed to ``write`` is kept, and at the end sent as one
statement, which is atomic by itself and needs neither BEGIN nor COMMIT. Where that cannot be, a
transaction of the server is begun and all that was kept goes first, in the order in which it was
handed over: when a lock is taken, a statement's count is asked for, a table is read that is to be
written, rows of several distribution keys are written, or one table is changed twice.

This is sound because the isolation is READ COMMITTED: a read that takes no lock sees the same
inside and outside a transaction, and what was decided from it is guarded by the writes' own
conditions, each with the exception (``otherwise``) that nothing is written without it. And a block
that heard nothing for longer than the server lets a transaction idle writes nothing any more: what
was read, and the clock, are too old then (``service/ledger/closing.py`` relies on that).
"""

import re
import time
from collections.abc import Sequence
from contextvars import Token
from functools import lru_cache
from types import TracebackType
from typing import Any

import asyncpg
import msgspec

from integrations.ports.outcalls import transaction_open
from service.kernel.pool import Lease

_PARAMETER = re.compile(r"\$([0-9]+)", re.ASCII)
_CHANGE = re.compile(r"\s*(insert into|update|delete from)\s+(\w+)", re.ASCII)
_LOCKS = re.compile(r"\bfor (?:no key )?(?:update|share)\b|\bpg_advisory", re.ASCII)
_LOST = re.compile(r"lost guard ([0-9]+)", re.ASCII)
_GUARD = (
    "(select case count(*) when 1 then '1' else 'lost guard {number}' end from write_{number})::int"
)
"""Exactly one row was touched, or the whole statement fails and says which write did not."""
QUIET_S = 15.0
"""As ``idle_in_transaction_session_timeout``, which sees only transactions of the server."""


class Pending(msgspec.Struct, frozen=True):
    """A write of one distribution key, its first value. ``otherwise`` unless it touches one row."""

    sql: str
    args: tuple[Any, ...]
    otherwise: Exception | None


class Repeated(Exception):
    """What was to be written stands already: run the block again, not ``hopeful``, and look."""


class Transaction:
    """``async with`` a connection on which everything happens, or nothing.

    While it is open, ``integrations.kit.transport`` refuses to send. ``hopeful``: whoever runs the
    block takes ``Repeated`` for an answer, so it may expect that nothing of it was done before.
    """

    __slots__ = ("_begun", "_conn", "_heard", "_lease", "_mark", "_pending", "_quiet_s", "hopeful")

    def __init__(self, lease: Lease, *, hopeful: bool = False, quiet_s: float = QUIET_S) -> None:
        self.hopeful = hopeful
        self._lease = lease
        self._quiet_s = quiet_s
        self._begun: Any = None
        self._pending: list[Pending] = []

    async def __aenter__(self) -> "Transaction":
        self._conn = await self._lease.__aenter__()
        self._heard = time.monotonic()
        self._mark: Token[bool] = transaction_open.set(True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        transaction_open.reset(self._mark)
        try:
            if fault is None:
                await self._finish()
            elif self._begun is not None:
                await self._begun.__aexit__(kind, fault, trace)
        except BaseException as failed:
            kind, fault, trace = type(failed), failed, failed.__traceback__
            raise
        finally:
            await self._lease.__aexit__(kind, fault, trace)

    def write(self, sql: str, args: tuple[Any, ...], otherwise: Exception | None) -> None:
        """Change rows of the distribution key ``args[0]`` by the end of the block."""
        self._pending.append(Pending(sql, args, otherwise))

    async def fetch(self, sql: str, *args: object, **options: Any) -> Any:
        """As asyncpg's."""
        await self._before(sql)
        return await self._conn.fetch(sql, *args, **options)

    async def fetchrow(self, sql: str, *args: object, **options: Any) -> Any:
        """As asyncpg's."""
        await self._before(sql)
        return await self._conn.fetchrow(sql, *args, **options)

    async def fetchval(self, sql: str, *args: object, **options: Any) -> Any:
        """As asyncpg's."""
        await self._before(sql)
        return await self._conn.fetchval(sql, *args, **options)

    async def execute(self, sql: str, *args: object, **options: Any) -> str:
        """As asyncpg's, now: whoever need not know the count uses ``write``."""
        await self._begin()
        status: str = await self._conn.execute(sql, *args, **options)
        return status

    async def executemany(self, sql: str, rows: Any, **options: Any) -> None:
        """As asyncpg's."""
        await self._begin()
        await self._conn.executemany(sql, rows, **options)

    async def cursor(self, sql: str, *args: object, **options: Any) -> Any:
        """As asyncpg's."""
        await self._begin()
        return await self._conn.cursor(sql, *args, **options)

    async def _before(self, sql: str) -> None:
        """A mere read of what nobody here is about to write needs no transaction."""
        if not _only_reads(sql) or any(_names(sql, table_of(one.sql)) for one in self._pending):
            await self._begin()
        self._check_heard()

    def _check_heard(self) -> None:
        now = time.monotonic()
        if self._begun is None and now - self._heard > self._quiet_s:
            raise asyncpg.IdleInTransactionSessionTimeoutError("nothing heard for too long")
        self._heard = now

    async def _begin(self) -> None:
        """From here on in a transaction of the server, with all that was kept in it."""
        self._check_heard()
        if self._begun is None:
            begun = self._conn.transaction()
            await begun.__aenter__()
            self._begun = begun
        kept, self._pending = self._pending, []
        for together in grouped(kept):
            await self._send(together)

    async def _finish(self) -> None:
        groups = grouped(self._pending)
        if groups:
            self._check_heard()
        try:
            if len(groups) > 1 or (groups and self._begun is not None):
                await self._begin()
            elif groups:
                await self._send(groups[0])
        except BaseException as failed:
            if self._begun is not None:
                await self._begun.__aexit__(type(failed), failed, failed.__traceback__)
            raise
        if self._begun is not None:
            await self._begun.__aexit__(None, None, None)

    async def _send(self, together: Sequence[Pending]) -> None:
        if len(together) == 1:
            await write_now(self._conn, together[0])
            return
        sql = _combined(
            tuple((one.sql, len(one.args), one.otherwise is not None) for one in together)
        )
        try:
            await self._conn.execute(sql, *(value for one in together for value in one.args))
        except asyncpg.InvalidTextRepresentationError as fault:
            lost = _LOST.search(str(fault))
            otherwise = None if lost is None else together[int(lost[1])].otherwise
            if otherwise is None:
                raise
            raise otherwise from None


async def write_now(conn: Any, one: Pending) -> None:
    """One write by itself. Raises ``otherwise`` unless it touched exactly one row."""
    status: str = await conn.execute(one.sql, *one.args)
    if one.otherwise is not None and not status.endswith(" 1"):
        raise one.otherwise


def grouped(writes: Sequence[Pending]) -> list[list[Pending]]:
    """Writes that may go in one statement: of one distribution key, and no row twice in it.

    A statement changes a row once only, and sees no row that it inserts. A row that is inserted
    after a guarded change of its table is another one, and finds that change done: what the change
    leaves of a unique index is free.
    """
    groups: list[list[Pending]] = []
    for one in writes:
        mates = next((g for g in reversed(groups) if g[0].args[0] == one.args[0]), None)
        if mates is None or any(_clash(one.sql, other) for other in mates):
            groups.append([one])
        else:
            mates.append(one)
    return groups


def _clash(sql: str, before: Pending) -> bool:
    if table_of(sql) != table_of(before.sql):
        return False
    if not sql.lstrip().startswith("insert"):
        return True
    follows = before.otherwise is not None and "do update" not in sql
    return not (before.sql.lstrip().startswith("insert") or follows)


@lru_cache(maxsize=1024)
def table_of(sql: str) -> str:
    """The table that a statement changes. Raises ``ValueError`` for anything but one change."""
    found = _CHANGE.match(sql)
    if found is None or "returning" in sql:
        raise ValueError("an insert, update or delete that gives nothing back")
    return found[2]


@lru_cache(maxsize=1024)
def _only_reads(sql: str) -> bool:
    return sql.lstrip().startswith("select") and _LOCKS.search(sql) is None


@lru_cache(maxsize=4096)
def _names(sql: str, table: str) -> bool:
    return re.search(rf"\b{table}\b", sql, re.ASCII) is not None


@lru_cache(maxsize=1024)
def _combined(writes: tuple[tuple[str, int, bool], ...]) -> str:
    """Each write as a data-modifying common table expression, each guard in the select list: they
    are evaluated in this order, so rows are locked in it."""
    steps, guards, taken = [], [], 0
    for number, (sql, count, guarded) in enumerate(writes):
        moved = _PARAMETER.sub(lambda found, by=taken: f"${int(found[1]) + by}", sql.strip())  # type: ignore[misc]
        steps.append(f"write_{number} as ({moved}{' returning 1' if guarded else ''})")
        if guarded:
            guards.append(_GUARD.format(number=number))
        taken += count
    return f"with {', '.join(steps)} select {', '.join(guards) or '1'}"
