"""Postings, days and balances. Amounts are integer fen; a posting's sides say the direction."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

PATIENT = "patient"
INSURER = "insurer"
HOSPITAL = "hospital"
HOSPITAL_BURDEN = "hospital-burden"


DEPOSIT = "deposit"
"""What a hospital owes its patients for the deposits that it holds."""


RELIEF = "relief"
"""What programmes and waivers take over of what patients would pay: owed to the hospital by them,
or borne by itself."""
OUTSIDE = "outside"
"""What hospitals gave back by other ways than their payers had paid."""
COUNTED = frozenset({DEPOSIT, RELIEF})
"""What counts as a payment and is none: no provider takes it or gives it back."""


def cover_account(insurer: str) -> str:
    """The account of a commercial insurer: what it owes the hospital."""
    return f"cover:{insurer}"


def provider_account(provider: str) -> str:
    """The account of a payment provider: money it took for the institution, or gave back. What is
    only counted has an account of its own."""
    return provider if provider in COUNTED | {OUTSIDE} else f"provider:{provider}"


class NewPosting(msgspec.Struct, frozen=True, kw_only=True):
    """One row to post: ``debit`` receives, ``credit`` gives.

    ``cause`` names the act that moved the claim (``payment:<attempt id>``); one cause posts once
    in a settlement. ``moved_at`` is when it moved, where a partner says so; None: just now.
    """

    record_id: int
    settlement_id: int
    institution_id: int
    cause: str
    debit: str
    credit: str
    amount_fen: int
    moved_at: datetime | None = None


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """A posting as stored. ``day`` is the business day in China in whose books it stands.

    ``value_day`` is the day it belongs to, where that day took no postings any more.
    """

    record_id: int
    posting_id: int
    settlement_id: int
    institution_id: int
    cause: str
    debit: str
    credit: str
    amount_fen: int
    day: date
    value_day: date | None
    posted_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | date]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.posting_id,
            self.settlement_id,
            self.institution_id,
            self.cause,
            self.debit,
            self.credit,
            self.amount_fen,
            self.day,
            self.posted_at,
            # Rows from before there were late ones have no such part; the count tells them apart.
            *([] if self.value_day is None else [self.value_day]),
        ]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A posting in its institution's books."""

    institution_id: int
    record_id: int
    posting_id: int
    settlement_id: int
    day: date
    value_day: date | None
    debit: str
    credit: str
    amount_fen: int
    row_mac: bytes

    def mac_parts(self) -> list[int | str | date | None]:
        """The columns that the row's MAC covers."""
        return [
            self.institution_id,
            self.record_id,
            self.posting_id,
            self.settlement_id,
            self.day,
            self.value_day,
            self.debit,
            self.credit,
            self.amount_fen,
        ]


class AccountSum(msgspec.Struct, frozen=True, kw_only=True):
    """One account over one day: what it received, what it gave, and what it held at the end.

    ``closing_fen`` is debits less credits since the first posting; the opening follows from it.
    """

    debit_fen: int = 0
    credit_fen: int = 0
    closing_fen: int = 0

    @property
    def opening_fen(self) -> int:
        """Debits less credits before the day."""
        return self.closing_fen - self.debit_fen + self.credit_fen


Sums = dict[str, AccountSum]


class DayState(StrEnum):
    """Where a day stands. A day without a row is open."""

    OPEN = "OPEN"
    CLOSING = "CLOSING"
    """Somebody asked; it takes no postings from a stated time on, and is closed behind it."""
    CLOSED = "CLOSED"


class LedgerDay(msgspec.Struct, frozen=True, kw_only=True):
    """The closing of an institution's day: who asked for it, and with which sums it ended."""

    institution_id: int
    day: date
    close_id: int
    state: DayState
    asked_by: str
    asked_at: datetime
    due_at: datetime | None
    horizon: int | None
    sums: Sums | None
    postings: int | None
    closed_at: datetime | None
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | date | None]:
        """The columns that the row's MAC covers."""
        return [
            self.institution_id,
            self.day,
            self.close_id,
            self.state,
            self.asked_by,
            self.asked_at,
            self.horizon,
            None if self.sums is None else msgspec.json.encode(self.sums, order="sorted"),
            self.postings,
            self.closed_at,
        ]


class LatePosting(msgspec.Struct, frozen=True, kw_only=True):
    """A posting of an open day that belongs to an earlier one."""

    record_id: int
    settlement_id: int
    value_day: date
    debit: str
    credit: str
    amount_fen: int


class DayBooks(msgspec.Struct, frozen=True, kw_only=True):
    """An institution's day as its books show it."""

    institution_id: int
    day: date
    state: DayState
    asked_by: str | None
    closed_at: datetime | None
    postings: int
    sums: Sums
    late: list[LatePosting]


class DayCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Postings, books and closing of a day against each other; ``differing`` names accounts."""

    institution_id: int
    day: date
    postings: int
    sums: Sums
    """Of the day alone, by the books."""
    differing: dict[str, tuple[AccountSum, AccountSum]]
    """What the postings say, and what the books (or the closing) say."""
    reason: str | None
