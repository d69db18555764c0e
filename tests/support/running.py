"""A whole running system of processes in a folder of its own, as ``yimatong run`` starts it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 90.0
STOP_WITHIN_S = 40.0


class RunningSystem:
    """Addresses, environment and processes of a system under test."""

    def __init__(self, folder: Path, ports: tuple[int, int], extra: dict[str, str]) -> None:
        self.state_dir = folder / "state"
        self.base_url = f"http://127.0.0.1:{ports[0]}"
        self.twin_url = f"http://127.0.0.1:{ports[1]}"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("YIMATONG_")},
            # The parts run without the working folder on their path; this checkout is meant.
            "PYTHONPATH": str(ROOT),
            "YIMATONG_STATE_DIR": str(self.state_dir),
            "YIMATONG_PORT": str(ports[0]),
            "YIMATONG_SANDBOX_PORT": str(ports[1]),
            **extra,
        }
        self.output = folder / "run.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start ``yimatong run`` and wait until it is ready."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "run"],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=ROOT,
            )
        end = time.monotonic() + READY_WITHIN_S
        while "Ctrl-C stops everything" not in self.text_since_start():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the system did not start:\n{self.text_since_start()}")
            time.sleep(0.1)

    def text_since_start(self) -> str:
        """What this start printed."""
        text = self.output.read_text("utf-8", errors="replace")
        return text[self._mark :]

    _mark = 0

    def stop(self) -> int:
        """Ctrl-C, and wait; gives the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._mark = len(self.output.read_text("utf-8", errors="replace"))
        return status

    def run(self, *verb: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run another verb against this system."""
        return subprocess.run(
            [sys.executable, "-m", "service", *verb],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=ROOT,
        )

    def kill(self, role: str) -> None:
        """kill -9 the process of a role; ``run`` starts it again."""
        pid = int((self.state_dir / "logs" / f"{role}.pid").read_text())
        os.killpg(pid, signal.SIGKILL)

    def kill_postgres(self) -> None:
        """kill -9 the embedded server."""
        dsn = (self.state_dir / "database-url").read_text()

        async def pid() -> int:
            conn = await asyncpg.connect(dsn)
            try:
                folder = await conn.fetchval("show data_directory")
            finally:
                await conn.close()
            return int((Path(folder) / "postmaster.pid").read_text().split()[0])

        os.kill(asyncio.run(pid()), signal.SIGKILL)

    def wait_ready(self) -> None:
        """Until the API answers ready again."""
        end = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end:
            try:
                if httpx.get(self.base_url + "/readyz", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError("the API did not come back")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_system(folder: Path, **extra: str) -> Iterator[RunningSystem]:
    """A started system; stopped at the end whatever happened."""
    system = RunningSystem(folder, (free_port(), free_port()), extra)
    system.start()
    try:
        yield system
    finally:
        if system.process is not None and system.process.poll() is None:
            system.stop()
