"""Pure decisions of the saga: which call comes next, and what its outcome means.

The rules follow the insurance dossier 1.7 and 1.9 and the payments dossier 9. Unknown is never
failed: each kind of call says here how its lost answer is cleared up.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from integrations.ports.insurance import Settled, Split
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from service.settlement.model import (
    CallKind,
    Doubt,
    DoubtPhase,
    InsuranceCall,
    Progress,
)
from service.settlement.states import SettlementEvent, SettlementState

LINES_MAX = 100
"""Charge lines in one message (dossier 1.7)."""
VISIT_NO_MAX = 30
WAIT_MAX = timedelta(minutes=10)
CONTRADICTS = "answer-contradicts"


class Leg(StrEnum):
    """One thing that is undone when a settlement is reversed."""

    MONEY = "money"
    SETTLEMENT = "settlement"
    CHARGES = "charges"
    VISIT = "visit"


COMPENSATION: tuple[Leg, ...] = (Leg.MONEY, Leg.SETTLEMENT, Leg.CHARGES, Leg.VISIT)
"""The order of undoing (payments dossier 9.8): the payer's money first, then the insurance, so that
nobody is left without both. Each leg is definite before the next begins."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an outcome means. Without an event the state stays."""

    progress: Progress
    event: SettlementEvent | None = None
    reason: str | None = None
    again: Literal["now", "later"] = "now"
    """``later``: no progress was made; the same is tried again after a while."""
    left_behind: str | None = None
    """The reason of a work item: something harmless stays at the bureau."""
    undid: bool = False
    """The doubtful call is undone for certain."""
    refund_fen: int = 0
    """The payer paid this much more than the bureau leaves to him."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a settlement was promised and how its institution takes a change."""

    state: SettlementState
    total_fen: int
    paid_fen: int
    undo_moved: bool


def back_off(tries: int, first: timedelta) -> timedelta:
    """Doubled with each try without progress, at most ten minutes. ``tries`` counts from 1."""
    return min(first * 2 ** min(max(tries - 1, 0), 16), WAIT_MAX)


def own_split(total_fen: int) -> Split:
    """The division of a bill that the payer pays alone."""
    return Split(
        total_fen=total_fen,
        fund_fen=0,
        account_fen=0,
        cash_fen=total_fen,
        hospital_fen=0,
        mutual_aid_fen=0,
        full_own_fen=total_fen,
        over_limit_fen=0,
        first_pay_fen=0,
        in_scope_fen=0,
        funds={},
        balance_after_fen=0,
    )


def split_faults(split: Split, total_fen: int) -> list[str]:
    """Which identities (dossier 3) a division breaks; empty when all hold."""
    parts = (split.fund_fen, split.account_fen, split.cash_fen, split.hospital_fen)
    checks = {
        "other-total": split.total_fen == total_fen,
        "negative-part": min(parts) >= 0,
        "parts": sum(parts) == split.total_fen,
        "scope-parts": split.full_own_fen
        + split.over_limit_fen
        + split.first_pay_fen
        + split.in_scope_fen
        == split.total_fen,
        "funds": sum(split.funds.values()) == split.fund_fen,
        "mutual-aid": 0 <= split.mutual_aid_fen <= split.account_fen,
    }
    return [name for name, holds in checks.items() if not holds]


def same_parts(one: Split, other: Split) -> bool:
    """Whether everybody pays the same in both."""
    return (one.fund_fen, one.account_fen, one.cash_fen, one.hospital_fen) == (
        other.fund_fen,
        other.account_fen,
        other.cash_fen,
        other.hospital_fen,
    )


def next_presettle_call(progress: Progress, lines: int) -> CallKind:
    """The first thing that the bureau has not been told yet."""
    if progress.visit_ref is None:
        return CallKind.REGISTER
    if not progress.diagnosed:
        return CallKind.DIAGNOSES
    if progress.charges_in_doubt:
        return CallKind.WITHDRAW
    if progress.lines_sent < lines:
        return CallKind.CHARGES
    return CallKind.PRESETTLE


def next_doubt_call(doubt: Doubt) -> CallKind:
    """How a doubtful call is cleared up: look, undo, look again."""
    return CallKind.UNDO if doubt.phase is DoubtPhase.UNDO else CallKind.FIND


def next_settle_call(progress: Progress) -> CallKind:
    """Never a second settlement while the first is in doubt."""
    return CallKind.SETTLE if progress.doubt is None else next_doubt_call(progress.doubt)


def next_undo_call(progress: Progress) -> tuple[Leg, CallKind] | None:
    """The next call of the insurance legs, in the order of ``COMPENSATION``; None when all is undone."""
    wanted = {
        Leg.SETTLEMENT: _undo_settlement(progress),
        Leg.CHARGES: CallKind.WITHDRAW
        if progress.visit_ref is not None and (progress.lines_sent or progress.charges_in_doubt)
        else None,
        Leg.VISIT: CallKind.CANCEL if progress.visit_ref is not None else None,
    }
    for leg in COMPENSATION:
        if (kind := wanted.get(leg)) is not None:
            return leg, kind
    return None


def _undo_settlement(progress: Progress) -> CallKind | None:
    if progress.doubt is not None:
        return next_doubt_call(progress.doubt)
    return CallKind.REVERSE if progress.settled is not None else None


def judge(call: InsuranceCall, progress: Progress, outcome: Outcome[Any], terms: Terms) -> Verdict:
    """What the outcome of one call means for the settlement."""
    if isinstance(outcome, NotSent):
        return Verdict(progress=progress, again="later")
    return _JUDGES[call.kind](call, progress, outcome, terms)


def _refused(progress: Progress, outcome: Rejected) -> Verdict:
    return Verdict(
        progress=replace(progress, refusal_text=outcome.provider_text or None),
        event=SettlementEvent.REFUSED,
        reason="insurance-refused",
    )


def _register(
    call: InsuranceCall, progress: Progress, outcome: Outcome[str], terms: Terms
) -> Verdict:
    """A lost answer hides the visit's number: register anew under another number of ours."""
    match outcome:
        case Accepted(value):
            return Verdict(progress=replace(progress, visit_ref=value))
        case Rejected():
            return _refused(progress, outcome)
        case _:
            return Verdict(progress=_next_visit(progress), again="later")


def _next_visit(progress: Progress) -> Progress:
    tries = progress.visit_tries + 1
    suffix = f"-{tries}"
    stem = progress.visit_no.removesuffix(f"-{progress.visit_tries}")
    return replace(
        progress,
        visit_tries=tries,
        visit_no=stem[: VISIT_NO_MAX - len(suffix)] + suffix,
        visits_lost=progress.visits_lost + 1,
    )


def _diagnoses(
    call: InsuranceCall, progress: Progress, outcome: Outcome[None], terms: Terms
) -> Verdict:
    """Repeating overwrites, so a lost answer is simply repeated."""
    match outcome:
        case Accepted():
            return Verdict(progress=replace(progress, diagnosed=True))
        case Rejected():
            return _refused(progress, outcome)
        case _:
            return Verdict(progress=progress, again="later")


def _charges(
    call: InsuranceCall, progress: Progress, outcome: Outcome[int], terms: Terms
) -> Verdict:
    """``Accepted`` carries how many lines were in the message."""
    match outcome:
        case Accepted(value):
            return Verdict(progress=replace(progress, lines_sent=progress.lines_sent + value))
        case Rejected():
            return _refused(progress, outcome)
        case _:
            return Verdict(progress=replace(progress, charges_in_doubt=True), again="later")


def _withdraw(
    call: InsuranceCall, progress: Progress, outcome: Outcome[None], terms: Terms
) -> Verdict:
    gone = replace(progress, lines_sent=0, charges_in_doubt=False, batch=progress.batch + 1)
    match outcome:
        case Accepted():
            return Verdict(progress=gone)
        case Rejected() if terms.state is SettlementState.REVERSING:
            return Verdict(progress=gone, left_behind="charges-left-at-insurer")
        case Rejected():
            return _refused(progress, outcome)
        case _:
            return Verdict(progress=progress, again="later")


def _presettle(
    call: InsuranceCall, progress: Progress, outcome: Outcome[Split], terms: Terms
) -> Verdict:
    match outcome:
        case Accepted(value) if split_faults(value, terms.total_fen):
            return _contradicts(progress, "split-contradicts")
        case Accepted(value):
            return Verdict(progress=replace(progress, promised=value), event=SettlementEvent.SPLIT)
        case Rejected():
            return _refused(progress, outcome)
        case Unknown(why) if why == CONTRADICTS:
            return _contradicts(progress, "split-contradicts")
        case _:
            return Verdict(progress=progress, again="later")


def _contradicts(progress: Progress, reason: str) -> Verdict:
    return Verdict(progress=progress, event=SettlementEvent.CONTRADICTED, reason=reason)


def _settle(
    call: InsuranceCall, progress: Progress, outcome: Outcome[Settled], terms: Terms
) -> Verdict:
    match outcome:
        case Accepted(value):
            return settled_verdict(progress, value, terms)
        case Rejected():
            return _refused(progress, outcome)
    doubtful = replace(
        progress, doubt=Doubt(kind="settle", call=call.wire_id, phase=DoubtPhase.ASK)
    )
    if isinstance(outcome, Unknown) and outcome.why == CONTRADICTS:
        return _contradicts(doubtful, "settlement-contradicts")
    return Verdict(progress=doubtful, again="later")


def settled_verdict(progress: Progress, settled: Settled, terms: Terms) -> Verdict:
    """What the bureau's settlement means beside its promise and the institution's wish."""
    known = replace(progress, settled=settled, doubt=None)
    if terms.state is not SettlementState.SETTLING:
        return Verdict(progress=known)
    split = settled.split
    if progress.promised is None or split_faults(split, terms.total_fen):
        return _contradicts(known, "settlement-contradicts")
    if terms.undo_moved and not same_parts(split, progress.promised):
        return Verdict(
            progress=known, event=SettlementEvent.AMOUNTS_REFUSED, reason="amounts-moved"
        )
    if split.cash_fen > terms.paid_fen:
        return Verdict(progress=known, event=SettlementEvent.CASH_ROSE, reason="amounts-moved")
    return Verdict(
        progress=known,
        event=SettlementEvent.SETTLED,
        refund_fen=terms.paid_fen - split.cash_fen,
    )


def _find(
    call: InsuranceCall, progress: Progress, outcome: Outcome[Settled | None], terms: Terms
) -> Verdict:
    """What a look at the bureau's books says of the call in doubt."""
    doubt = progress.doubt
    if doubt is None:
        return Verdict(progress=progress)
    if isinstance(outcome, Unknown) and outcome.why == CONTRADICTS:
        return _contradicts(progress, "settlement-contradicts")
    found = outcome.value if isinstance(outcome, Accepted) else None
    if doubt.kind == "reverse":
        return _found_for_reverse(progress, doubt, isinstance(outcome, Accepted), found)
    if doubt.phase is DoubtPhase.RECHECK:
        if found is None:
            return Verdict(progress=replace(progress, doubt=None))
        late = replace(progress, doubt=replace(doubt, phase=DoubtPhase.UNDO))
        return Verdict(progress=late, again="later")
    if found is None:
        return Verdict(progress=replace(progress, doubt=replace(doubt, phase=DoubtPhase.UNDO)))
    return settled_verdict(progress, found, terms)


def _found_for_reverse(
    progress: Progress, doubt: Doubt, looked: bool, found: Settled | None
) -> Verdict:
    if looked and found is None:
        return Verdict(progress=_reversed(progress, "found-reversed"))
    if doubt.phase is DoubtPhase.RECHECK:
        return Verdict(progress=replace(progress, doubt=None))
    return Verdict(progress=replace(progress, doubt=replace(doubt, phase=DoubtPhase.UNDO)))


def _reversed(progress: Progress, ref: str) -> Progress:
    return replace(progress, settled=None, doubt=None, reversed_ref=ref)


def _undo(call: InsuranceCall, progress: Progress, outcome: Outcome[None], terms: Terms) -> Verdict:
    """Repeated under a new number until the bureau agrees; only then is the doubt over."""
    if progress.doubt is None or not isinstance(outcome, Accepted):
        return Verdict(progress=progress, again="later")
    checked = replace(progress.doubt, phase=DoubtPhase.RECHECK)
    return Verdict(progress=replace(progress, doubt=checked), undid=True)


def _reverse(
    call: InsuranceCall, progress: Progress, outcome: Outcome[str], terms: Terms
) -> Verdict:
    match outcome:
        case Accepted(value):
            return Verdict(progress=_reversed(progress, value))
        case Rejected():
            return _contradicts(progress, "reversal-refused")
        case _:
            doubt = Doubt(kind="reverse", call=call.wire_id, phase=DoubtPhase.ASK)
            return Verdict(progress=replace(progress, doubt=doubt), again="later")


def _cancel(
    call: InsuranceCall, progress: Progress, outcome: Outcome[None], terms: Terms
) -> Verdict:
    match outcome:
        case Accepted():
            return Verdict(progress=replace(progress, visit_ref=None))
        case Rejected():
            return Verdict(
                progress=replace(progress, visit_ref=None), left_behind="visit-left-at-insurer"
            )
        case _:
            return Verdict(progress=progress, again="later")


_JUDGES: Mapping[CallKind, Callable[[InsuranceCall, Progress, Any, Terms], Verdict]] = {
    CallKind.REGISTER: _register,
    CallKind.DIAGNOSES: _diagnoses,
    CallKind.CHARGES: _charges,
    CallKind.WITHDRAW: _withdraw,
    CallKind.PRESETTLE: _presettle,
    CallKind.SETTLE: _settle,
    CallKind.FIND: _find,
    CallKind.UNDO: _undo,
    CallKind.REVERSE: _reverse,
    CallKind.CANCEL: _cancel,
}


def owed_fen(cash_fen: int | None, paid_fen: int) -> int:
    """What the payer still owes."""
    return max(0, (cash_fen or 0) - paid_fen)


def message_number(institution_code: str, stamp: str, sequence: int) -> str:
    """30 characters: institution 12, Beijing second 14, sequence 4 (dossier 1.1)."""
    return f"{institution_code}{stamp}{sequence % 10_000:04d}"


def is_past(deadline: datetime | None, now: datetime) -> bool:
    """Whether there is a deadline and it has come."""
    return deadline is not None and now >= deadline
