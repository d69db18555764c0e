"""What the two sides of a number are to each other. Pure."""

from datetime import date

from service.kernel.clock import business_day
from service.reconcile.model import Class, Pair, Verdict

TRADE = "trade"
TOOK_MONEY = frozenset({"PAID", "PAID_LATE"})
RETURNS = frozenset({"PROCESSING", "REFUNDED"})
MATCH = Verdict(None, "agrees")
MIDNIGHT = Verdict(Class.CROSSES_MIDNIGHT, "crosses-midnight")


def judge(pair: Pair, day: date) -> Verdict:
    """The class of a pair, seen from the statement of ``day``.

    Where amount and state both differ, the amount is named. Refunds count on the day on which the
    provider accepted them, so a refund of an earlier day is a match.
    """
    if pair.there_fen is None:
        return _without_line(pair, day)
    if pair.here_fen is None and pair.kind != TRADE and pair.there_state == "REVOKED":
        # A reversal has no refund of ours; its trade's own line says whether we know of it.
        return Verdict(None, "reversed")
    found = _found(pair)
    if found is not None:
        return Verdict(found, None)
    return _by_day(pair, day) if moved_here(pair) else MATCH


def _found(pair: Pair) -> Class | None:
    """What differs, days apart."""
    if pair.here_fen is None:
        return Class.ONLY_THERE
    if pair.there_fen != pair.here_fen:
        return Class.AMOUNT_DIFFERS
    if _moved_there(pair) != moved_here(pair):
        return Class.STATE_DIFFERS
    if moved_here(pair) and pair.booked_fen != pair.here_fen and not _is_under_way(pair):
        # The row says that money moved, and the ledger does not say the same.
        return Class.AMOUNT_DIFFERS
    return None


def _without_line(pair: Pair, day: date) -> Verdict:
    if not moved_here(pair):
        return Verdict(None, "no-longer-held")
    if pair.elsewhere is None:
        return Verdict(Class.ONLY_HERE, None)
    if pair.kind != TRADE:
        return Verdict(None, "counted-on-acceptance-day")
    return MIDNIGHT if _follow(pair.elsewhere, day) else Verdict(Class.ONLY_HERE, None)


def _by_day(pair: Pair, day: date) -> Verdict:
    if pair.kind != TRADE or pair.here_at is None:
        return MATCH
    here = business_day(pair.here_at)
    if here == day:
        return MATCH
    return MIDNIGHT if _follow(here, day) else Verdict(Class.STATE_DIFFERS, None)


def _moved_there(pair: Pair) -> bool:
    return pair.there_state in {"DONE", "ACCEPTED"}


def moved_here(pair: Pair) -> bool:
    """Whether our row says that the money moved, or for a refund that the provider took it on."""
    return pair.here_state in (TOOK_MONEY if pair.kind == TRADE else RETURNS)


def _is_under_way(pair: Pair) -> bool:
    """A refund is booked when it is done, and listed when it is accepted."""
    return pair.here_state == "PROCESSING" and pair.booked_fen is None


def _follow(one: date, other: date) -> bool:
    return abs((one - other).days) == 1
