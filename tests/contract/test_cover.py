"""The generic claims profile of commercial insurers: adapter against twin."""

from datetime import UTC, date, datetime, timedelta

import pytest

from integrations.ports.cover import CoverDayLine, CoverGrant, CoverOffer, CoverWithdrawn
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from integrations.sandbox.cover.desk import CAP
from integrations.sandbox.cover.faults import Fault
from tests.contract.cover_rig import SECRET, START, CoverDesk, claim, split

DAY = date(2026, 1, 5)


@pytest.fixture
def desk() -> CoverDesk:
    return CoverDesk()


def granted(outcome: Outcome[CoverGrant]) -> CoverGrant:
    assert isinstance(outcome, Accepted), outcome
    return outcome.value


async def confirmed(desk: CoverDesk, claim_no: str = "C1", most_fen: int = 36_00) -> CoverGrant:
    assert isinstance(await desk.gateway().adjudicate(claim(claim_no)), Accepted)
    return granted(await desk.gateway().confirm(claim_no, "S1", split(), most_fen))


async def test_an_offer_a_grant_and_its_withdrawal(desk: CoverDesk) -> None:
    gateway = desk.gateway()
    assert await gateway.adjudicate(claim()) == Accepted(CoverOffer(cover_fen=36_00))
    assert desk.owed_fen == 0
    grant = await confirmed(desk)
    assert (grant.claim_no, grant.cover_fen, grant.granted_at) == ("C1", 36_00, START)
    assert await gateway.find("C1") == Accepted(grant)
    assert desk.owed_fen == 36_00
    gone = await gateway.withdraw("C1")
    assert gone == Accepted(CoverWithdrawn(claim_no="C1", cover_fen=36_00, withdrawn_at=START))
    assert (desk.owed_fen, await gateway.find("C1")) == (0, Accepted(None))


async def test_one_number_is_one_claim_however_often_it_is_said(desk: CoverDesk) -> None:
    first = await confirmed(desk)
    again = granted(await desk.gateway().confirm("C1", "S1", split(), 36_00))
    assert (first, desk.owed_fen) == (again, 36_00)
    withdrawn = await desk.gateway().withdraw("C1")
    assert withdrawn == await desk.gateway().withdraw("C1")
    refused = await desk.gateway().confirm("C1", "S1", split(), 36_00)
    assert isinstance(refused, Rejected)
    assert refused.reason == "claim-closed"
    assert desk.owed_fen == 0


async def test_what_is_withdrawn_unknown_never_comes_to_life(desk: CoverDesk) -> None:
    gone = await desk.gateway().withdraw("C9")
    assert isinstance(gone, Accepted)
    assert gone.value.cover_fen == 0
    assert isinstance(await desk.gateway().adjudicate(claim("C9")), Rejected)


async def test_a_refused_confirmation_closes_its_number(desk: CoverDesk) -> None:
    assert isinstance(await desk.gateway().adjudicate(claim()), Accepted)
    desk.script(Fault.REFUSE, "confirm")
    for _ in range(2):
        refused = await desk.gateway().confirm("C1", "S1", split(), 36_00)
        assert isinstance(refused, Rejected)
    assert (desk.owed_fen, await desk.gateway().find("C1")) == (0, Accepted(None))


@pytest.mark.parametrize(
    ("authorisation", "reason"),
    [("CV00-1", "not-covered"), ("CVEX-1", "policy-expired"), ("nobody", "not-authorised")],
)
async def test_refusals_of_an_offer(desk: CoverDesk, authorisation: str, reason: str) -> None:
    refused = await desk.gateway().adjudicate(claim(authorisation=authorisation))
    assert isinstance(refused, Rejected)
    assert refused.reason == reason
    assert refused.provider_text or reason == "not-authorised"


async def test_an_authorisation_is_one_persons(desk: CoverDesk) -> None:
    assert isinstance(await desk.gateway().adjudicate(claim()), Accepted)
    other = await desk.gateway().adjudicate(claim("C2", id_no="990001195502020027"))
    assert isinstance(other, Rejected)
    assert other.reason == "not-authorised"


async def test_a_deductible_is_borne_once_a_year_and_a_cap_is_not_passed(desk: CoverDesk) -> None:
    low = claim(authorisation="CV70-1", split=split(150_00))
    assert await desk.gateway().adjudicate(low) == Accepted(CoverOffer(cover_fen=35_00))
    await desk.gateway().confirm("C1", "S1", low.split, 35_00)
    second = claim("C2", authorisation="CV70-1", split=split(150_00))
    assert await desk.gateway().adjudicate(second) == Accepted(CoverOffer(cover_fen=105_00))
    large = claim("C3", authorisation="CV70-1", split=split(100_000_00))
    assert await desk.gateway().adjudicate(large) == Accepted(CoverOffer(cover_fen=CAP - 35_00))


async def test_what_is_used_up_meanwhile_is_granted_no_more(desk: CoverDesk) -> None:
    assert isinstance(await desk.gateway().adjudicate(claim()), Accepted)
    desk.script(Fault.CAP_USED, "confirm")
    grant = granted(await desk.gateway().confirm("C1", "S1", split(), 36_00))
    assert grant.cover_fen == 0


async def test_never_more_than_is_asked_for(desk: CoverDesk) -> None:
    assert (await confirmed(desk, most_fen=20_00)).cover_fen == 20_00
    for method in ("adjudicate", "confirm"):
        desk.script(Fault.MORE, method)
    offered = await desk.gateway().adjudicate(claim("C2"))
    assert isinstance(offered, Unknown)
    assert (offered.why, offered.evidence["claim_no"]) == ("answer-contradicts", "C2")
    more = await desk.gateway().confirm("C2", "S2", split(), 36_00)
    assert isinstance(more, Unknown)
    assert more.why == "answer-contradicts"


@pytest.mark.parametrize(
    "fault",
    [
        Fault.DROP_AFTER,
        Fault.ERROR_AFTER,
        Fault.FORGED,
        Fault.UNSIGNED,
        Fault.GARBLED,
        Fault.SWAPPED,
        Fault.LATE,
    ],
)
async def test_an_answer_that_is_lost_or_not_genuine_is_unknown_and_found(
    desk: CoverDesk, fault: Fault
) -> None:
    assert isinstance(await desk.gateway().adjudicate(claim()), Accepted)
    desk.script(fault, "confirm")
    assert isinstance(await desk.gateway().confirm("C1", "S1", split(), 36_00), Unknown)
    assert desk.owed_fen == 36_00
    found = await desk.gateway().find("C1")
    assert isinstance(found, Accepted)
    assert found.value is not None
    assert found.value.cover_fen == 36_00


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.ERROR_BEFORE, Fault.TOO_OFTEN])
async def test_what_was_not_done_is_unknown_and_not_there(desk: CoverDesk, fault: Fault) -> None:
    assert isinstance(await desk.gateway().adjudicate(claim()), Accepted)
    desk.script(fault, "confirm")
    assert isinstance(await desk.gateway().confirm("C1", "S1", split(), 36_00), Unknown)
    assert (desk.owed_fen, await desk.gateway().find("C1")) == (0, Accepted(None))


@pytest.mark.parametrize(("secret", "client"), [("other", "yimatong"), (SECRET, "nobody")])
async def test_a_stranger_is_refused(desk: CoverDesk, secret: str, client: str) -> None:
    refused = await desk.gateway(secret, client).adjudicate(claim())
    assert isinstance(refused, Rejected)
    assert refused.reason == "account-misconfigured"


async def test_a_replayed_request_is_refused(desk: CoverDesk) -> None:
    sent: list[tuple[dict[str, str], bytes]] = []

    async def keep(request: object) -> None:
        sent.append((dict(request.headers), request.content))  # type: ignore[attr-defined]

    desk.client.event_hooks["request"].append(keep)
    assert isinstance(await desk.gateway().adjudicate(claim()), Accepted)
    headers, content = sent[0]
    replayed = await desk.client.post(
        "/cover/v1/claims/adjudicate", headers=headers, content=content
    )
    assert replayed.status_code == 401


async def test_the_number_of_the_insured_person_does_not_leave(desk: CoverDesk) -> None:
    sent: list[bytes] = []

    async def keep(request: object) -> None:
        sent.append(request.content)  # type: ignore[attr-defined]

    desk.client.event_hooks["request"].append(keep)
    await desk.gateway().adjudicate(claim())
    assert claim().id_no.encode() not in sent[0]


async def test_a_days_list_has_grants_and_withdrawals_of_that_day(desk: CoverDesk) -> None:
    now = [datetime(2026, 1, 5, 15, 59, tzinfo=UTC)]
    desk = CoverDesk(lambda: now[0])
    await confirmed(desk, "C1")
    await confirmed(desk, "C2", 10_00)
    now[0] += timedelta(minutes=2)
    await desk.gateway().withdraw("C2")
    gateway = desk.gateway()
    assert await gateway.list_day(DAY) == Accepted(
        [
            CoverDayLine(claim_no="C1", withdrawn=False, cover_fen=36_00),
            CoverDayLine(claim_no="C2", withdrawn=False, cover_fen=10_00),
        ]
    )
    assert await gateway.list_day(DAY + timedelta(days=1)) == Accepted(
        [CoverDayLine(claim_no="C2", withdrawn=True, cover_fen=10_00)]
    )


@pytest.mark.parametrize("fault", [Fault.FORGED, Fault.GARBLED, Fault.DROP_AFTER])
async def test_a_spoilt_list_is_none(desk: CoverDesk, fault: Fault) -> None:
    await confirmed(desk)
    desk.script(fault, "day")
    assert isinstance(await desk.gateway().list_day(DAY), Unknown)


async def test_the_page_shows_the_book_and_not_whose_it_is(desk: CoverDesk) -> None:
    grant = await confirmed(desk)
    page = (await desk.client.get("/sandbox/")).text
    assert grant.claim_ref in page
    assert claim().id_no not in page
    book = (await desk.client.get("/sandbox/book")).json()
    assert book["claims"][0]["cover_fen"] == 36_00
