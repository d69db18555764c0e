"""Rows of what readers fetch and hand in."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from crypto.healthcode.layout import Purpose
from service.healthcode.model import RevokedScope


class ListPlace(NamedTuple):
    """Which revocation list: codes of one scope and class."""

    scope: RevokedScope
    code_class: int


class DueList(msgspec.Struct, frozen=True, kw_only=True):
    """A list that must be made, and the newest one's sequence (0: there is none)."""

    scope: RevokedScope
    code_class: int
    sequence: int

    @property
    def place(self) -> ListPlace:
        """Which list."""
        return ListPlace(self.scope, self.code_class)


class Gathered(NamedTuple):
    """What the next list is made of: revoked code ids, live ones that begin like one of them, and
    entries of the last list that no row explains."""

    revoked: set[bytes]
    near: set[bytes]
    unexplained: frozenset[int]


class CodeListRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``code_list`` without the list itself. ``digest`` names the list."""

    scope: int
    code_class: int
    sequence: int
    width: int
    entries: int
    made_at: datetime
    next_at: datetime
    digest: bytes
    row_mac: bytes

    def mac_parts(self) -> list[int | bytes | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.scope,
            self.code_class,
            self.sequence,
            self.width,
            self.entries,
            self.made_at,
            self.next_at,
            self.digest,
        ]

    @property
    def place(self) -> ListPlace:
        """Which list."""
        return ListPlace(RevokedScope(self.scope), self.code_class)


class CodeList(CodeListRow, frozen=True, kw_only=True):
    """A row of ``code_list``: the newest full list of a place."""

    content: bytes


class ListMark(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``code_list_mark``: which list was made last, kept apart from the list."""

    scope: int
    code_class: int
    sequence: int
    digest: bytes
    row_mac: bytes

    def mac_parts(self) -> list[int | bytes]:
        """The columns that the row's MAC covers."""
        return [self.scope, self.code_class, self.sequence, self.digest]


class ListHead(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a list without its content."""

    scope: RevokedScope
    code_class: int
    sequence: int
    entries: int
    size: int
    made_at: datetime


class ListStep(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``code_list_step``: from one list to the next. Entries take 8 bytes each."""

    scope: RevokedScope
    code_class: int
    sequence: int
    base: int
    made_at: datetime
    removed: bytes
    added: bytes
    content: bytes


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader gets: the delta from ``base``, or the full list (``base`` 0)."""

    place: ListPlace
    sequence: int
    base: int
    content: bytes

    @property
    def etag(self) -> str:
        """Weak: names the list that these bytes lead to, by delta or whole."""
        return f'W/"{self.place.scope.value}-{self.place.code_class}-{self.sequence}"'


class ShownCode(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``shown_code``: the first place that took one showing of a code."""

    code_id: bytes
    rise: int
    record_id: int
    scan_id: int
    institution_id: int
    terminal_id: int
    shown_at: datetime
    reported: bool


class ShownLog(msgspec.Struct, frozen=True, kw_only=True):
    """How far one reader's log was taken: the number expected next and the head before it."""

    next_number: int
    head: bytes


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``shown_log``."""

    institution_id: int
    terminal_id: int
    log_id: bytes
    next_number: int
    head: bytes
    taken_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | bytes | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.institution_id,
            self.terminal_id,
            self.log_id,
            self.next_number,
            self.head,
            self.taken_at,
        ]

    @property
    def log(self) -> ShownLog:
        """How far it says."""
        return ShownLog(next_number=self.next_number, head=self.head)


class ReportedShowing(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a reader's log, as it came."""

    text: str
    scanned_at: datetime
    purpose: Purpose
    offer: str | None

    def __repr__(self) -> str:
        return "ReportedShowing(…)"


class ShownReport(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a reader's log: entries from number ``first`` on, behind head ``previous``."""

    log_id: bytes
    first: int
    previous: bytes
    entries: list[ReportedShowing]


class RefusedShowing(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that does not hold here, by its number and the word for it."""

    number: int
    error: str


class TakenReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a report. ``taken`` counts every entry that the log has moved past."""

    taken: int
    head: bytes
    work_items: int
    refused: list[RefusedShowing]


class TillCertified(msgspec.Struct, frozen=True, kw_only=True):
    """A till's certificate and the instant at which it ends."""

    certificate: bytes
    valid_until: datetime
