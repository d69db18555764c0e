"""What the outcome of one call to a commercial insurer means. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from integrations.ports.cover import CoverGrant, CoverOffer, CoverWithdrawn
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from service.settlement.cover.claiming import of
from service.settlement.cover.model import Cover, declined
from service.settlement.insurance.verdicts import (
    CONTRADICTS,
    Asked,
    Verdict,
    contradicts,
    weigh,
)
from service.settlement.model import CallKind, Progress
from service.settlement.states import SettlementEvent

OFFER_TRIES = 2
"""A payer stands and waits: an insurer that does not answer holds nobody up for long."""


def _with(asked: Asked, cover: Cover) -> Progress:
    return replace(asked.progress, cover=cover)


def _adjudicate(asked: Asked, outcome: Outcome[CoverOffer]) -> Verdict:
    """Whatever the insurer says, the payer can go on; without an offer he pays by himself."""
    cover = of(asked.progress)
    match outcome:
        case Accepted(offer):
            known = replace(cover, offered_fen=offer.cover_fen)
        case Rejected():
            known = declined(cover, outcome.reason, outcome.provider_text or None)
        case Unknown(why) if why == CONTRADICTS:
            known = declined(cover, CONTRADICTS, None)
        case _ if cover.tries + 1 < OFFER_TRIES:
            tried = replace(cover, tries=cover.tries + 1)
            return Verdict(progress=_with(asked, tried), again="later")
        case _:
            known = declined(cover, "unreachable", None)
    return Verdict(progress=_with(asked, known), event=SettlementEvent.SPLIT)


def _confirm(asked: Asked, outcome: Outcome[CoverGrant]) -> Verdict:
    """A lost answer is looked for before the same is said again."""
    cover = of(asked.progress)
    match outcome:
        case Accepted(grant):
            return _granted(asked, cover, grant)
        case Rejected():
            refused = declined(cover, outcome.reason, outcome.provider_text or None)
            if refused.is_refused_late:
                return Verdict(progress=_with(asked, refused))
            return weigh(asked, _with(asked, replace(refused, granted_fen=0)))
        case Unknown(why):
            doubtful = _with(asked, replace(cover, in_doubt=True, may_arrive=True))
            if why == CONTRADICTS:
                return contradicts(doubtful, "cover-contradicts")
            return Verdict(progress=doubtful, again="later")
        case _:
            return Verdict(progress=_with(asked, replace(cover, in_doubt=True)), again="later")


def _find(asked: Asked, outcome: Outcome[CoverGrant | None]) -> Verdict:
    """Not there: the same number is said again, which is the same claim should it arrive late."""
    cover = of(asked.progress)
    match outcome:
        case Accepted(grant) if grant is not None:
            return _granted(asked, cover, grant)
        case Accepted():
            return Verdict(progress=_with(asked, replace(cover, in_doubt=False)))
        case _:
            return Verdict(progress=asked.progress, again="later")


def _granted(asked: Asked, cover: Cover, grant: CoverGrant) -> Verdict:
    heard = replace(cover, in_doubt=False, may_arrive=False)
    known = replace(heard, granted_fen=grant.cover_fen, claim_ref=grant.claim_ref)
    own_fen = 0 if asked.progress.settled is None else asked.progress.settled.split.cash_fen
    if grant.cover_fen > cover.of(own_fen):
        doubtful = replace(cover, in_doubt=True)
        return contradicts(_with(asked, doubtful), "cover-contradicts")
    return weigh(asked, _with(asked, known))


def _withdraw(asked: Asked, outcome: Outcome[CoverWithdrawn]) -> Verdict:
    """Repeated under its number until the insurer agrees. While the bill is being settled it ends a
    claim that was refused, so that nothing is owed."""
    cover = of(asked.progress)
    match outcome:
        case Accepted():
            granted_fen = 0 if cover.is_refused_late else None
            gone = replace(cover, claim_ref=None, in_doubt=False, may_arrive=False)
            return weigh(asked, _with(asked, replace(gone, granted_fen=granted_fen)))
        case Rejected():
            return contradicts(asked.progress, "cover-withdrawal-refused")
        case _:
            return Verdict(progress=asked.progress, again="later")


JUDGES: Mapping[CallKind, Callable[[Asked, Any], Verdict]] = {
    CallKind.ADJUDICATE: _adjudicate,
    CallKind.COVER_CONFIRM: _confirm,
    CallKind.COVER_FIND: _find,
    CallKind.COVER_WITHDRAW: _withdraw,
}
