"""What an answer of the payment centre means: pure, one function a kind of call.

An order that looks paid counts only when the centre calls it whole and its amounts are those that
the payer was told. What is unclear is asked, never sent again; only 6201 and 6203 are, under their
number (insurance dossier 5).
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from integrations.ports.insurance import Settled
from integrations.ports.insurance_mobile import (
    MobileOrder,
    MobileReturned,
    MobileStage,
    MobileStatus,
    PayerProof,
)
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from service.kernel.problems import InvariantBroken
from service.settlement.insurance.centre import amounts_of, ended
from service.settlement.insurance.verdicts import (
    CONTRADICTS,
    Asked,
    OwnPart,
    Verdict,
    contradicts,
    settled,
)
from service.settlement.model import CallKind, CentreOrder, Progress
from service.settlement.rules import same_parts
from service.settlement.states import SettlementState

REFUSED, MOVED = "centre-refused", "amounts-moved"
SIDES_DIFFER = "centre-sides-differ"
"""Money may have moved on one side only, or the centre tells what cannot be."""


def _of(asked: Asked) -> CentreOrder:
    if asked.progress.centre is None:
        raise InvariantBroken("the centre was asked about an order")
    return asked.progress.centre


def _with(asked: Asked, **changes: Any) -> Progress:
    return replace(asked.progress, centre=replace(_of(asked), **changes))


def _upload(asked: Asked, outcome: Outcome[MobileOrder]) -> Verdict:
    """6201 is safe to repeat under its number."""
    match outcome:
        case Accepted(order):
            known = _with(asked, order=order, upload_in_doubt=False)
            return Verdict(
                progress=replace(
                    known, visit_ref=order.visit_ref or known.visit_ref, charges_in_doubt=True
                )
            )
        case Rejected():
            text = outcome.provider_text or None
            gone = replace(ended(asked.progress, REFUSED), refusal_text=text)
            doubtful = _of(asked).upload_in_doubt
            return Verdict(
                progress=gone,
                own_part=OwnPart.REFUSED,
                left_behind="order-perhaps-at-centre" if doubtful else None,
            )
        case _:
            return Verdict(progress=_with(asked, upload_in_doubt=True), again="later")


def not_begun(asked: Asked, outcome: Rejected) -> Verdict:
    """The charges do not leave the visit, so the centre is not asked at all."""
    gone = replace(
        ended(asked.progress, "insurance-refused"), refusal_text=outcome.provider_text or None
    )
    return Verdict(progress=gone, own_part=OwnPart.REFUSED)


def _pay(asked: Asked, outcome: Outcome[MobileStatus]) -> Verdict:
    """Refused, the order is given up; lost, it is looked at."""
    match outcome:
        case Accepted(status):
            return _stands(asked, status)
        case Rejected():
            given_up = replace(
                _with(asked, unwanted=REFUSED), refusal_text=outcome.provider_text or None
            )
            return Verdict(progress=given_up)
        case Unknown(why) if why == CONTRADICTS:
            return contradicts(_with(asked, unclear=True), SIDES_DIFFER)
        case _:
            return Verdict(progress=_with(asked, unclear=True), again="later")


def _look(asked: Asked, outcome: Outcome[MobileStatus]) -> Verdict:
    """A look that fails says nothing."""
    match outcome:
        case Accepted(status):
            return _stands(asked, status)
        case Unknown(why) if why == CONTRADICTS:
            return contradicts(asked.progress, SIDES_DIFFER)
        case _:
            return Verdict(progress=asked.progress, again="later")


def _revoke(asked: Asked, outcome: Outcome[None]) -> Verdict:
    """Refused, the payer was perhaps faster."""
    if isinstance(outcome, Accepted):
        return Verdict(progress=ended(asked.progress), own_part=OwnPart.CLOSED)
    return Verdict(progress=_with(asked, unclear=True), again="later")


def _stands(asked: Asked, status: MobileStatus) -> Verdict:
    """Where the order stands, before it is paid and while it goes back."""
    if _of(asked).paid:
        return _going_back(asked, status)
    seen = _with(asked, unclear=False)
    is_over = status.revoked or status.stage is MobileStage.FAILED
    if is_over and asked.state is SettlementState.SETTLING:
        # The provider of a mixed order says that both legs are paid.
        return contradicts(seen, SIDES_DIFFER)
    if status.needs_person or (status.stage is MobileStage.RETURNED and not status.revoked):
        # Somebody must look; also where was given back what we never heard was paid.
        return contradicts(seen, SIDES_DIFFER)
    if is_over:
        why = "deadline-passed" if status.revoked else REFUSED
        return Verdict(progress=ended(seen, why), own_part=OwnPart.CLOSED)
    if status.stage is MobileStage.CANDIDATE:
        return _candidate(asked, status, seen)
    return _open(asked, status, seen)


def _open(asked: Asked, status: MobileStatus, seen: Progress) -> Verdict:
    if status.amounts is None or _of(asked).unwanted is not None:
        return Verdict(progress=seen)
    promised = asked.progress.promised
    if promised is None or status.amounts != amounts_of(promised):
        return Verdict(progress=_with(asked, unclear=False, unwanted=MOVED))
    known = _with(asked, unclear=False, divided=True)
    if asked.state is SettlementState.SETTLING:
        return Verdict(progress=known, again="later")
    return Verdict(progress=known, own_part=OwnPart.PLACED, again="wait")


def _candidate(asked: Asked, status: MobileStatus, seen: Progress) -> Verdict:
    promised = asked.progress.promised
    if not status.whole:
        # Another look before it is given up: one side has paid already.
        return Verdict(progress=_with(asked, unclear=True), again="later")
    if promised is None or status.amounts != amounts_of(promised):
        return contradicts(seen, SIDES_DIFFER)
    return Verdict(
        progress=_with(asked, paid=True, divided=True, unclear=False), own_part=OwnPart.PAID
    )


def _going_back(asked: Asked, status: MobileStatus) -> Verdict:
    """Each part that went back is known, whoever asked for it."""
    before = _of(asked)
    if status.needs_person:
        return Verdict(progress=asked.progress, again="later", left_behind=SIDES_DIFFER)
    own, insurance = status.own_returned, status.insurance_returned
    return _returned(
        asked,
        own=before.own_returned or own,
        insurance=before.insurance_returned or insurance,
        ref=status.order_ref,
    )


def _returned(asked: Asked, *, own: bool, insurance: bool, ref: str) -> Verdict:
    before = _of(asked)
    proof = PayerProof() if insurance and (own or before.mixed) else before.proof
    known = _with(asked, unclear=False, own_returned=own, insurance_returned=insurance, proof=proof)
    if insurance and not before.insurance_returned:
        known = replace(known, settled=None, reversed_ref=ref, charges_in_doubt=True)
    newly = own and not before.own_returned
    return Verdict(
        progress=known,
        own_part=OwnPart.RETURNED if newly else None,
        own_ref=ref,
    )


def _give_back(asked: Asked, outcome: Outcome[MobileReturned]) -> Verdict:
    """6203. A refusal is repeated after a look and a while: its proof may have to be renewed."""
    is_own = asked.call.kind is CallKind.RETURN_OWN
    before = _of(asked)
    match outcome:
        case Accepted(done):
            return _returned(
                asked,
                own=is_own or before.own_returned,
                insurance=not is_own or before.insurance_returned,
                ref=done.refund_ref,
            )
        case Rejected():
            told = replace(_with(asked, unclear=True), refusal_text=outcome.provider_text or None)
            return Verdict(progress=told, again="later", left_behind="refund-refused-at-centre")
        case Unknown(why) if why == CONTRADICTS:
            return Verdict(
                progress=_with(asked, unclear=True), again="later", left_behind=SIDES_DIFFER
            )
        case _:
            return Verdict(progress=asked.progress, again="later")


def _tell(asked: Asked, outcome: Outcome[None]) -> Verdict:
    """Repeated under the same numbers until it is taken."""
    match outcome:
        case Accepted():
            return Verdict(progress=_with(asked, told=True))
        case Rejected():
            return Verdict(progress=asked.progress, again="later", left_behind="refund-not-told")
        case _:
            return Verdict(progress=asked.progress, again="later")


def _confirm(asked: Asked, outcome: Outcome[Settled | None]) -> Verdict:
    """The bureau's own book must hold what the centre called whole, with the same parts."""
    found = outcome.value if isinstance(outcome, Accepted) else None
    if isinstance(outcome, Unknown) and outcome.why == CONTRADICTS:
        return contradicts(asked.progress, "settlement-contradicts")
    if found is None:
        return Verdict(progress=asked.progress, again="later")
    promised = asked.progress.promised
    if promised is None or not same_parts(found.split, promised):
        return contradicts(replace(asked.progress, settled=found), "settlement-contradicts")
    return settled(asked, found)


JUDGES: Mapping[CallKind, Callable[[Asked, Any], Verdict]] = {
    CallKind.UPLOAD: _upload,
    CallKind.PAY: _pay,
    CallKind.LOOK: _look,
    CallKind.REVOKE: _revoke,
    CallKind.CONFIRM: _confirm,
    CallKind.TELL: _tell,
    CallKind.RETURN_OWN: _give_back,
    CallKind.RETURN_INSURANCE: _give_back,
}
