"""What an answer of the hospital's own machine must be."""

from integrations.ports.insurance import Split
from service.settlement.asks.model import AskKind, InsuranceAsk, Result, Told
from service.settlement.rules import split_faults

_NEEDS = {
    AskKind.PRESETTLE: {"split"},
    AskKind.SETTLE: {"settled"},
    AskKind.REVERSE: {"reversal_ref"},
}


def shape_fault(kind: AskKind, told: Told) -> str | None:
    """Which member is missing or too much, in words; None when the answer is of its kind."""
    values = {"split": told.split, "settled": told.settled, "reversal_ref": told.reversal_ref}
    given = {name for name, value in values.items() if value is not None}
    needed = _NEEDS.get(kind, set()) if told.result is Result.DONE else set()
    allowed = {"settled"} if kind is AskKind.FIND and told.result is Result.DONE else needed
    if missing := sorted(needed - given):
        return f"{missing[0]}: missing in the answer to a {kind.value}"
    if extra := sorted(given - allowed):
        return f"{extra[0]}: not in this answer to a {kind.value}"
    if (told.result is Result.REFUSED) != bool(told.text):
        return "text: says why it was refused, and nothing else"
    return None


def division(told: Told) -> Split | None:
    """The amounts of an answer."""
    return told.settled.split if told.settled is not None else told.split


def sum_faults(row: InsuranceAsk, told: Told) -> list[str]:
    """Which identities the amounts break; empty when all hold, or there are none."""
    split = division(told)
    return [] if split is None else split_faults(split, row.total_fen)
