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


GIVES_WAY = 10
"""The nice value of what shares the machine with what is measured and is not ours: twins, load."""


def let_twins_give_way(system: RunningSystem) -> None:
    """A partner has machines of its own."""
    for pid in pids(system, "sandbox"):
        os.setpriority(os.PRIO_PROCESS, pid, GIVES_WAY)


def cpu_s(system: RunningSystem) -> dict[str, float]:
    """CPU seconds that each role's process tree, and all others, have used until now."""
    spent = {role: sum(map(_cpu_s, tree)) for role, tree in _trees(system).items()}
    return {**spent, OTHERS: _machine_s() - sum(spent.values())}


def cpu_s_since(system: RunningSystem, earlier: dict[str, float]) -> dict[str, float]:
    """CPU seconds of each role since ``cpu_s`` gave ``earlier``."""
    return {role: spent - earlier[role] for role, spent in cpu_s(system).items()}


def rss_mib(system: RunningSystem) -> dict[str, float]:
    """Resident MiB of each role's process tree. Slow: nothing is measured meanwhile."""
    return {role: round(sum(map(_own_mib, tree)), 1) for role, tree in _trees(system).items()}


def _trees(system: RunningSystem) -> dict[str, list[psutil.Process]]:
    trees = {role: _tree(_pid(system, role)) for role in ROLES}
    return {**trees, "postgres": _tree(_postgres_pid(system))}


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
