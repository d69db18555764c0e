"""How one thing is undone at the bureau, or a call in doubt is cleared up."""

from typing import Any

from integrations.ports.insurance import CallId, InsuranceLine, Insured
from integrations.ports.outcomes import Outcome
from service.kernel.problems import InvariantBroken
from service.settlement.insurance.chains import Send, StayLine
from service.settlement.insurance.hospital_line import HospitalLine
from service.settlement.model import CallKind, Progress


def sender(kind: CallKind, progress: Progress, insured: Insured) -> Send:
    """The call that undoes one thing, or looks for the one in doubt."""
    visit_ref = progress.visit_ref or ""

    async def send(line: InsuranceLine, call: CallId) -> Outcome[Any]:
        match kind:
            case CallKind.REVERSE:
                settled = progress.settled
                ref = settled.settlement_ref if settled is not None else ""
                return await line.reverse(insured, visit_ref, ref, call)
            case CallKind.WITHDRAW:
                return await line.withdraw_charges(insured, visit_ref, progress.batch_no, call)
            case CallKind.REOPEN:
                return await _reopen(line, insured, visit_ref, call)
            case CallKind.CANCEL:
                return await line.cancel_visit(insured, visit_ref, progress.visit_no, call)
            case _:
                return await clear_up(line, call, kind, progress, insured)

    return send


async def _reopen(
    line: InsuranceLine, insured: Insured, visit_ref: str, call: CallId
) -> Outcome[None]:
    if not isinstance(line, StayLine | HospitalLine):
        raise InvariantBroken("only a stay has a discharge")
    return await line.reopen(insured, visit_ref, call)


async def clear_up(
    line: InsuranceLine,
    call: CallId,
    kind: CallKind,
    progress: Progress,
    insured: Insured,
) -> Outcome[Any]:
    """Look for, or undo, the call in doubt."""
    if kind is CallKind.FIND or progress.doubt is None:
        return await line.find_settlement(insured, progress.visit_ref or "", call)
    return await line.undo_uncertain(insured, progress.doubt.call, progress.doubt.kind, call)
