"""Files of registrations: a JSON object a line, read with bounds; what is none goes to a side file.

How far a long run is stands on one line of a terminal.
"""

import csv
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from service.person.matching.traits import Line

LINE_BYTES_MAX = 64 * 1024
PROGRESS_EVERY_S = 0.5
ID_MAX = 200
REFUSED_SUFFIX = ".refused.csv"
Refused = list[tuple[int, str]]
"""Line numbers from 1, and why each is no registration."""


class LineRefused(ValueError):
    """A line that is no registration; the text says why, without a value of it."""


def numbered(path: Path, refused: Refused, told: "Told") -> Iterator[tuple[int, bytes, Line]]:
    """Each registration with its line's number and text; what is none is noted. Raises
    ``OSError``."""
    decoder = msgspec.json.Decoder(Line)
    size, seen = max(1, path.stat().st_size), set[str]()
    with path.open("rb") as lines:
        for number, text in enumerate(_bounded(lines), start=1):
            if not number % 1000:
                told.progress("read", lines.tell() * 100 // size, 100)
            if not text.strip():
                continue
            try:
                line = _line(decoder, text, seen)
            except LineRefused as fault:
                refused.append((number, str(fault)))
                continue
            seen.add(line.id)
            yield number, text, line


def _line(decoder: msgspec.json.Decoder[Line], text: bytes, seen: set[str]) -> Line:
    if len(text) > LINE_BYTES_MAX:
        raise LineRefused("too long")
    try:
        line = decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise LineRefused(str(fault)[:200]) from None
    if not line.id or len(line.id) > ID_MAX or not line.id.isprintable():
        raise LineRefused(f"id: 1 to {ID_MAX} printable characters")
    if line.id in seen:
        raise LineRefused("id: used by an earlier line")
    return line


def _bounded(lines: IO[bytes]) -> Iterator[bytes]:
    """Lines; of one that is too long as much as shows that it is."""
    while text := lines.readline(LINE_BYTES_MAX + 1):
        rest = text
        while len(rest) > LINE_BYTES_MAX and not rest.endswith(b"\n"):
            rest = lines.readline(LINE_BYTES_MAX + 1)
        yield text


@contextmanager
def whole(path: Path) -> Iterator[Any]:
    """A CSV writer whose file appears under its name once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", newline="", encoding="utf-8") as file:
            yield csv.writer(file, lineterminator="\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_refused(path: Path, refused: Refused) -> None:
    """No file where nothing is refused."""
    path.unlink(missing_ok=True)
    if refused:
        with whole(path) as out:
            out.writerow(("line", "reason"))
            out.writerows(refused)


class Told:
    """One line on a terminal that says how far it is; silent elsewhere."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._at_s = 0.0

    def progress(self, what: str, done: int, of: int) -> None:
        """At most twice a second."""
        now_s = time.monotonic()
        if self._is_seen and (now_s - self._at_s > PROGRESS_EVERY_S or done == of):
            self._at_s = now_s
            bar = "#" * (30 * done // max(1, of))
            sys.stderr.write(f"\r{what:<12} [{bar:<30}] {100 * done // max(1, of):3d} %")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._is_seen:
            sys.stderr.write("\r" + " " * 60 + "\r")
