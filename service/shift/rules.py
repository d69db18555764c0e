"""Pure decisions of the counter: PINs, sums, differences."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from service.shift.model import Counted, Direction, Entry, Staff, Sums, Tender
from service.shift.states import EntryState

NUMBER_FORM = re.compile(r"[0-9A-Za-z]{1,20}", re.ASCII)
TRIES_MAX = 5
LOCKED_FOR = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
DOUBT_AFTER = timedelta(minutes=2)
"""An entry whose payment is not known by then was left by a dead process."""


def lock_after(failures: int, now: datetime) -> datetime | None:
    """Until when nobody may try, after so many wrong PINs in a row."""
    return now + LOCKED_FOR if failures >= TRIES_MAX else None


def is_locked(row: Staff, now: datetime) -> bool:
    """Whether not even the right PIN is looked at."""
    return row.locked_until is not None and now < row.locked_until


def sums_of(entries: Iterable[Entry], tender: Tender) -> Sums:
    """What the ended entries of one tender moved."""
    done = [one for one in entries if one.tender is tender and one.state is EntryState.DONE]
    taken = sum(one.amount_fen for one in done if one.direction is Direction.TAKE)
    given = sum(one.amount_fen for one in done if one.direction is Direction.GIVE)
    return Sums(taken_fen=taken, given_fen=given, count=len(done))


def drawer_fen(float_fen: int, entries: Iterable[Entry]) -> int:
    """Cash that is surely in the drawer: money still in doubt counts where it leaves."""
    listed = list(entries)
    leaving = sum(
        one.amount_fen
        for one in listed
        if one.tender is Tender.CASH
        and one.direction is Direction.GIVE
        and one.state is EntryState.INTENDED
    )
    return float_fen + sums_of(listed, Tender.CASH).net_fen - leaving


def is_explained(counted: Counted, expected_cash_fen: int, expected_pos_fen: int) -> bool:
    """A count that differs from the books needs the cashier's words."""
    agrees = (counted.cash_fen, counted.pos_fen) == (expected_cash_fen, expected_pos_fen)
    return agrees or bool(counted.explanation)
