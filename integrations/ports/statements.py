"""A provider's trade bill of one day, as a stream of typed lines.

The files are not signed: a statement says what to look at and moves nothing. Amounts are positive
integer fen, times aware UTC. Nothing of a statement may be believed before its last line was read,
for its totals stand at the end.
"""

from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from integrations.ports.outcomes import Outcome

NUMBER_MAX = 64


class LineKind(StrEnum):
    """What a line is about; also the kind of our number that it carries."""

    TRADE = "trade"
    REFUND = "refund"


class LineState(StrEnum):
    """What the provider says of it."""

    DONE = "DONE"
    ACCEPTED = "ACCEPTED"
    """A refund taken on; the bill is not corrected when it ends."""
    REVOKED = "REVOKED"
    """Taken and given back at once: a reversed payment by code."""
    FAILED = "FAILED"


class StatementLine(msgspec.Struct, frozen=True, gc=False):
    """One line. ``own_no`` is our trade number, or our refund number for a refund."""

    kind: LineKind
    own_no: str
    trade_no: str
    provider_ref: str
    amount_fen: int
    state: LineState
    at: datetime
    """Paid at; a refund's acceptance."""


class StatementTotals(msgspec.Struct):
    """What the lines came to; complete after the last one."""

    trade_count: int = 0
    trade_fen: int = 0
    refund_count: int = 0
    refund_fen: int = 0
    tied: bool = False
    """Whether the file's own totals were found and are those of its lines."""

    def count(self, line: StatementLine) -> None:
        """Add a line."""
        if line.kind is LineKind.TRADE:
            self.trade_count += 1
            self.trade_fen += line.amount_fen
        else:
            self.refund_count += 1
            self.refund_fen += line.amount_fen


class StatementUnusable(Exception):
    """Nothing of the file may be used. ``reason`` is a fixed word in kebab case."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Statement(Protocol):
    """A statement that was opened: iterate once, then believe ``totals``."""

    totals: StatementTotals

    def lines(self) -> Iterator[StatementLine]:
        """In the file's order. Raises ``StatementUnusable``, also after the last line."""


class StatementSource(Protocol):
    """One merchant account's statements."""

    async def fetch_bill(self, day: date) -> Outcome[bytes]:
        """The file of a Beijing day, from 10 o'clock of the next.

        Rejected ``not-found``: there is none, which for some providers means a day without
        trades; ``not-ready``: ask later.
        """

    def read_bill(self, content: bytes, day: date) -> Statement:
        """Open a file as this account's statement of that day."""


def check_number(text: str) -> str:
    """A partner's number as we keep it. Raises ``StatementUnusable``."""
    if not (0 < len(text) <= NUMBER_MAX and text.isascii() and text.isprintable()):
        raise StatementUnusable("number-unreadable")
    if "\\" in text:
        raise StatementUnusable("number-unreadable")
    return text
