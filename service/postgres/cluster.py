"""A data folder on disk: created whole or not at all, of one major version, with one server.

Knows the files of a PostgreSQL data folder; starts ``initdb`` and stops orphans, never a server.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from asyncio import get_running_loop, sleep, to_thread
from pathlib import Path
from typing import TypedDict

from service.postgres.binaries import Binaries
from service.postgres.failures import PostgresUnavailable, WrongMajorVersion
from service.postgres.reach import ServerUser

SUPERUSER = "yimatong"
_INITDB_TIMEOUT_S = 180
_BUILTIN_LOCALES_SINCE = 17


def child_environment(found: Binaries) -> dict[str, str]:
    """The whole environment of server programs: nothing of the caller's PG* variables leaks in."""
    return {"PATH": f"{found.folder}:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def check_version(data: Path, found: Binaries) -> bool:
    """Whether ``data`` holds a cluster; raise if it is of another version or something else."""
    marker = data / "PG_VERSION"
    if not marker.is_file():
        if data.is_dir() and any(data.iterdir()):
            raise PostgresUnavailable(
                f"{data} is not empty and not a PostgreSQL data folder: choose another place"
            )
        return False
    written = marker.read_text(encoding="ascii").strip()
    if written != str(found.major):
        raise WrongMajorVersion(
            f"the data in {data} were written by PostgreSQL {written}, but the programs in"
            f" {found.folder} are version {found.version}: use programs of version {written},"
            " or move the data over with pg_dump, or delete the folder to begin anew"
        )
    return True


async def create_cluster(data: Path, found: Binaries, user: ServerUser) -> None:
    """Run ``initdb`` beside the final place, then rename: a crash never leaves half a cluster.

    UTF-8 with byte order (the same on every system and version), data checksums, and ``trust``
    on the socket: the socket lies in the data folder, which is 0700, so whoever can reach the
    socket can read the files too and a password would guard nothing. TCP is off.
    """
    draft = data.with_name(data.name + ".creating")
    if draft.exists():
        await to_thread(shutil.rmtree, draft)
    draft.mkdir(mode=0o700)
    if user.switch:
        os.chown(draft, user.uid, user.gid)
    if found.major >= _BUILTIN_LOCALES_SINCE:
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    else:
        locale = ["--locale=C.UTF-8"]
    command = [
        str(found.folder / "initdb"),
        f"--pgdata={draft}",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        *locale,
        "--data-checksums",
        "--auth=trust",
        "--no-instructions",
    ]
    await to_thread(_run_initdb, command, found, user, data.parent)
    draft.rename(data)


def _run_initdb(command: list[str], found: Binaries, user: ServerUser, folder: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program found by us, no shell
            command,
            env=child_environment(found),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INITDB_TIMEOUT_S,
            check=False,
            **switched(user),
        )
    except subprocess.TimeoutExpired:
        raise PostgresUnavailable(
            f"initdb did not finish within {_INITDB_TIMEOUT_S} s in {folder}"
        ) from None
    if done.returncode != 0:
        raise PostgresUnavailable(f"initdb failed in {folder}: {done.stderr.strip()[-1500:]}")


class Switch(TypedDict, total=False):
    """The arguments by which ``subprocess`` changes to another user."""

    user: int
    group: int
    extra_groups: list[int]


def switched(user: ServerUser) -> Switch:
    """How a server program is started under ``user``."""
    if not user.switch:
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": []}


def running_pid(data: Path) -> int | None:
    """The pid of a live server of exactly this folder, by its pid file; None when there is none.

    A pid taken over by another program, or a zombie that its parent has not reaped, is not one.
    """
    pid = _pid_in_file(data)
    return pid if pid is not None and _serves(pid, data) else None


def _pid_in_file(data: Path) -> int | None:
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
        pid = int(lines.splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    return pid if pid > 1 else None


def says_ready(data: Path) -> bool:
    """Whether the server's own pid file says that it takes connections (line 8, since 10)."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return lines.splitlines()[7:8] == ["ready   "]


def _serves(pid: int, data: Path) -> bool:
    if not is_alive(pid):
        return False
    proc = Path(f"/proc/{pid}")
    if proc.exists():
        try:
            # The server's working folder is its data folder.
            return (proc / "cwd").samefile(data)
        except OSError:
            return False
    listed = subprocess.run(  # noqa: S603 - where there is no /proc
        ["/bin/ps", "-o", "comm=", "-p", str(pid)],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return "postgres" in listed.stdout


def is_alive(pid: int) -> bool:
    """Whether a process runs under ``pid``; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] != "Z"


async def clear_leftovers(data: Path, timeout_s: float) -> int | None:
    """Stop a server that outlived an earlier run, remove a stale pid file; return its pid if any.

    The caller holds the lock of the folder, so the run that started that server is gone.
    """
    orphan = running_pid(data)
    if orphan is not None:
        await _stop_orphan(orphan, timeout_s)
    with contextlib.suppress(FileNotFoundError):
        # Stale by now: a zombie's pid would make the server refuse to start.
        (data / "postmaster.pid").unlink()
    return orphan


async def _stop_orphan(pid: int, timeout_s: float) -> None:
    loop = get_running_loop()
    for number in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        until = loop.time() + timeout_s
        while loop.time() < until:
            if not is_alive(pid):
                return
            await sleep(0.02)
    raise PostgresUnavailable(
        f"a PostgreSQL server of an earlier run (process {pid}) does not stop: end it by hand"
    )
