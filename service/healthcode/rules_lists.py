"""Pure decisions about revocation lists and about the logs of readers without a network."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from crypto.healthcode.shown_log import FIRST_HEAD, next_head, shown_entry
from service.healthcode.model_lists import ListStep, ReportedShowing, ShownLog, ShownReport
from service.healthcode.problems import ShownLogForked, ShownLogGap
from service.kernel.problems import InvariantBroken, Problem

INSTITUTION_SIZE = 18
FIRST_NUMBER = 0
AHEAD_MAX = timedelta(minutes=5)
"""How far a reader's clock may run ahead of ours."""
BACK_MAX = timedelta(days=30)
"""How long a reader may stay without a network."""
SEQUENCE_AHEAD_MAX = timedelta(days=366)
"""How far list numbers may run ahead of the minutes since 1970: lists come more seldom than those,
so only a clock that was wrong brings them ahead."""


def next_sequence(last: int, now: datetime) -> int:
    """The number of the next list: above the last, and not below the minutes since 1970.

    So a platform restored from a backup goes on above every number that readers have seen.
    """
    return max(last + 1, int(now.timestamp()) // 60)


def is_far_ahead(sequence: int, now: datetime) -> bool:
    """Whether no honest list has this number. Readers go by it for good, and numbers end."""
    return sequence > int((now + SEQUENCE_AHEAD_MAX).timestamp()) // 60


def to_bytes(entries: Iterable[int]) -> bytes:
    """Entries as they are kept: 8 bytes each."""
    return b"".join(entry.to_bytes(8, "big") for entry in entries)


def leads(steps: Sequence[ListStep], base: int, sequence: int) -> bool:
    """Whether the steps lead from one list to the other without a gap."""
    at = base
    for step in steps:
        if step.base != at:
            return False
        at = step.sequence
    return at == sequence


def before(entries: set[int], steps: Sequence[ListStep]) -> set[int]:
    """The entries of the list at which the steps begin, from those at which they end."""
    found = set(entries)
    for step in reversed(steps):
        found -= set(_from_bytes(step.added))
        found |= set(_from_bytes(step.removed))
    return found


def _from_bytes(kept: bytes) -> list[int]:
    return [int.from_bytes(kept[at : at + 8], "big") for at in range(0, len(kept), 8)]


def expected(log: ShownLog | None) -> ShownLog:
    """Where a log goes on; one that nobody knows begins with ``FIRST_NUMBER``."""
    return log or ShownLog(next_number=FIRST_NUMBER, head=FIRST_HEAD)


def continue_log(log: ShownLog | None, report: ShownReport) -> tuple[int, ShownLog]:
    """How many of the report's entries were taken before, and where the log ends after all of them.

    Raises ``ShownLogGap`` for entries beyond the next one, ``ShownLogForked`` when the chain does
    not run through the head known here (of an earlier piece only one that reaches it is believed),
    ``BadEncoding`` for an entry that no reader can have logged.
    """
    known = expected(log)
    if report.first > known.next_number:
        raise _expecting(ShownLogGap, known)
    taken = known.next_number - report.first
    head = report.previous
    if taken > len(report.entries):
        raise _expecting(ShownLogForked, known)
    for at, entry in enumerate(report.entries):
        if at == taken and head != known.head:
            raise _expecting(ShownLogForked, known)
        head = next_head(head, chained(entry))
    if taken == len(report.entries) and head != known.head:
        raise _expecting(ShownLogForked, known)
    number = report.first + len(report.entries)
    return taken, ShownLog(next_number=number, head=head)


def _expecting(kind: type[Problem], known: ShownLog) -> Problem:
    return kind(expected_first=known.next_number, expected_previous=known.head.hex())


def chained(entry: ReportedShowing) -> bytes:
    """An entry as the chain covers it. ``BadEncoding`` for what no reader can have logged."""
    return shown_entry(
        text=entry.text,
        scanned=int(entry.scanned_at.timestamp()),
        purpose=entry.purpose,
        offer=entry.offer or "",
    )


def believed(scanned_at: datetime, now: datetime) -> str | None:
    """None when a reader may say that it scanned then; else the word for why not."""
    if scanned_at > now + AHEAD_MAX:
        return "SCANNED_AHEAD"
    if scanned_at < now - BACK_MAX:
        return "SCANNED_TOO_LONG_AGO"
    return None


def till_place(institution_code: str, terminal_id: int) -> tuple[bytes, bytes]:
    """An institution (18 bytes: its code, then zero bytes) and a terminal (8) as offers name them.

    ``InvariantBroken`` for a code that does not fit: such an institution cannot be enrolled.
    """
    code = institution_code.encode("utf-8")
    if not 1 <= len(code) <= INSTITUTION_SIZE:
        raise InvariantBroken("an institution's code has at most 18 bytes")
    return code.ljust(INSTITUTION_SIZE, b"\0"), terminal_id.to_bytes(8)
