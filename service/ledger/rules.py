"""Pure decisions of the ledger: accounts, sums, and which day a posting stands in.

A day takes postings until ten in the morning of the next (``BOOKED_UNTIL``): what moved before
midnight and was told after it still stands where the provider's statement lists it. That is a
matter of the clock alone, so a posting asks nobody whether its day is open, and a day is closed
only behind the longest transaction that may have read the clock before then.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from service.kernel.clock import CHINA, CLOCKS_APART, business_day
from service.kernel.problems import InvariantBroken
from service.ledger.model import (
    COUNTED,
    HOSPITAL,
    HOSPITAL_BURDEN,
    INSURER,
    OUTSIDE,
    PATIENT,
    AccountSum,
    NewPosting,
    Posting,
    Sums,
)

BOOKED_UNTIL = time(10, 0)
"""Beijing time of the next day: from then on a late posting goes to the present day."""
STALLED = timedelta(minutes=1)
"""No transaction lives that hears nothing for so long: the server, or ``Transaction`` before it is
begun there, ends it after 15 seconds, and a statement after 20. What read the clock longer ago has
written, or never will."""
CLOSED_BY_ITSELF = time(18, 0)
"""Beijing time of the next day, from which the worker closes a day that nobody closed."""
_FIXED = COUNTED | frozenset({OUTSIDE, PATIENT, INSURER, HOSPITAL, HOSPITAL_BURDEN})
_NAMED = re.compile(r"provider:[a-z0-9_]{1,30}|cover:[0-9A-Z._-]{1,30}", re.ASCII)
"""Accounts of payment providers and of commercial insurers."""


def check_posting(new: NewPosting) -> None:
    """Raises ``InvariantBroken`` for an unknown account, equal sides or no amount."""
    for account in (new.debit, new.credit):
        if account not in _FIXED and _NAMED.fullmatch(account) is None:
            raise InvariantBroken("a posting names an unknown account")
    if new.debit == new.credit or new.amount_fen <= 0:
        raise InvariantBroken("a posting has two sides and an amount")


def is_same(new: NewPosting, stored: Posting) -> bool:
    """Whether a repeated cause repeats its content."""
    return (new.institution_id, new.debit, new.credit, new.amount_fen) == (
        stored.institution_id,
        stored.debit,
        stored.credit,
        stored.amount_fen,
    )


def sum_accounts(postings: list[Posting]) -> dict[str, int]:
    """Debits less credits by account; over all accounts the sums cancel out."""
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.debit] = sums.get(posting.debit, 0) + posting.amount_fen
        sums[posting.credit] = sums.get(posting.credit, 0) - posting.amount_fen
    return sums


def end_of_booking(day: date) -> datetime:
    """From when on a day takes no postings."""
    return datetime.combine(day + timedelta(days=1), BOOKED_UNTIL, CHINA)


def closes_at(day: date) -> datetime:
    """From when on every transaction that may still post to the day has a number."""
    return end_of_booking(day) + CLOCKS_APART + STALLED


def newest_to_close(now: datetime) -> date:
    """The last day that the worker closes by itself."""
    local = now.astimezone(CHINA)
    return local.date() - timedelta(days=1 if local.time() >= CLOSED_BY_ITSELF else 2)


def book_on(now: datetime, moved_at: datetime | None) -> tuple[date, date | None]:
    """In which day's books a posting stands, and to which day it belongs where that is another."""
    today = business_day(now)
    belongs = today if moved_at is None else min(business_day(moved_at), today)
    if belongs == today or now < end_of_booking(belongs):
        return belongs, None
    return today, belongs


def add_up(moved: Iterable[tuple[str, int, int]], before: dict[str, int]) -> Sums:
    """Account, debits and credits of a day over what each account held before it."""
    sums = {account: AccountSum(closing_fen=held) for account, held in before.items() if held}
    for account, debit_fen, credit_fen in moved:
        held = before.get(account, 0)
        sums[account] = AccountSum(
            debit_fen=debit_fen,
            credit_fen=credit_fen,
            closing_fen=held + debit_fen - credit_fen,
        )
    return sums


def differing(postings: Sums, books: Sums) -> dict[str, tuple[AccountSum, AccountSum]]:
    """Accounts whose movements of the day are not the same on both sides."""
    nothing = AccountSum()
    pairs = {
        account: (postings.get(account, nothing), books.get(account, nothing))
        for account in sorted(postings.keys() | books.keys())
    }
    return {account: pair for account, pair in pairs.items() if _moved(pair[0]) != _moved(pair[1])}


def _moved(one: AccountSum) -> tuple[int, int]:
    return one.debit_fen, one.credit_fen


def is_even(sums: Sums) -> bool:
    """Whether every fen that one account received another gave, in the day and in all."""
    moved = sum(one.debit_fen - one.credit_fen for one in sums.values())
    return moved == 0 and sum(one.closing_fen for one in sums.values()) == 0
