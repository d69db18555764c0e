"""CPU seconds and memory of a running system's roles, and what machine this is."""

import asyncio
import os
import platform
from pathlib import Path

import asyncpg
import msgspec
import psutil

from tests.support.running import RunningSystem

ROLES = ("serve", "worker", "sandbox")
OTHERS = "others"
"""The load's client, and whatever else runs on this machine."""


class Machine(msgspec.Struct, kw_only=True):
    """Where the figures come from."""

    cpu: str
    cores: int
    memory_mib: int
    system: str
    python: str
    postgres: str
    sm2: str


class Usage(msgspec.Struct, kw_only=True):
    """CPU seconds and resident MiB of each role at one moment."""

    cpu_s: dict[str, float]
    rss_mib: dict[str, float]

    def since(self, earlier: "Usage") -> dict[str, float]:
        """CPU seconds of each role between two moments."""
        return {role: self.cpu_s[role] - earlier.cpu_s[role] for role in self.cpu_s}


def usage(system: RunningSystem) -> Usage:
    """What each role's process tree has used until now."""
    trees = {role: _tree(_pid(system, role)) for role in ROLES}
    trees["postgres"] = _tree(_postgres_pid(system))
    cpu_s = {role: sum(_cpu_s(one) for one in tree) for role, tree in trees.items()}
    return Usage(
        cpu_s={**cpu_s, OTHERS: _machine_s() - sum(cpu_s.values())},
        rss_mib={role: round(sum(map(_own_mib, tree)), 1) for role, tree in trees.items()},
    )


def pids(system: RunningSystem, role: str) -> set[int]:
    """A role's processes."""
    return {one.pid for one in _tree(_pid(system, role))}


def _pid(system: RunningSystem, role: str) -> int:
    return int((system.state_dir / "logs" / f"{role}.pid").read_text())


def _postgres_pid(system: RunningSystem) -> int:
    async def ask() -> str:
        conn = await asyncpg.connect(dsn(system))
        try:
            return str(await conn.fetchval("show data_directory"))
        finally:
            await conn.close()

    return int((Path(asyncio.run(ask())) / "postmaster.pid").read_text().split()[0])


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _cpu_s(one: psutil.Process) -> float:
    try:
        spent = one.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    # The children's part holds only children that have ended: live ones are in the tree.
    return float(spent.user + spent.system + spent.children_user + spent.children_system)


def _machine_s() -> float:
    spent = psutil.cpu_times()
    return float(spent.user + spent.system + getattr(spent, "nice", 0.0))


def _own_mib(one: psutil.Process) -> float:
    """Memory of its own: PostgreSQL's shared buffers would count once for each connection."""
    try:
        return float(one.memory_full_info().uss / 2**20)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0


async def machine(system: RunningSystem, sm2: str) -> Machine:
    """Facts of this run. ``sm2`` names the cipher backend in use."""
    conn = await asyncpg.connect(dsn(system))
    try:
        postgres = str(await conn.fetchval("show server_version"))
    finally:
        await conn.close()
    return Machine(
        cpu=_cpu_name(),
        cores=os.cpu_count() or 1,
        memory_mib=psutil.virtual_memory().total // 2**20,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgres=postgres,
        sm2=sm2,
    )


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def dsn(system: RunningSystem) -> str:
    """The database of the running system."""
    return (system.state_dir / "database-url").read_text("utf-8").strip()
