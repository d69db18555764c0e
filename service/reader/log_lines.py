"""The shown log's files as lines: a header with the place in the chain, then an entry a line."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from crypto.errors import BadEncoding
from crypto.healthcode.shown_log import next_head, shown_entry

LINE_MAX = 8192
_NAME = "shown-"


class Header(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """First line of a file: the log's id, the number (0-based) of the first entry in this file,
    and the head before it."""

    log: str
    first: int
    previous: str


class ShownLine(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One accepted code. ``scanned`` in seconds since 1970; ``answer`` is what was said."""

    head: str = ""
    text: str
    scanned: int
    purpose: int
    offer: str = ""
    reader: str = ""
    request_id: str = ""
    answer: str = ""

    def __repr__(self) -> str:
        return "ShownLine(…)"

    def after(self, head: bytes) -> bytes:
        """The chain's head with this entry. ``BadEncoding`` for fields out of range."""
        entry = shown_entry(
            text=self.text, scanned=self.scanned, purpose=self.purpose, offer=self.offer
        )
        return next_head(head, entry)


_headers = msgspec.json.Decoder(Header)
_entries = msgspec.json.Decoder(ShownLine)


def log_files(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob(f"{_NAME}*.log"))


def file_for(folder: Path, first: int) -> Path:
    """The file whose first entry has this number."""
    return folder / f"{_NAME}{first:012}.log"


def lines_of(path: Path) -> Iterator[tuple[bytes, int]]:
    """Whole lines and where each ends; stops before a torn one."""
    end = 0
    with path.open("rb") as source:
        while (line := source.readline(LINE_MAX)).endswith(b"\n"):
            end += len(line)
            yield line, end


def read_header(line: bytes) -> Header:
    """``BadEncoding`` if it is not one."""
    try:
        return _headers.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadEncoding("not the first line of a shown log") from None


def read_line(line: bytes, head: bytes) -> ShownLine:
    """The entry, if it continues the chain from ``head``; ``BadEncoding`` if not."""
    try:
        read = _entries.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadEncoding("not an entry of a shown log") from None
    if read.after(head).hex() != read.head:
        raise BadEncoding("the chain of the shown log is broken")
    return read
