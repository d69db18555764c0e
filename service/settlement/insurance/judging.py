"""What the outcome of one call to the bureau means: pure, one function a kind of call.

The rules follow the insurance dossier 1.7 and 1.9. Unknown is never failed: each function says how
its lost answer is cleared up.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from integrations.ports.insurance import Settled, Split
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from service.settlement.cover import judging as cover_judging
from service.settlement.insurance import judging_centre
from service.settlement.insurance.chains import NOTHING, add_scopes
from service.settlement.insurance.verdicts import (
    CONTRADICTS,
    Asked,
    Verdict,
    contradicts,
    settled,
)
from service.settlement.model import (
    CallKind,
    ChargesTold,
    Doubt,
    DoubtPhase,
    Progress,
)
from service.settlement.rules import VISIT_NO_MAX, asks_cover, split_faults
from service.settlement.states import SettlementEvent, SettlementState


def judge(asked: Asked, outcome: Outcome[Any]) -> Verdict:
    """What the outcome of one call means for the settlement."""
    if isinstance(outcome, NotSent) and asked.call.kind is not CallKind.ADJUDICATE:
        return Verdict(progress=asked.progress, again="later")
    verdict = _JUDGES[asked.call.kind](asked, outcome)
    if asked.correcting and verdict.event is SettlementEvent.REFUSED:
        return replace(verdict, event=SettlementEvent.CONTRADICTED)
    return verdict


def _refused(progress: Progress, outcome: Rejected) -> Verdict:
    return Verdict(
        progress=replace(progress, refusal_text=outcome.provider_text or None),
        event=SettlementEvent.REFUSED,
        reason="insurance-refused",
    )


def _register(asked: Asked, outcome: Outcome[str]) -> Verdict:
    """A lost answer hides the visit's number: register anew under another number of ours. An
    admission is undone instead, for a person is in one bed at a time."""
    match outcome:
        case Accepted(value):
            return Verdict(progress=replace(asked.progress, visit_ref=value))
        case Rejected():
            return _refused(asked.progress, outcome)
        case _:
            if asked.of_stay:
                doubt = Doubt(kind="admit", call=asked.call.wire_id, phase=DoubtPhase.UNDO)
                return Verdict(progress=replace(asked.progress, doubt=doubt), again="later")
            return Verdict(progress=_next_visit(asked.progress), again="later")


def _next_visit(progress: Progress) -> Progress:
    tries = progress.visit_tries + 1
    suffix = f"-{tries}"
    stem = progress.visit_no
    if progress.visit_tries > 1:
        stem = stem.removesuffix(f"-{progress.visit_tries}")
    return replace(
        progress,
        visit_tries=tries,
        visit_no=stem[: VISIT_NO_MAX - len(suffix)] + suffix,
        visits_lost=progress.visits_lost + 1,
    )


def _diagnoses(asked: Asked, outcome: Outcome[None]) -> Verdict:
    """Repeating overwrites, so a lost answer is simply repeated. A discharge counts once: lost, it
    is taken back and told anew."""
    match outcome:
        case Accepted():
            return Verdict(progress=replace(asked.progress, diagnosed=True))
        case Rejected():
            return _refused(asked.progress, outcome)
        case _:
            doubtful = replace(asked.progress, discharge_in_doubt=asked.of_stay)
            return Verdict(progress=doubtful, again="later")


def _reopen(asked: Asked, outcome: Outcome[None]) -> Verdict:
    """Refused after a lost answer: it does not stand. Refused for a reason, it is left behind."""
    progress = asked.progress
    gone = replace(progress, diagnosed=False, discharge_in_doubt=False)
    match outcome:
        case Accepted():
            return Verdict(progress=gone)
        case Rejected():
            known = not progress.discharge_in_doubt
            return Verdict(
                progress=gone, left_behind="discharge-left-at-insurer" if known else None
            )
        case _:
            return Verdict(progress=replace(progress, discharge_in_doubt=True), again="later")


def _charges(asked: Asked, outcome: Outcome[ChargesTold]) -> Verdict:
    """A lost batch is withdrawn whole."""
    progress = asked.progress
    match outcome:
        case Accepted(value):
            sent = progress.lines_sent + value.lines
            scope = add_scopes(progress.scope, value.scope)
            return Verdict(progress=replace(progress, lines_sent=sent, scope=scope))
        case Rejected():
            return _refused(progress, outcome)
        case _:
            return Verdict(progress=replace(progress, charges_in_doubt=True), again="later")


def _withdraw(asked: Asked, outcome: Outcome[None]) -> Verdict:
    progress = asked.progress
    gone = replace(
        progress,
        lines_sent=0,
        charges_in_doubt=False,
        batch=progress.batch + 1,
        scope=NOTHING if asked.of_stay else None,
    )
    match outcome:
        case Accepted():
            return Verdict(progress=gone)
        case Rejected() if asked.state is SettlementState.REVERSING:
            return Verdict(progress=gone, left_behind="charges-left-at-insurer")
        case Rejected() if asked.state is SettlementState.AWAITING_PAYER:
            return judging_centre.not_begun(asked, outcome)
        case Rejected():
            return _refused(progress, outcome)
        case _:
            return Verdict(progress=progress, again="later")


def _presettle(asked: Asked, outcome: Outcome[Split]) -> Verdict:
    """Changes nothing at the bureau, so a lost answer is asked for again."""
    progress = asked.progress
    match outcome:
        case Accepted(value) if split_faults(value, asked.total_fen):
            return contradicts(progress, "split-contradicts")
        case Accepted(value):
            divided = replace(progress, promised=value)
            event = None if asks_cover(divided) else SettlementEvent.SPLIT
            return Verdict(progress=divided, event=event)
        case Rejected():
            return _refused(progress, outcome)
        case Unknown(why) if why == CONTRADICTS:
            return contradicts(progress, "split-contradicts")
        case _:
            return Verdict(progress=progress, again="later")


def _settle(asked: Asked, outcome: Outcome[Settled]) -> Verdict:
    """A lost answer puts the call in doubt; nothing else is asked before that is cleared up."""
    match outcome:
        case Accepted(value):
            return settled(asked, value)
        case Rejected():
            return _refused(asked.progress, outcome)
    doubt = Doubt(kind="settle", call=asked.call.wire_id, phase=DoubtPhase.ASK)
    doubtful = replace(asked.progress, doubt=doubt)
    if isinstance(outcome, Unknown) and outcome.why == CONTRADICTS:
        return contradicts(doubtful, "settlement-contradicts")
    return Verdict(progress=doubtful, again="later")


def _find(asked: Asked, outcome: Outcome[Settled | None]) -> Verdict:
    """What the bureau's book says of the call in doubt. A look that fails says nothing."""
    doubt = asked.progress.doubt
    if doubt is None:
        return Verdict(progress=asked.progress)
    if isinstance(outcome, Unknown) and outcome.why == CONTRADICTS:
        return contradicts(asked.progress, "settlement-contradicts")
    looked = isinstance(outcome, Accepted)
    found = outcome.value if isinstance(outcome, Accepted) else None
    if doubt.kind == "reverse":
        return _find_reversal(asked.progress, doubt, gone=looked and found is None)
    if found is not None and doubt.phase is DoubtPhase.ASK:
        return settled(asked, found)
    if found is None and doubt.phase is DoubtPhase.RECHECK:
        return Verdict(progress=replace(asked.progress, doubt=None))
    # Not there yet, or there although it was undone: it arrived late. Both are undone (again).
    doubtful = replace(asked.progress, doubt=replace(doubt, phase=DoubtPhase.UNDO))
    return Verdict(progress=doubtful, again="later" if found is not None else "now")


def _find_reversal(progress: Progress, doubt: Doubt, *, gone: bool) -> Verdict:
    """A settlement that is gone was reversed. One that stands may still be reversed late."""
    if gone:
        return Verdict(progress=_reversed(progress, "found-reversed"))
    if doubt.phase is DoubtPhase.RECHECK:
        return Verdict(progress=replace(progress, doubt=None))
    return Verdict(progress=replace(progress, doubt=replace(doubt, phase=DoubtPhase.UNDO)))


def _reversed(progress: Progress, ref: str) -> Progress:
    return replace(progress, settled=None, doubt=None, reversed_ref=ref)


def _undo(asked: Asked, outcome: Outcome[None]) -> Verdict:
    """Repeated under a new number until the bureau agrees; only then is the doubt over."""
    doubt = asked.progress.doubt
    if doubt is None or not isinstance(outcome, Accepted):
        return Verdict(progress=asked.progress, again="later")
    if doubt.kind == "admit":
        return Verdict(progress=replace(asked.progress, doubt=None), undid=True)
    checked = replace(asked.progress, doubt=replace(doubt, phase=DoubtPhase.RECHECK))
    return Verdict(progress=checked, undid=True)


def _reverse(asked: Asked, outcome: Outcome[str]) -> Verdict:
    progress = asked.progress
    match outcome:
        case Accepted(value):
            return Verdict(progress=_reversed(progress, value))
        case Rejected():
            return contradicts(progress, "reversal-refused")
        case _:
            doubt = Doubt(kind="reverse", call=asked.call.wire_id, phase=DoubtPhase.ASK)
            return Verdict(progress=replace(progress, doubt=doubt), again="later")


def _cancel(asked: Asked, outcome: Outcome[None]) -> Verdict:
    """A refusal leaves a visit without charges at the bureau: harmless, but a person is told."""
    gone = replace(asked.progress, visit_ref=None)
    match outcome:
        case Accepted():
            return Verdict(progress=gone)
        case Rejected():
            return Verdict(progress=gone, left_behind="visit-left-at-insurer")
        case _:
            return Verdict(progress=asked.progress, again="later")


_JUDGES: Mapping[CallKind, Callable[[Asked, Any], Verdict]] = {
    CallKind.REGISTER: _register,
    CallKind.DIAGNOSES: _diagnoses,
    CallKind.CHARGES: _charges,
    CallKind.WITHDRAW: _withdraw,
    CallKind.PRESETTLE: _presettle,
    CallKind.SETTLE: _settle,
    CallKind.FIND: _find,
    CallKind.UNDO: _undo,
    CallKind.REVERSE: _reverse,
    CallKind.REOPEN: _reopen,
    CallKind.CANCEL: _cancel,
    **judging_centre.JUDGES,
    **cover_judging.JUDGES,
}
