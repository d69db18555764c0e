"""Whose offers are whose at a front machine: ``tills.json``, followed as it changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from service.reader.files import read_bounded

TILLS_MAX = 1 << 20
Terminal = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]


class TillsFile:
    """A desk's name to the terminal (8 bytes) whose offers are its own; without the file none.

    ``ValueError`` or ``OSError`` at the start for a file that cannot be read; later the tills of
    before stay, and ``fault`` says why.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fault: str | None = None
        self._stamp = self._look()
        self.tills: Mapping[str, bytes] = self._read()

    @property
    def name(self) -> str:
        """Of the file."""
        return self._path.name

    def refresh(self) -> None:
        """Read it again if it changed."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        try:
            self.tills, self.fault = self._read(), None
        except OSError:
            self.fault = "TILLS_UNREADABLE"
            return
        except ValueError:
            self.fault = "TILLS_MALFORMED"
        self._stamp = stamp

    def _read(self) -> Mapping[str, bytes]:
        try:
            said = msgspec.json.decode(
                read_bounded(self._path, TILLS_MAX), type=dict[str, Terminal]
            )
        except FileNotFoundError:
            return {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ValueError(
                f'{self.name}: {{"desk": "terminal, 16 hex digits"}} is wanted'
            ) from None
        return {desk: bytes.fromhex(terminal) for desk, terminal in said.items()}

    def _look(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
