"""Runs one embedded PostgreSQL server: start, watch, restart after a crash, stop.

The server is our direct child, so its death is seen at once. It has its own session, so Ctrl-C
in the terminal reaches us first and the server stops last. Every wait has an end.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

import asyncpg
import msgspec

from service.postgres import cluster, reach
from service.postgres.binaries import Binaries, find_binaries
from service.postgres.failures import PostgresBusy, PostgresUnavailable

DATABASE = "yimatong"
Report = Callable[[str, Mapping[str, object]], None]
_LOG_BYTES_MAX = 16 * 1024 * 1024
_POLL_S = 0.02


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of every wait, in seconds. A start after a crash replays the log, hence a minute."""

    lock_s: float = 5.0
    start_s: float = 60.0
    stop_s: float = 15.0
    steady_s: float = 30.0
    """A server that lived this long has used up none of its restarts."""
    pauses_s: tuple[float, ...] = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0)
    """Before each restart in a row; after the last one it is given up."""


class PostgresServer:
    """One server over one data folder. Use ``embedded_postgres`` unless you need the steps."""

    def __init__(
        self,
        data_dir: Path,
        *,
        found: Binaries,
        settings: Mapping[str, str] | None = None,
        report: Report | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Nothing happens yet. ``report(event, facts)`` is called on the loop's thread."""
        self.found = found
        self._asked = data_dir.absolute()
        self._settings = dict(settings or {})
        self._report: Report = report or (lambda _event, _facts: None)
        self._limits = limits or Limits()
        self._lock: IO[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._died = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._link: Path | None = None
        self._host = self._asked
        self.data_dir = self._asked
        self.restarts = 0
        self.failure: PostgresUnavailable | None = None
        """Set once the server could not be brought back; it will not be tried again."""

    @property
    def pid(self) -> int:
        """The pid of the running server."""
        if self._child is None:
            raise PostgresUnavailable("the server is not running")
        return self._child.pid

    @property
    def host(self) -> Path:
        """The socket folder, for programs that take a host (``psql -h``)."""
        return self._host

    @property
    def dsn(self) -> str:
        """The address of the product's own database."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """The address of one database of this server, for asyncpg and libpq alike."""
        return f"postgresql://{cluster.SUPERUSER}@/{quote(database)}?host={quote(str(self._host))}"

    async def start(self) -> Self:
        """Take the folder, create it if new, run the server, create our database.

        Raises ``PostgresUnavailable`` (or a kind of it); nothing runs then.
        """
        try:
            await self._prepare()
            await self._launch()
            await self._create_database()
        except BaseException:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._keep_running())
        self._report("postgres.started", {"pid": self.pid, "version": self.found.version})
        return self

    async def stop(self) -> None:
        """Stop fast (SIGINT), then hard after ``stop_s``; release the folder. May be repeated."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._child is not None:
            await self._end_child(self._child)
            self._child = None
            self._report("postgres.stopped", {})
        if self._link is not None:
            shutil.rmtree(self._link, ignore_errors=True)
            self._link = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _prepare(self) -> None:
        self._user = reach.server_user(self._asked, os.geteuid())
        try:
            self._asked.parent.mkdir(parents=True, exist_ok=True)
            await self._take_lock()
        except PermissionError as refused:
            raise PostgresUnavailable(
                f"{refused.filename} cannot be written: it was made by another user, perhaps by an"
                " earlier run as root; use that user again or another folder"
            ) from None
        place = reach.place_cluster(self._asked, self._user)
        self.data_dir = place.data
        if place.relocated:
            self._report("postgres.relocated", {"data_dir": str(place.data)})
        exists = cluster.check_version(place.data, self.found)
        self.found = await asyncio.to_thread(
            reach.reachable_binaries, self.found, place.home, self._user
        )
        if exists:
            orphan = await cluster.clear_leftovers(place.data, self._limits.stop_s)
            if orphan is not None:
                self._report("postgres.orphan_stopped", {"pid": orphan})
        else:
            await cluster.create_cluster(place.data, self.found, self._user)
            self._report("postgres.created", {"data_dir": str(place.data)})
        self._host, self._link = reach.socket_folder(place.data)

    async def _take_lock(self) -> None:
        path = self._asked.with_name(self._asked.name + ".lock")
        # Python opens files non-inheritable: the server never holds this lock.
        self._lock = path.open("ab")
        until = asyncio.get_running_loop().time() + self._limits.lock_s
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if asyncio.get_running_loop().time() >= until:
                    raise PostgresBusy(
                        f"another run uses {self._asked}: stop it first, or use another folder"
                    ) from None
                await asyncio.sleep(0.05)
            else:
                return

    async def _launch(self) -> None:
        """Start the program and wait until it answers."""
        settings = {
            "listen_addresses": "",
            # Relative to the data folder, where the server works: no quoting, no length limit.
            "unix_socket_directories": ".",
            "unix_socket_permissions": "0700",
            "port": "5432",
            "cluster_name": "yimatong",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self._settings,
        }
        command = [str(self.found.folder / "postgres"), "-D", str(self.data_dir)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._died = asyncio.Event()
        with self._open_log() as log:
            # Popen, because uvloop's own way cannot switch users; the program is ours, no shell.
            self._child = subprocess.Popen(  # noqa: S603, ASYNC220
                command,
                env=cluster.child_environment(self.found),
                cwd=self.data_dir.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **cluster.switched(self._user),
            )
        _tell_death(self._child, asyncio.get_running_loop(), self._died)
        await self._wait_ready()

    def _open_log(self) -> IO[bytes]:
        path = self._asked.with_name(self._asked.name + ".log")
        if path.exists() and path.stat().st_size > _LOG_BYTES_MAX:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    async def _wait_ready(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.start_s
        while loop.time() < until:
            if self._died.is_set():
                raise PostgresUnavailable(f"PostgreSQL ended while starting: {self._last_words()}")
            # Trying sooner than the pid file says only fills the log with refusals.
            if cluster.says_ready(self.data_dir) and await self._answers():
                return
            await asyncio.sleep(_POLL_S)
        raise PostgresUnavailable(
            f"PostgreSQL did not answer within {self._limits.start_s:g} s: {self._last_words()}"
        )

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn_of("postgres"), timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close(timeout=5)
        return True

    def _last_words(self) -> str:
        path = self._asked.with_name(self._asked.name + ".log")
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 1500))
            return log.read().decode("utf-8", "replace").strip()

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self.dsn_of("postgres"), timeout=10)
        try:
            known = await connection.fetchval(
                "select 1 from pg_database where datname = $1", DATABASE
            )
            if known is None:
                await connection.execute('create database "yimatong"')
        finally:
            await connection.close(timeout=5)

    async def _keep_running(self) -> None:
        """Bring the server back whenever it dies, with growing pauses; give up after the last."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            await self._died.wait()
            if loop.time() - began > self._limits.steady_s:
                failures = 0
            code = self._child.returncode if self._child else None
            self._report("postgres.died", {"returncode": code})
            while True:
                if failures >= len(self._limits.pauses_s):
                    self._give_up()
                    return
                await asyncio.sleep(self._limits.pauses_s[failures])
                failures += 1
                if await self._relaunch():
                    break

    async def _relaunch(self) -> bool:
        try:
            await cluster.clear_leftovers(self.data_dir, self._limits.stop_s)
            await self._launch()
        except (PostgresUnavailable, OSError) as refused:
            if self._child is not None:
                await self._end_child(self._child)
            self._report("postgres.restart_failed", {"reason": str(refused)})
            return False
        self.restarts += 1
        self._report("postgres.restarted", {"pid": self.pid, "restarts": self.restarts})
        return True

    def _give_up(self) -> None:
        self.failure = PostgresUnavailable(
            f"PostgreSQL was restarted {len(self._limits.pauses_s)} times and does not stay up:"
            f" {self._last_words()}"
        )
        self._report("postgres.gave_up", {"reason": str(self.failure)})

    async def _end_child(self, child: subprocess.Popen[bytes]) -> None:
        for number, wait_s in (
            (signal.SIGINT, self._limits.stop_s),
            (signal.SIGQUIT, 5.0),
            (signal.SIGKILL, 5.0),
        ):
            if self._died.is_set():
                return
            # The pid is ours until wait() has returned, which is when _died is set.
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._died.wait(), wait_s)


def _tell_death(
    child: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, died: asyncio.Event
) -> None:
    """Set ``died`` when the child has ended. A thread, because uvloop cannot switch users."""

    def wait() -> None:
        child.wait()
        # The loop may be closed by then; nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(died.set)

    threading.Thread(target=wait, name="postgres-wait", daemon=True).start()


@contextlib.asynccontextmanager
async def embedded_postgres(
    data_dir: Path,
    *,
    found: Binaries | None = None,
    settings: Mapping[str, str] | None = None,
    report: Report | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[PostgresServer]:
    """Run a server over ``data_dir`` for the length of the block.

    Beside ``data_dir`` stand ``.lock``, ``.log`` and, if the data had to go elsewhere,
    ``.location``. ``settings`` are server settings. Raises ``PostgresUnavailable``.
    """
    if found is None:
        found = await asyncio.to_thread(find_binaries)
    server = PostgresServer(data_dir, found=found, settings=settings, report=report, limits=limits)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
