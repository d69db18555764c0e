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
            return weigh(asked, _with(asked, replace(refused, granted_fen=0)))
        case Unknown(why) if why == CONTRADICTS:
            doubtful = replace(cover, in_doubt=True)
            return contradicts(_with(asked, doubtful), "cover-contradicts")
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
    known = replace(cover, granted_fen=grant.cover_fen, claim_ref=grant.claim_ref, in_doubt=False)
    own_fen = 0 if asked.progress.settled is None else asked.progress.settled.split.cash_fen
    if grant.cover_fen > cover.of(own_fen):
        doubtful = replace(cover, in_doubt=True)
        return contradicts(_with(asked, doubtful), "cover-contradicts")
    return weigh(asked, _with(asked, known))


def _withdraw(asked: Asked, outcome: Outcome[CoverWithdrawn]) -> Verdict:
    """Repeated under its number until the insurer agrees."""
    cover = of(asked.progress)
    match outcome:
        case Accepted():
            gone = replace(cover, granted_fen=None, claim_ref=None, in_doubt=False)
            return Verdict(progress=_with(asked, gone))
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
