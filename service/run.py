"""Everything on one machine: database, migrations, twins, service, worker, demo hospital.

The children are processes of their own, restarted when they die. Ctrl-C stops them in reverse
order; the next run resumes with the same data.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from service.commands.console import say, until_stopped
from service.installation import prepare_keys, prepare_trust
from service.kernel.logs import set_up_logs
from service.kernel.migrate import MigrationRefused, migrate
from service.postgres.failures import PostgresUnavailable
from service.postgres.server import embedded_postgres
from service.sandbox import hospital, keys
from service.settings import Settings, read_settings
from service.wiring import install_ciphers, load_ring

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)


_HOME = Path(__file__).resolve().parent.parent
"""Where the packages lie: children run with ``-P`` and find them here, installed or not."""


class ChildNotReady(Exception):
    """A part did not come up in time; its log says why."""


class Child:
    """One role as a process, restarted with back-off until it is told to stop."""

    def __init__(self, role: str, logs: Path) -> None:
        self.role = role
        self.log = logs / f"{role}.log"
        self._pid_file = logs / f"{role}.pid"
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start and watch; ends a process that an earlier run left when it was killed."""
        await self._end_orphan()
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_running())

    def _orphan(self) -> int | None:
        """The pid of the process that a killed run left; no other is taken for it."""
        try:
            pid = int(self._pid_file.read_text("ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if command[-3:-1] == [b"service", self.role.encode()] else None

    async def _end_orphan(self) -> None:
        pid = self._orphan()
        if pid is None:
            return
        say(f"ending a {self.role} that an earlier run left (pid {pid})")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        await asyncio.sleep(0.5)

    async def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "service",
                self.role,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": _python_path()},
            )
        self._pid_file.write_text(str(self._process.pid), "ascii")

    async def _keep_running(self) -> None:
        deaths = 0
        while not self._stopping:
            if self._process is None:
                return
            await self._process.wait()
            if self._stopping:
                return
            say(f"{self.role} ended with {self._process.returncode}; starting it again")
            await asyncio.sleep(BACKOFF_S[min(deaths, len(BACKOFF_S) - 1)])
            deaths += 1
            await self._spawn()

    async def stop(self) -> None:
        """SIGTERM, then after a while SIGKILL."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        self._pid_file.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    """The named server, or the embedded one for as long as this runs; gives what is in use."""
    noted = settings.state_dir / "database-url"
    if settings.database_url is not None:
        await _migrate(settings.database_url)
        yield "the server of YIMATONG_DATABASE_URL"
        return
    async with embedded_postgres(settings.state_dir / "postgres") as database:
        noted.write_text(database.dsn, "utf-8")
        noted.chmod(0o600)
        await _migrate(database.dsn)
        try:
            yield f"embedded PostgreSQL (binaries: {database.found.source})"
        finally:
            noted.unlink(missing_ok=True)


async def _migrate(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await migrate(conn)
    finally:
        await conn.close()


async def _wait_for(url: str, role: Child) -> None:
    """Until ``url`` answers 200. Raises ``ChildNotReady``."""
    async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while True:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await client.get(url)).status_code == 200:
                            return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise ChildNotReady(f"{role.role} is not ready; see {role.log}") from None


async def run_all(settings: Settings) -> int:
    """Run until Ctrl-C. Exit status 1 when a part does not come up."""
    set_up_logs("run")
    install_ciphers(settings)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    logs = settings.state_dir / "logs"
    logs.mkdir(exist_ok=True)
    prepare_keys(settings)
    prepare_trust(settings, load_ring(settings))
    keys.prepare_secrets(settings)
    failed = False
    say("starting database, twins, service and worker …")

    async def keep(stop: asyncio.Event) -> None:
        nonlocal failed
        try:
            async with _database(settings) as database, contextlib.AsyncExitStack() as parts:
                prepared = await hospital.prepare(settings)
                if await _unless_stopped(_start_parts(settings, logs, parts), stop):
                    _print_addresses(settings, database, prepared)
                    await stop.wait()
                say("stopping")
        except (ChildNotReady, PostgresUnavailable, MigrationRefused) as fault:
            say(f"not started: {fault}")
            failed = True

    await until_stopped(keep)
    return 1 if failed else 0


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do ``work``; False when Ctrl-C came first."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return False
    await working
    return True


async def _start_parts(settings: Settings, logs: Path, parts: contextlib.AsyncExitStack) -> None:
    ready = {
        "sandbox": f"http://127.0.0.1:{settings.sandbox_port}/healthz",
        "serve": f"http://{settings.host}:{settings.port}/readyz",
    }
    for role in ("sandbox", "serve", "worker"):
        child = Child(role, logs)
        await child.start()
        parts.push_async_callback(child.stop)
        if role in ready:
            await _wait_for(ready[role], child)


def _demo_command(settings: Settings) -> str:
    """The demo against this system, with the settings that differ from the defaults."""
    usual = read_settings({})
    asked = [
        f"YIMATONG_{name}={value}"
        for name, value, default in (
            ("STATE_DIR", settings.state_dir, usual.state_dir),
            ("PORT", settings.port, usual.port),
            ("SANDBOX_PORT", settings.sandbox_port, usual.sandbox_port),
        )
        if value != default
    ]
    return " ".join([*asked, ".venv/bin/yimatong demo"])


def _print_addresses(settings: Settings, database: str, prepared: hospital.Prepared) -> None:
    base = settings.public_url
    say(
        "\n".join(
            [
                "",
                "Yimatong is running (sandbox: every person, hospital and payment is invented)",
                "",
                f"  resident's page   {base}/",
                f"  kiosk             {base}/kiosk#{prepared.kiosk}",
                f"  counter           {base}/counter#{prepared.counter}",
                f"                    cashier {hospital.CASHIER}, PIN {prepared.cashier_pin}",
                f"  console           {base}/console   (who signs in: `yimatong console add`)",
                f"  twins             http://127.0.0.1:{settings.sandbox_port}/",
                f"  health, metrics   {base}/readyz   {base}/metrics",
                f"  API document      {base}/openapi/openapi.yaml",
                f"  database          {database}",
                f"  data and logs     {settings.state_dir.absolute()}",
                "",
                f"  the whole journey, a line a step:   {_demo_command(settings)}",
                "  Ctrl-C stops everything; the next `make run` resumes.",
                "",
            ]
        )
    )


def _python_path() -> str:
    """This installation first, then what the operator set."""
    return os.pathsep.join(filter(None, (str(_HOME), os.environ.get("PYTHONPATH"))))
