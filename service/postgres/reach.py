"""Which system user runs the server, and what that user can reach, without changing permissions.

PostgreSQL refuses to run as root. Started by root, the server runs as the owner of the state
folder if that is an ordinary user, else as ``nobody``. No folder of the user's is ever loosened:
what the server's user cannot reach is copied (binaries) or placed elsewhere (the data folder).
"""

import os
import pwd
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

import msgspec

from service.postgres.binaries import Binaries
from service.postgres.failures import PostgresUnavailable

RELOCATION_ROOTS = (Path("/var/lib/yimatong"), Path("/var/tmp/yimatong"))  # noqa: S108
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES_MAX = 103  # 107 on Linux, 103 on macOS


class ServerUser(msgspec.Struct, frozen=True, kw_only=True):
    """Under whom the server runs. ``switch`` says that we must change to that user."""

    uid: int
    gid: int
    switch: bool


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the files are. ``data`` may lie elsewhere than asked; ``home`` is its parent."""

    data: Path
    home: Path
    relocated: bool


def server_user(data: Path, euid: int) -> ServerUser:
    """Choose the user: ourselves, or for root the owner of the place, or ``nobody``.

    The place is ``data`` or, while it is new, the nearest folder above that exists: under ``sudo``
    in a user's checkout the files stay that user's.
    """
    if euid != 0:
        return ServerUser(uid=euid, gid=os.getegid(), switch=False)
    place = next(step for step in (data, *data.parents) if step.exists())
    owner = place.stat().st_uid
    try:
        entry = pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam("nobody")
    except KeyError:
        try:
            entry = pwd.getpwnam("nobody")
        except KeyError:
            raise PostgresUnavailable(
                "started as root, and this system has no user 'nobody' to run PostgreSQL under:"
                " start it as an ordinary user or set YIMATONG_DATABASE_URL"
            ) from None
    return ServerUser(uid=entry.pw_uid, gid=entry.pw_gid, switch=True)


def may(path: Path, user: ServerUser, wanted: int) -> bool:
    """Whether ``user`` holds the permission bits ``wanted`` (4 read, 1 search) on ``path`` alone.

    Access control lists are not read: at worst a copy is made that was not needed.
    """
    if user.uid == 0:
        return True
    found = path.stat()
    if found.st_uid == user.uid:
        shift = 6
    elif found.st_gid == user.gid:
        shift = 3
    else:
        shift = 0
    return (stat.S_IMODE(found.st_mode) >> shift) & wanted == wanted


def can_traverse(folder: Path, user: ServerUser) -> bool:
    """Whether ``user`` can search ``folder`` and every folder above it."""
    real = folder.resolve()
    return all(may(step, user, 1) for step in (real, *real.parents))


def place_cluster(asked: Path, user: ServerUser) -> Place:
    """Return where the data folder goes; its parent exists afterwards.

    When the server's user cannot reach the asked place, the data go to a private folder under
    ``RELOCATION_ROOTS`` and ``<asked>.location`` remembers it. The name is random, so deleting
    the state folder really gives a new database.
    """
    asked.parent.mkdir(parents=True, exist_ok=True)
    if not user.switch or can_traverse(asked.parent, user):
        return Place(data=asked, home=asked.parent, relocated=False)
    pointer = asked.with_name(asked.name + ".location")
    if pointer.is_file():
        home = Path(pointer.read_text(encoding="utf-8").strip())
        if home.is_dir() and can_traverse(home, user):
            return Place(data=home / asked.name, home=home, relocated=True)
        raise PostgresUnavailable(
            f"{pointer} says the data folder is in {home}, which is gone or out of reach for the"
            " server's user: restore it, or delete that file to begin with an empty database"
        )
    if asked.exists():
        raise PostgresUnavailable(
            f"the data in {asked} cannot be reached by the user '{pwd.getpwuid(user.uid).pw_name}'"
            " under whom root starts PostgreSQL: move that folder back where it was, or start as"
            " the user who owns it"
        )
    home = _new_home(user)
    _write_pointer(pointer, home)
    return Place(data=home / asked.name, home=home, relocated=True)


def _new_home(user: ServerUser) -> Path:
    for root in RELOCATION_ROOTS:
        try:
            root.mkdir(mode=0o755, exist_ok=True)
            if root.stat().st_uid != os.geteuid() or not can_traverse(root, user):
                continue
            home = root / secrets.token_hex(8)
            home.mkdir(mode=0o755)
        except OSError:
            continue
        return home
    raise PostgresUnavailable(
        "started as root in a folder that only root can enter, and neither /var/lib nor /var/tmp"
        " can hold the data: start it as an ordinary user or set YIMATONG_DATABASE_URL"
    )


def _write_pointer(pointer: Path, home: Path) -> None:
    draft = pointer.with_name(pointer.name + ".new")
    draft.write_text(f"{home}\n", encoding="utf-8")
    draft.replace(pointer)


def reachable_binaries(found: Binaries, home: Path, user: ServerUser) -> Binaries:
    """Return binaries the server's user can run: the same, or a copy below ``home``."""
    if not user.switch or _runnable(found, user):
        return found
    copy = home / f"postgresql-{found.version}-{found.source}"
    if not copy.is_dir():
        draft = Path(tempfile.mkdtemp(prefix="copying-", dir=home))
        for tree in found.trees:
            shutil.copytree(tree, draft / tree.relative_to(found.root), symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                runs = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if runs else 0o644)
        draft.rename(copy)
    return msgspec.structs.replace(found, folder=copy / found.folder.relative_to(found.root))


def _runnable(found: Binaries, user: ServerUser) -> bool:
    # One file of each kind stands for the tree: it was written by one installer with one umask.
    return (
        can_traverse(found.folder, user)
        and may(found.folder / "postgres", user, 5)
        and all(can_traverse(tree, user) for tree in found.trees)
        and all(may(p, user, 4) for tree in found.trees for p in tree.glob("*") if p.is_file())
    )


def socket_folder(data: Path) -> tuple[Path, Path | None]:
    """Return the folder clients name as host, and a private folder to remove at the end.

    The socket itself lies in the data folder (mode 0700). Its path must fit into 103 bytes and
    hold no comma; otherwise clients go through a short symbolic link.
    """
    if len(bytes(data / _SOCKET_NAME)) <= _SOCKET_PATH_BYTES_MAX and "," not in str(data):
        return data, None
    private = Path(tempfile.mkdtemp(prefix="yimatong-"))
    link = private / "pg"
    link.symlink_to(data)
    return link, private
