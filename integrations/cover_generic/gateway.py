"""``CoverGateway`` over the generic profile described in this folder's README.

Packs, signs, sends once, verifies, maps. No retries, no database. ID numbers leave as a digest.
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar

import msgspec

from crypto.sm3 import hmac_sm3
from integrations.cover_generic import wire
from integrations.kit.clocktext import beijing_day
from integrations.kit.generic_profile import GenericClient, GenericExchange
from integrations.kit.transport import Answer, Transport
from integrations.ports.cover import (
    CoverClaim,
    CoverDayLine,
    CoverGrant,
    CoverOffer,
    CoverWithdrawn,
)
from integrations.ports.insurance import Split
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown

PATH = "/cover/v1/claims/"
OFFERED, CONFIRMED, WITHDRAWN, NONE = "OFFERED", "CONFIRMED", "WITHDRAWN", "NONE"
REFUSALS = {
    "NOT_AUTHORISED": "not-authorised",
    "NOT_COVERED": "not-covered",
    "POLICY_EXPIRED": "policy-expired",
    "CLAIM_CLOSED": "claim-closed",
    "BAD_REQUEST": "request-invalid",
    "BAD_SIGNATURE": "account-misconfigured",
}
INVALID = Unknown("answer-invalid")
CONTRADICTS = "answer-contradicts"
K = TypeVar("K")


class CoverSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One institution's contract with one insurer. Holds a secret, so its text shows the names."""

    insurer: str
    """As bills name it."""
    institution_code: str
    client: str
    secret: str
    base_url: str

    def __repr__(self) -> str:
        return f"CoverSettings({self.insurer!r}, {self.institution_code!r})"


class GenericCover:
    """One contract."""

    def __init__(
        self,
        settings: CoverSettings,
        transport: Transport,
        clock: Callable[[], datetime],
        nonce: Callable[[], str],
    ) -> None:
        self.code = f"cover-{settings.insurer}"
        self._settings = settings
        signs = GenericClient(profile="Cover", client=settings.client, secret=settings.secret)
        self._exchange = GenericExchange(signs, transport, clock, nonce)
        self._base = settings.base_url.rstrip("/") + PATH

    async def adjudicate(self, claim: CoverClaim) -> Outcome[CoverOffer]:
        """``adjudicate``."""
        digest = hmac_sm3(self._settings.secret.encode(), claim.id_no.encode()).hex()
        body = wire.AdjudicateBody(
            claim_no=claim.claim_no,
            authorisation_no=claim.authorisation,
            id_digest=digest,
            visit_type=claim.visit.visit_type,
            visited_on=beijing_day(claim.visit.began_at).isoformat(),
            diagnoses=[one.code for one in claim.visit.diagnoses],
            charges=[
                wire.Charge(catalogue_code=one.catalogue_code, amount_fen=one.amount_fen)
                for one in claim.lines
            ],
            amounts=_amounts(claim.split),
        )
        told = await self._claim("adjudicate", body, claim.claim_no)
        if not isinstance(told, wire.ClaimAnswer):
            return told
        if told.state != OFFERED:
            return Unknown("status-unlisted")
        if told.cover_fen > claim.split.cash_fen:
            return _contradiction(told)
        return Accepted(CoverOffer(cover_fen=told.cover_fen))

    async def confirm(
        self, claim_no: str, settlement_ref: str, split: Split, at_most_fen: int
    ) -> Outcome[CoverGrant]:
        """``confirm``."""
        body = wire.ConfirmBody(
            claim_no=claim_no,
            settlement_ref=settlement_ref,
            at_most_fen=at_most_fen,
            amounts=_amounts(split),
        )
        told = await self._claim("confirm", body, claim_no)
        if not isinstance(told, wire.ClaimAnswer):
            return told
        if told.state != CONFIRMED:
            return Unknown("status-unlisted")
        return _contradiction(told) if told.cover_fen > at_most_fen else _grant(told)

    async def find(self, claim_no: str) -> Outcome[CoverGrant | None]:
        """``find``."""
        told = await self._claim("find", wire.ClaimBody(claim_no=claim_no), claim_no)
        if not isinstance(told, wire.ClaimAnswer):
            return told
        if told.state == CONFIRMED:
            found = _grant(told)
            return Accepted(found.value) if isinstance(found, Accepted) else found
        is_known = told.state in (OFFERED, WITHDRAWN, NONE)
        return Accepted(None) if is_known else Unknown("status-unlisted")

    async def withdraw(self, claim_no: str) -> Outcome[CoverWithdrawn]:
        """``withdraw``."""
        told = await self._claim("withdraw", wire.ClaimBody(claim_no=claim_no), claim_no)
        if not isinstance(told, wire.ClaimAnswer):
            return told
        at = _instant(told.withdrawn_at)
        if told.state != WITHDRAWN:
            return Unknown("status-unlisted")
        if at is None:
            return INVALID
        gone = CoverWithdrawn(claim_no=claim_no, cover_fen=told.cover_fen, withdrawn_at=at)
        return Accepted(gone)

    async def list_day(self, day: date) -> Outcome[list[CoverDayLine]]:
        """``day``. A list that is not whole, or of another day or institution, is none."""
        answer = await self._post("day", wire.DayBody(day=day.isoformat()))
        if not isinstance(answer, Answer):
            return answer
        told = _read(answer, wire.DayAnswer)
        if not isinstance(told, wire.DayAnswer):
            return told
        lines = [_day_line(one) for one in told.claims]
        found = [one for one in lines if one is not None]
        sum_fen = sum(-one.cover_fen if one.withdrawn else one.cover_fen for one in found)
        asked = (day.isoformat(), self._settings.institution_code, len(lines), sum_fen)
        said = (told.day, told.institution_code, told.count, told.cover_fen)
        doubled = len({(one.claim_no, one.withdrawn) for one in found}) < len(found)
        return INVALID if said != asked or doubled or len(found) < len(lines) else Accepted(found)

    async def _claim(
        self, path: str, body: msgspec.Struct, claim_no: str
    ) -> wire.ClaimAnswer | Rejected | NotSent | Unknown:
        answer = await self._post(path, body)
        if not isinstance(answer, Answer):
            return answer
        told = _read(answer, wire.ClaimAnswer)
        if isinstance(told, wire.ClaimAnswer) and told.claim_no != claim_no:
            return INVALID
        return told

    async def _post(self, path: str, body: msgspec.Struct) -> Answer | NotSent | Unknown:
        return await self._exchange.post(self._base + path, msgspec.json.encode(body))


def _read(answer: Answer, kind: type[K]) -> K | Rejected | Unknown:
    try:
        if answer.status == 200:
            return msgspec.json.decode(answer.body, type=kind)
        refused = msgspec.json.decode(answer.body, type=wire.ErrorAnswer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return INVALID
    reason = REFUSALS.get(refused.code)
    if reason is None:
        return Unknown("status-unlisted")
    return Rejected(reason=reason, provider_code=refused.code, provider_text=refused.text)


def _grant(told: wire.ClaimAnswer) -> Accepted[CoverGrant] | Unknown:
    at = _instant(told.confirmed_at)
    if at is None or not told.claim_ref:
        return INVALID
    return Accepted(
        CoverGrant(
            claim_no=told.claim_no,
            cover_fen=told.cover_fen,
            claim_ref=told.claim_ref,
            granted_at=at,
        )
    )


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else at


def _day_line(one: wire.DayLine) -> CoverDayLine | None:
    if one.state not in (CONFIRMED, WITHDRAWN):
        return None
    withdrawn = one.state == WITHDRAWN
    return CoverDayLine(claim_no=one.claim_no, withdrawn=withdrawn, cover_fen=one.cover_fen)


def _contradiction(told: wire.ClaimAnswer) -> Unknown:
    evidence = {"claim_no": told.claim_no, "state": told.state, "cover_fen": str(told.cover_fen)}
    return Unknown(CONTRADICTS, evidence)


def _amounts(split: Split) -> wire.Amounts:
    return wire.Amounts(
        total_fen=split.total_fen,
        fund_fen=split.fund_fen,
        account_fen=split.account_fen,
        own_fen=split.cash_fen,
        hospital_fen=split.hospital_fen,
        full_own_fen=split.full_own_fen,
        over_limit_fen=split.over_limit_fen,
        first_pay_fen=split.first_pay_fen,
        in_scope_fen=split.in_scope_fen,
    )
