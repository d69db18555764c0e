"""Insurance e-credentials at the terminal, and insurers that are down or name somebody else."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from integrations.ports.outcomes import NotSent, Rejected, Unknown
from service.account import actions as account
from service.credential import actions as credential
from service.person import actions as person
from tests.support.fakes_identity import citizen_number
from tests.support.identity_rig import BORN, IdentityRig, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


def credential_text() -> str:
    return "28" + f"{secrets.randbelow(10**26):026d}"


def hand_out(rig: IdentityRig, serial: int, name: str = "测试乙", *types: str) -> str:
    """An e-credential of somebody who never registered here."""
    id_no, text = citizen_number(BORN, serial), credential_text()
    rig.bureau.insure(name, id_no, f"P{serial:05d}", *(types or ("390",)))
    rig.bureau.give_credential(text, name, id_no)
    return text


async def test_an_e_credential_of_a_stranger_makes_one_record(rig: IdentityRig) -> None:
    first = (await rig.scan(hand_out(rig, 501), terminal=rig.desk)).json()
    assert first["shown"] == "INSURANCE_CREDENTIAL"
    assert (first["name"], first["level"], first["bills_visible"]) == ("测试乙", "PRESENT", True)
    assert first["insurance"]["status"] == "LINKED"
    assert first["insurance"]["insurance_type"] == "390"
    second = (await rig.scan(hand_out(rig, 501))).json()
    assert second["patient_id"] == first["patient_id"]


async def test_an_e_credential_finds_the_resident_s_own_record(rig: IdentityRig) -> None:
    phone = await rig.resident(503, "测试乙")
    by_code = (await rig.scan(await phone.code())).json()
    by_credential = (await rig.scan(hand_out(rig, 503))).json()
    assert by_credential["patient_id"] == by_code["patient_id"]


async def test_a_resident_who_registers_later_is_the_same_person(rig: IdentityRig) -> None:
    assert (await rig.scan(hand_out(rig, 505))).status_code == 200
    phone = await rig.resident(505, "测试乙")
    resident = await account.authenticate(rig.ctx, phone.token)
    own = account.own_record(resident)
    assert len(await person.list_records(rig.ctx, own)) == 2
    by_code = (await rig.scan(await phone.code())).json()
    by_credential = (await rig.scan(hand_out(rig, 505))).json()
    assert by_credential["patient_id"] == by_code["patient_id"]


async def test_an_e_credential_is_taken_once(rig: IdentityRig) -> None:
    text, key = hand_out(rig, 507), secrets.token_hex(8)
    first = await rig.scan(text, key=key)
    assert (await rig.scan(text, key=key)).content == first.content
    await rig.refused(text, "code-already-used", 410, terminal=rig.desk)


async def test_a_refused_or_unreachable_bureau_is_said_so(rig: IdentityRig) -> None:
    await rig.refused(credential_text(), "insurance-credential-refused", 410)
    text = hand_out(rig, 509)
    rig.bureau.decode_outcome = NotSent("no route")
    body = await rig.refused(text, "insurance-owner-unavailable", 503)
    assert body["retryable"] is True
    rig.bureau.decode_outcome = Unknown("answer-lost")
    await rig.refused(text, "insurance-owner-unavailable", 503)
    rig.bureau.decode_outcome = None
    assert (await rig.scan(text)).status_code == 200


async def test_a_frozen_person_is_frozen_by_every_credential(rig: IdentityRig) -> None:
    phone = await rig.resident(511, "测试乙")
    resident = await account.authenticate(rig.ctx, phone.token)
    own = account.own_record(resident)
    view = await person.read(rig.ctx, own)
    await person.freeze(rig.ctx, view.person_id, "reported-lost")
    await rig.refused(hand_out(rig, 511), "code-frozen", 403)


@pytest.mark.parametrize("outcome", [NotSent("no route"), Unknown("answer-lost")])
async def test_an_insurer_that_is_down_never_fails_a_scan(
    rig: IdentityRig, outcome: NotSent | Unknown
) -> None:
    phone = await rig.resident(513 + 2 * isinstance(outcome, Unknown))
    rig.bureau.person_outcome = outcome
    scan = await rig.scan(await phone.code())
    assert scan.status_code == 200
    assert scan.json()["insurance"] == {"status": "OWNER_DOWN"}
    rig.bureau.person_outcome = None
    linked = (await rig.scan(await phone.code())).json()["insurance"]
    assert linked["status"] == "LINKED"
    rig.clock.advance(timedelta(hours=2))
    rig.bureau.person_outcome = outcome
    again = (await rig.scan(await phone.code())).json()["insurance"]
    assert again == {**linked, "status": "OWNER_DOWN"}


async def test_who_is_not_known_to_the_insurer_or_not_insured(rig: IdentityRig) -> None:
    unknown = await rig.resident(517, insured=False)
    scan = (await rig.scan(await unknown.code())).json()
    assert scan["insurance"] == {"status": "OWNER_REFUSED"}
    id_no = citizen_number(BORN, 519)
    rig.bureau.insure("测试甲", id_no, "P00519")
    lapsed = await rig.resident(519, insured=False)
    scan = (await rig.scan(await lapsed.code())).json()
    assert scan["insurance"]["status"] == "NOT_INSURED"


async def test_an_answer_that_names_another_person_is_not_linked(rig: IdentityRig) -> None:
    phone = await rig.resident(521, insured=False)
    id_no = citizen_number(BORN, 521)
    rig.bureau.people[id_no] = rig.bureau.insure("测试丙", citizen_number(BORN, 523), "P9", "310")
    scan = (await rig.scan(await phone.code())).json()
    assert scan["insurance"] == {"status": "NOT_LINKED"}
    resident = await account.authenticate(rig.ctx, phone.token)
    own = account.own_record(resident)
    assert await credential.insured_person(rig.ctx, own) is None
    async with rig.ctx.pool.acquire() as conn:
        reasons = await conn.fetch("select reason from work_item where record_id = $1", own)
    assert [row["reason"] for row in reasons] == ["credential-names-another-person"]


async def test_enrolments_come_and_go_and_a_settlement_gets_the_first(rig: IdentityRig) -> None:
    phone = await rig.resident(525, insured=False)
    id_no = citizen_number(BORN, 525)
    rig.bureau.insure("测试甲", id_no, "P00525", "390", "310")
    assert (await rig.scan(await phone.code())).status_code == 200
    resident = await account.authenticate(rig.ctx, phone.token)
    own = account.own_record(resident)
    insured = await credential.insured_person(rig.ctx, own)
    assert insured is not None
    assert (insured.insurance_type, insured.person_no) == ("310", "P00525")
    assert insured.id_no.reveal() == id_no
    rig.clock.advance(timedelta(hours=2))
    rig.bureau.insure("测试甲", id_no, "P00525", "390")
    scan = (await rig.scan(await phone.code())).json()
    assert scan["insurance"]["insurance_type"] == "390"
    async with rig.ctx.pool.acquire() as conn:
        rows = await conn.fetch(
            "select insurance_type, state from credential where record_id = $1"
            " order by insurance_type",
            own,
        )
    assert [tuple(row) for row in rows] == [("310", "ENDED"), ("390", "LINKED")]


async def test_a_fresh_link_is_not_asked_again(rig: IdentityRig) -> None:
    phone = await rig.resident(527)
    await rig.scan(await phone.code())
    asked = rig.bureau.asked
    await rig.scan(await phone.code())
    assert rig.bureau.asked == asked


async def test_a_bureau_that_gives_a_bad_number_is_refused_by_name(rig: IdentityRig) -> None:
    text = credential_text()
    rig.bureau.give_credential(text, "测试乙", "990001198001010018")
    await rig.refused(text, "id-number-invalid", 422)


async def test_a_bureau_s_refusal_of_the_person_still_scans(rig: IdentityRig) -> None:
    text = hand_out(rig, 529)
    rig.bureau.person_outcome = Rejected(
        reason="partner-refused", provider_code="-1", provider_text=""
    )
    assert (await rig.scan(text)).json()["insurance"] == {"status": "OWNER_REFUSED"}
