"""Statements, what stands on either side of a line, and what a run found. Fen, aware UTC."""

from datetime import date, datetime
from enum import StrEnum

import msgspec


class Account(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One merchant account at one provider; for the bureau, one institution's line."""

    provider: str
    account_name: str


class FileState(StrEnum):
    """Where a statement file stands."""

    LOADING = "LOADING"
    ACTIVE = "ACTIVE"
    REPLACED = "REPLACED"
    """A newer file of the same day is in use; the lines stay as evidence."""
    REFUSED = "REFUSED"
    """Missing, or nothing of it may be used; ``reason`` says why."""


class StatementFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as taken. ``lines_digest`` is over the lines as read, in the file's order."""

    file_id: int
    provider: str
    account_name: str
    day: date
    version: int
    state: FileState
    reason: str | None
    file_digest: bytes
    lines_digest: bytes | None
    trade_count: int
    trade_fen: int
    refund_count: int
    refund_fen: int
    tied: bool
    taken_at: datetime


class Class(StrEnum):
    """How the two sides of a number stand to each other (payments.md 9.9); a match has none."""

    ONLY_HERE = "ONLY_HERE"
    ONLY_THERE = "ONLY_THERE"
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    STATE_DIFFERS = "STATE_DIFFERS"
    CROSSES_MIDNIGHT = "CROSSES_MIDNIGHT"
    """Both sides hold it, on days that follow each other: explained by itself."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The two sides of a number. ``there_…`` is the line in the day's statement, ``here_…`` our row
    of the same account; a side that is not there is None throughout."""

    own_no: str
    kind: str
    there_fen: int | None
    there_state: str | None
    there_at: datetime | None
    there_ref: str | None
    line_no: int | None
    record_id: int | None
    row_id: int | None
    institution_id: int | None
    here_fen: int | None
    here_state: str | None
    here_at: datetime | None
    """When a trade was paid; when a refund was promised."""
    booked_fen: int | None
    """What the ledger holds for it; None where it holds nothing."""
    elsewhere: date | None
    """The day of another statement in use that lists it."""


class OpenPair(Pair, frozen=True, kw_only=True):
    """An open difference with its two sides as they are now."""

    day: date
    difference_id: int
    held_class: Class


class Verdict(msgspec.Struct, frozen=True):
    """What a pair is: ``difference`` None is a match. ``closing`` says why nobody need look."""

    difference: Class | None
    closing: str | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A difference that a person must look at and that has no work item yet."""

    own_no: str
    kind: str
    provider: str
    account_name: str
    day: date
    difference_id: int
    held_class: Class
    record_id: int
    institution_id: int | None
    evidence: dict[str, str | int | bool | None]


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and amounts of one side."""

    trade_count: int = 0
    trade_fen: int = 0
    refund_count: int = 0
    refund_fen: int = 0


class Outcome(StrEnum):
    """How the run of one account ended."""

    EXPLAINED = "explained"
    DIFFERENCES = "differences"
    MISSING = "missing"
    REFUSED = "refused"


class AccountReport(msgspec.Struct, frozen=True, kw_only=True):
    """One account's day."""

    provider: str
    account_name: str
    day: str
    outcome: Outcome
    reason: str | None = None
    version: int | None = None
    is_new: bool = False
    """Whether this run took a file that was not in use before."""
    tied: bool = False
    there: Sums = Sums()
    here: Sums = Sums()
    matched: int = 0
    classes: dict[str, int] = {}
    """Differences of the day by class, as this run sees them."""
    closed: int = 0
    """Open differences of any day of the account that are explained now."""
    open: int = 0
    """What is still open of the day."""
