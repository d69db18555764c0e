"""The calls to a commercial insurer, made as calls of the settlement."""

from typing import Any

from integrations.ports.cover import CoverClaim, CoverGateway
from integrations.ports.insurance import CallId, InsuranceLine
from integrations.ports.outcomes import NotSent, Outcome, Rejected
from integrations.ports.partners import PartnerUnknown
from service.bill.model import Bill
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.problems import InvariantBroken
from service.settlement.cover.model import Cover
from service.settlement.insurance.chains import Send
from service.settlement.model import CallKind, Progress, Settlement

KINDS = frozenset(
    {
        CallKind.ADJUDICATE,
        CallKind.COVER_CONFIRM,
        CallKind.COVER_FIND,
        CallKind.COVER_WITHDRAW,
    }
)


def sender(
    ctx: Context, institution_code: str, kind: CallKind, progress: Progress, charged: Bill | None
) -> Send:
    """The call; the bureau's line has no part in it. ``charged`` is needed to ask for an offer."""
    cover = of(progress)

    async def send(_line: InsuranceLine, _call: CallId) -> Outcome[Any]:
        try:
            gateway = ctx.partners.cover(institution_code, cover.insurer)
        except PartnerUnknown:
            if kind is CallKind.ADJUDICATE:
                return Rejected(reason="not-contracted", provider_code="", provider_text="")
            return NotSent("not-contracted")
        match kind:
            case CallKind.ADJUDICATE:
                return await gateway.adjudicate(_claim(cover, progress, charged))
            case CallKind.COVER_CONFIRM:
                return await _confirm(gateway, cover, progress)
            case CallKind.COVER_FIND:
                return await gateway.find(cover.claim_no)
            case _:
                return await gateway.withdraw(cover.claim_no)

    return send


async def undoing(ctx: Context, row: Settlement, progress: Progress) -> Send:
    """The withdrawal of what stands."""
    place = await institution.get_institution(ctx, row.institution_id)
    return sender(ctx, place.code, CallKind.COVER_WITHDRAW, progress, None)


def of(progress: Progress) -> Cover:
    """The claim of a settlement that has one."""
    if progress.cover is None:
        raise InvariantBroken("only a settlement with an insurer claims")
    return progress.cover


def _claim(cover: Cover, progress: Progress, charged: Bill | None) -> CoverClaim:
    if progress.promised is None or progress.insured is None or charged is None:
        raise InvariantBroken("a claim is made on a divided bill of an insured person")
    return CoverClaim(
        claim_no=cover.claim_no,
        authorisation=cover.authorisation,
        id_no=progress.insured.id_no,
        visit=charged.visit,
        lines=charged.lines,
        split=progress.promised,
    )


async def _confirm(gateway: CoverGateway, cover: Cover, progress: Progress) -> Outcome[Any]:
    if progress.settled is None:
        raise InvariantBroken("a claim is confirmed on a settled bill")
    split = progress.settled.split
    most_fen = cover.of(split.cash_fen)
    ref = progress.settled.settlement_ref
    return await gateway.confirm(cover.claim_no, ref, split, most_fen)
