"""The insurer's rules: offer, grant once, withdraw for good.

An authorisation's first four characters say which policy it is of, its rest only tells policies
apart: ``CV70`` bears 70 % above a deductible of 100 yuan a year, ``CV90`` 90 % of all; both at most
20,000 yuan a year. ``CV00`` covers nothing of it, ``CVEX`` has expired. A policy belongs to the
person whom it is first used for.
"""

from datetime import date, datetime, timedelta, timezone

from integrations.sandbox.cover.book import Book, Claim, Policy
from integrations.sandbox.cover.wording import (
    AdjudicateBody,
    Answer,
    ConfirmBody,
    DayAnswer,
    DayLine,
    Refused,
)

BEIJING = timezone(timedelta(hours=8))
CAP = 20_000_00
PLANS = {"CV70": (700, 100_00), "CV90": (900, 0)}
"""By the first four characters: permille, and the deductible of a year in fen."""


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


class Desk:
    """What each call does to the book."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def adjudicate(self, client: str, asked: AdjudicateBody) -> Answer:
        """What would be borne. Raises ``Refused``."""
        policy = self._policy(asked.authorisation_no, asked.id_digest)
        claim = self._book.find_claim(client, asked.claim_no)
        if claim is not None and claim.state != "OFFERED":
            raise Refused("CLAIM_CLOSED", "该理赔号已用过")
        cover, _ = bears(policy, asked.amounts.own_fen)
        self._book.put_claim(
            Claim(
                client=client,
                claim_no=asked.claim_no,
                authorisation=asked.authorisation_no,
                state="OFFERED",
                cover=cover,
            )
        )
        return Answer(claim_no=asked.claim_no, state="OFFERED", cover_fen=cover)

    def confirm(self, client: str, asked: ConfirmBody, now: datetime) -> Answer:
        """Owed from now on; again the same. Raises ``Refused``: this number is closed then."""
        claim = self._book.find_claim(client, asked.claim_no)
        if claim is None or claim.state in ("WITHDRAWN", "REFUSED"):
            raise Refused("CLAIM_CLOSED", "没有这个理赔号，或已撤销")
        if claim.state == "CONFIRMED":
            return _said(claim)
        policy = self._book.find_policy(claim.authorisation)
        if policy is None:
            raise Refused("NOT_AUTHORISED", "授权号不存在")
        cover, deducted = bears(policy, asked.amounts.own_fen)
        claim.cover, claim.deducted = min(cover, asked.at_most_fen), deducted
        claim.state, claim.settlement_ref = "CONFIRMED", asked.settlement_ref
        claim.claim_ref = f"CL{self._book.add_to_counter('claims', 1):010d}"
        claim.confirmed_ms = _ms(now)
        policy.granted += claim.cover
        policy.borne += deducted
        self._book.put_policy(policy)
        self._book.put_claim(claim)
        return _said(claim)

    def close(self, client: str, claim_no: str) -> None:
        """Its confirmation was refused: the number never comes to life again."""
        claim = self._book.find_claim(client, claim_no)
        if claim is not None and claim.state == "OFFERED":
            claim.state = "REFUSED"
            self._book.put_claim(claim)

    def find(self, client: str, claim_no: str, now: datetime) -> Answer:
        """How the claim stands, as far as questions see it."""
        claim = self._book.find_claim(client, claim_no)
        if claim is None or claim.visible_ms > _ms(now):
            return Answer(claim_no=claim_no, state="NONE")
        if claim.state == "REFUSED":
            return Answer(claim_no=claim_no, state="NONE")
        return _said(claim)

    def withdraw(self, client: str, claim_no: str, now: datetime) -> Answer:
        """Nothing is owed under the number, and never will be. Again the same."""
        claim = self._book.find_claim(client, claim_no) or Claim(
            client=client, claim_no=claim_no, authorisation="", state="NONE"
        )
        if claim.state == "CONFIRMED":
            policy = self._book.find_policy(claim.authorisation)
            if policy is not None:
                policy.granted -= claim.cover
                policy.borne -= claim.deducted
                self._book.put_policy(policy)
        if claim.state != "WITHDRAWN":
            claim.withdrawn_ms = _ms(now)
        claim.state, claim.visible_ms = "WITHDRAWN", 0
        self._book.put_claim(claim)
        return _said(claim)

    def day(self, client: str, institution: str, day: date) -> DayAnswer:
        """What was confirmed and what was withdrawn on a day in China."""
        lines = []
        for claim in self._book.claims():
            if claim.client != client or not claim.confirmed_ms:
                continue
            if _day(claim.confirmed_ms) == day:
                lines.append(_line(claim, "CONFIRMED"))
            if claim.withdrawn_ms and _day(claim.withdrawn_ms) == day:
                lines.append(_line(claim, "WITHDRAWN"))
        sums = (-one.cover_fen if one.state == "WITHDRAWN" else one.cover_fen for one in lines)
        return DayAnswer(
            day=day.isoformat(),
            institution_code=institution,
            count=len(lines),
            cover_fen=sum(sums),
            claims=lines,
        )

    def use_up(self, client: str, claim_no: str) -> None:
        """The year of the claim's policy is used up elsewhere."""
        claim = self._book.find_claim(client, claim_no)
        policy = self._book.find_policy(claim.authorisation) if claim is not None else None
        if policy is not None:
            policy.granted = policy.cap
            self._book.put_policy(policy)

    def _policy(self, authorisation: str, id_digest: str) -> Policy:
        plan = authorisation[:4]
        if plan == "CV00":
            raise Refused("NOT_COVERED", "本次就诊不在保障范围内")
        if plan == "CVEX":
            raise Refused("POLICY_EXPIRED", "保单已过期")
        if plan not in PLANS:
            raise Refused("NOT_AUTHORISED", "授权号不存在")
        policy = self._book.find_policy(authorisation)
        if policy is None:
            permille, deductible = PLANS[plan]
            policy = Policy(
                authorisation=authorisation,
                id_digest=id_digest,
                permille=permille,
                deductible=deductible,
                cap=CAP,
            )
            self._book.put_policy(policy)
        if policy.id_digest != id_digest:
            raise Refused("NOT_AUTHORISED", "授权不是本人的")
        return policy


def bears(policy: Policy, own_fen: int) -> tuple[int, int]:
    """What the policy bears of an own part, and how much of its deductible that uses."""
    deducted = min(own_fen, max(0, policy.deductible - policy.borne))
    cover = (own_fen - deducted) * policy.permille // 1000
    return min(cover, max(0, policy.cap - policy.granted)), deducted


def _said(claim: Claim) -> Answer:
    """An offer that was withdrawn was never owed."""
    withdrawn = claim.state == "WITHDRAWN"
    owed_once = claim.confirmed_ms > 0
    return Answer(
        claim_no=claim.claim_no,
        state=claim.state,
        cover_fen=claim.cover if owed_once or not withdrawn else 0,
        claim_ref=claim.claim_ref,
        confirmed_at=_text(claim.confirmed_ms) if owed_once else "",
        withdrawn_at=_text(claim.withdrawn_ms) if withdrawn else "",
    )


def _text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, BEIJING).isoformat()


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, BEIJING).date()


def _line(claim: Claim, state: str) -> DayLine:
    return DayLine(claim_no=claim.claim_no, state=state, cover_fen=claim.cover)
