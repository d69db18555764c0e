"""The shown log on disk: every code accepted here, chained, to be handed in on reconnect.

A line counts once it ends; one torn by a crash is dropped at the next start, and its code was
never answered. Files that were handed in whole and whose codes have all expired are removed.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import msgspec

from crypto.errors import BadEncoding
from crypto.healthcode.layout import LIFE_MAX, LIFE_UNIT_S, Kind, Purpose
from crypto.healthcode.shown_log import FIRST_HEAD
from crypto.keystore import sync_folder
from service.reader.files import owner_only, read_bounded, write_durably
from service.reader.log_lines import (
    Header,
    ShownLine,
    file_for,
    lines_of,
    log_files,
    read_header,
    read_line,
)

BATCH_MAX = 200
FILE_MAX = 8 << 20
KEPT_S = LIFE_MAX[Kind.BOUND] * LIFE_UNIT_S[Kind.BOUND] + 3600
"""As long as a code may still be shown again, its entry stays: the seen map is filled from it."""
_STATE = "shown.json"
_to_lines = msgspec.json.Encoder().encode_lines


class LogState(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The log's id, and how many entries the platform has confirmed."""

    log: str
    taken: int = 0


class ShownCode(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An entry as the platform takes it."""

    text: str
    scanned_at: str
    purpose: str
    offer: str = ""


class HandIn(msgspec.Struct, kw_only=True):
    """The body of ``POST /v1/terminal/shown-codes``: entries from number ``first`` (0-based),
    behind the head ``previous``."""

    log: str
    first: int
    previous: str
    entries: list[ShownCode]


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """What a start found: bytes of a torn line, or files set aside with a broken chain."""

    torn_bytes: int = 0
    set_aside: int = 0


class ShownLog:
    """Appends; one owner at a time. ``append`` is safe against the death of this program when it
    returns, ``sync`` against a power cut."""

    def __init__(
        self,
        folder: Path,
        *,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        file_max: int = FILE_MAX,
    ) -> None:
        self._folder = folder
        self._random_bytes = random_bytes
        self._file_max = file_max
        self._state = self._read_state()
        self._file: BinaryIO | None = None
        self._size = 0
        self._count = 0
        self._head = FIRST_HEAD
        self._is_dirty = False
        self._lock = Lock()

    @property
    def count(self) -> int:
        """Entries ever appended to this log."""
        return self._count

    @property
    def log_id(self) -> str:
        """This log's own id, 32 hexadecimal digits; another one after damage."""
        return self._state.log

    @property
    def taken(self) -> int:
        """Entries that the platform has confirmed."""
        return self._state.taken

    def open(self, on_line: Callable[[ShownLine], None]) -> Damage:
        """Check the chain, drop a torn end, tell of each line, be ready to append.

        Where the chain is broken in the middle, all files are set aside and a new log begins; the
        lines before the break are still told of.
        """
        torn = 0
        try:
            files = log_files(self._folder)
            for at, path in enumerate(files):
                torn = self._follow(path, on_line, is_first=at == 0)
                _check_end(torn, is_last=path == files[-1])
        except BadEncoding:
            return Damage(set_aside=self._set_aside())
        if torn:
            path = files[-1]
            os.truncate(path, path.stat().st_size - torn)
        self._append_to(files[-1] if files else None)
        return Damage(torn_bytes=torn)

    def _follow(self, path: Path, on_line: Callable[[ShownLine], None], *, is_first: bool) -> int:
        """Go through one file; the size of its torn end."""
        end = 0
        for line, end in lines_of(path):
            if end == len(line):
                header = read_header(line)
                if is_first:
                    self._count, self._head = header.first, bytes.fromhex(header.previous)
                place = Header(log=self._state.log, first=self._count, previous=self._head.hex())
                if header != place:
                    raise BadEncoding("a file of the shown log is missing or another log's")
                continue
            told = read_line(line, self._head)
            self._head = bytes.fromhex(told.head)
            self._count += 1
            on_line(told)
        return path.stat().st_size - end

    def append(self, lines: Sequence[ShownLine]) -> None:
        """Chain entries and write them at once, all or none. ``OSError`` when the disk does not
        take them: then do not answer that their codes were accepted."""
        head = self._head
        for line in lines:
            head = line.after(head)
            line.head = head.hex()
        self._write(_to_lines(lines))
        self._head = head
        self._count += len(lines)
        if self._size >= self._file_max:
            self._append_to(None)

    def _write(self, content: bytes) -> None:
        if self._file is None:
            raise OSError("the shown log is not open")
        if self._file.write(content) != len(content):
            os.truncate(self._file.name, self._size)
            raise OSError("the disk did not take the entries")
        self._size += len(content)
        self._is_dirty = True

    def _append_to(self, path: Path | None) -> None:
        """Go on with a file, or begin the next one."""
        self._let_go()
        path = path or file_for(self._folder, self._count)
        self._file = open(path, "ab", buffering=0, opener=owner_only)  # noqa: SIM115 - kept open
        self._size = path.stat().st_size
        if self._size == 0:
            header = Header(log=self._state.log, first=self._count, previous=self._head.hex())
            self._write(msgspec.json.encode(header) + b"\n")
            sync_folder(self._folder)

    def sync(self) -> None:
        """Make everything appended durable. May run in another thread than ``append``."""
        with self._lock:
            if self._is_dirty and self._file is not None:
                self._is_dirty = False
                os.fsync(self._file.fileno())

    def hand_ins(self) -> Iterator[HandIn]:
        """The request bodies for what is not confirmed yet, oldest first. Send them in order."""
        for path in log_files(self._folder):
            yield from self._hand_ins_of(path)

    def _hand_ins_of(self, path: Path) -> Iterator[HandIn]:
        lines = lines_of(path)
        first = next(lines, None)
        if first is None:
            return
        header = read_header(first[0])
        number, head = header.first, header.previous
        body = HandIn(log=header.log, first=number, previous=head, entries=[])
        for line, _ in lines:
            read = read_line(line, bytes.fromhex(head))
            if number < self._state.taken:
                body = HandIn(log=header.log, first=number + 1, previous=read.head, entries=[])
            else:
                body.entries.append(_shown_code(read))
            number, head = number + 1, read.head
            if len(body.entries) == BATCH_MAX:
                yield body
                body = HandIn(log=header.log, first=number, previous=head, entries=[])
        if body.entries:
            yield body

    def confirm(self, taken: int, now: int) -> None:
        """The platform has the first ``taken`` entries of this log; drop files that nobody needs.
        ``ValueError`` if there are not so many."""
        if not self._state.taken <= taken <= self._count:
            raise ValueError("the platform confirms entries that this log does not have")
        self._state.taken = taken
        self._write_state()
        files = log_files(self._folder)
        for path, following in pairwise(files):
            last = _last_scanned(path)
            first_behind = int(following.stem.rpartition("-")[2])
            if first_behind > taken or (last is not None and last > now - KEPT_S):
                break
            path.unlink()

    def close(self) -> None:
        """Make durable and let go."""
        self._let_go()

    def _let_go(self) -> None:
        self.sync()
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _read_state(self) -> LogState:
        path = self._folder / _STATE
        try:
            return msgspec.json.decode(read_bounded(path, 4096), type=LogState)
        except FileNotFoundError:
            self._state = LogState(log=self._random_bytes(16).hex())
            self._write_state()
            return self._state
        except msgspec.DecodeError:
            raise ValueError(f"{path.name} is spoilt") from None

    def _write_state(self) -> None:
        write_durably(self._folder / _STATE, msgspec.json.encode(self._state))

    def _set_aside(self) -> int:
        files = log_files(self._folder)
        for path in files:
            path.replace(path.with_name(f"damaged-{self._state.log}-{path.name}"))
        self._state = LogState(log=self._random_bytes(16).hex())
        self._write_state()
        self._count, self._head = 0, FIRST_HEAD
        self._append_to(None)
        return len(files)


def _check_end(torn: int, *, is_last: bool) -> None:
    if torn and not is_last:
        raise BadEncoding("the shown log is cut in the middle")


def _last_scanned(path: Path) -> int | None:
    last = b""
    for line, end in lines_of(path):
        last = line if end > len(line) else b""
    return msgspec.json.decode(last, type=ShownLine).scanned if last else None


def _shown_code(line: ShownLine) -> ShownCode:
    return ShownCode(
        text=line.text,
        scanned_at=datetime.fromtimestamp(line.scanned, UTC).isoformat().replace("+00:00", "Z"),
        purpose=Purpose(line.purpose).name.lower(),
        offer=line.offer,
    )
