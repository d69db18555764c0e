"""PostgreSQL by asyncpg: pool, transactions, rows as Structs.

Rules kept here: SQL is a constant in a store; times are parameters; no partner is called while a
transaction is open; locks are taken in the order person, bill, settlement, payment, refund.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import asyncpg
import msgspec

from service.kernel.pool import Lease, Pool
from service.kernel.transactions import QUIET_S, Pending, Transaction, write_now

T = TypeVar("T")
_PARAMETER = re.compile(r"\$([0-9]+)", re.ASCII)

BareConnection: TypeAlias = asyncpg.Connection
Connection: TypeAlias = BareConnection | Transaction
"""Where a store sends its statements: a bare connection, or a transaction."""

STATEMENTS_KEPT = 500
"""Prepared on a connection: every statement of the product, and every set of writes that goes
together."""
CLAIMING = "-claiming"
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 15.0
STATEMENT_TIMEOUT_S = 20.0
"""Where our own cancelling does not reach the server, it ends a statement by itself."""

UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
    OSError,
    TimeoutError,
)
"""What asyncpg raises while the server is away, restarting or too slow."""


async def _prepare_connection(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )


async def open_pool(dsn: str, *, size: int, application: str) -> Pool:
    """A pool of at most ``size`` connections named ``yimatong-<application>``, and a quarter as
    many with ``CLAIMING`` behind it, whose commits do not wait; the first is made now, so that
    whoever starts without a database learns it."""

    async def connect(durable: bool) -> BareConnection:
        conn = await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            statement_cache_size=STATEMENTS_KEPT,
            server_settings={
                "application_name": f"yimatong-{application}{'' if durable else CLAIMING}",
                **({} if durable else {"synchronous_commit": "off"}),
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": f"{QUIET_S:.0f}s",
                "statement_timeout": f"{STATEMENT_TIMEOUT_S:.0f}s",
            },
        )
        try:
            await _prepare_connection(conn)
        except BaseException:
            conn.terminate()
            raise
        return conn

    pool = Pool(connect, size)
    async with pool.acquire():
        return pool


def connection(pool: Pool) -> Lease:
    """One connection for single statements."""
    return pool.acquire(timeout=CONNECT_TIMEOUT_S)


def claiming(pool: Pool) -> Lease:
    """One connection for single statements that only claim, or let go: their commits do not wait
    for the disk.

    The server writes its log in order, so a claim lasts as soon as anything lasts that was
    committed after it, all that rests on the claim among it. What a server that breaks down loses
    is a claim on which nothing rests yet, or a letting go, which the claim's end makes good
    (decision 0021).
    """
    return pool.acquire(timeout=CONNECT_TIMEOUT_S, durable=False)


def transaction(pool: Pool, *, hopeful: bool = False) -> Transaction:
    """A transaction; while it is open, ``integrations.kit.transport`` refuses to send."""
    return Transaction(connection(pool), hopeful=hopeful)


def is_hopeful(conn: Connection) -> bool:
    """Whether ``Repeated`` is understood here."""
    return isinstance(conn, Transaction) and conn.hopeful


async def retry_serialization(action: Callable[[], Awaitable[T]], *, tries: int = 3) -> T:
    """Run ``action`` again after a deadlock or serialization failure, at most ``tries`` times."""
    for left in range(tries - 1, -1, -1):
        try:
            return await action()
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            if left == 0:
                raise
            await asyncio.sleep(0.01)
    raise AssertionError("unreachable")  # pragma: no cover


def to_struct(row: asyncpg.Record, kind: type[T]) -> T:
    """A row as a Struct; column names are field names, checked strictly."""
    return msgspec.convert(dict(row), kind)


async def find_row(conn: Connection, kind: type[T], sql: str, *args: object) -> T | None:
    """The row, or None."""
    row = await conn.fetchrow(sql, *args)
    return None if row is None else to_struct(row, kind)


async def list_rows(conn: Connection, kind: type[T], sql: str, *args: object) -> list[T]:
    """All rows of a bounded query."""
    return [to_struct(row, kind) for row in await conn.fetch(sql, *args)]


async def execute(conn: Connection, sql: str, *args: object) -> int:
    """Run a statement; gives the number of rows it touched."""
    status: str = await conn.execute(sql, *args)
    last = status.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 0


async def write(
    conn: Connection, sql: str, *args: object, otherwise: Exception | None = None
) -> None:
    """Change rows of the distribution key that is the first of ``args``: by the end of a
    transaction, together with its other writes; on a bare connection now.

    Unless exactly one row is touched, ``otherwise`` is raised (by the end of the transaction) and
    nothing of the transaction is written.
    """
    if isinstance(conn, Transaction):
        conn.write(sql, args, otherwise)
    else:
        await write_now(conn, Pending(sql, args, otherwise))


class Write(msgspec.Struct, frozen=True):
    """A statement that changes rows of one distribution key, not run yet."""

    sql: str
    args: tuple[object, ...]


async def execute_together(conn: Connection, first: Write, *others: Write) -> int:
    """Run writes to different tables under one distribution key in one round trip.

    Gives the number of rows that ``first`` touched. None of them sees what another writes.
    """
    sql = _together(first.sql, len(first.args), tuple((o.sql, len(o.args)) for o in others))
    return await execute(conn, sql, *first.args, *(arg for other in others for arg in other.args))


@lru_cache(maxsize=64)
def _together(first: str, taken: int, others: tuple[tuple[str, int], ...]) -> str:
    """The others as data-modifying common table expressions in front of ``first``."""
    before = []
    for number, (sql, count) in enumerate(others):
        moved = _PARAMETER.sub(lambda found, by=taken: f"${int(found[1]) + by}", sql)  # type: ignore[misc]
        before.append(f"with_{number} as ({moved})")
        taken += count
    own = first.strip()
    rest = "," + own[4:] if own.startswith("with") else " " + own
    return "with " + ", ".join(before) + rest


async def insert_new(conn: Connection, sql: str, *args: object) -> bool:
    """Run an ``insert … on conflict do nothing``; tells whether a row was written."""
    return await execute(conn, sql, *args) == 1
