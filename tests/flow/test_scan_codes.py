"""A resident registers, shows a code, a terminal reads it, the hospital follows."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.account import actions as account
from service.healthcode import actions as healthcode
from service.healthcode.problems import ScanExpired
from service.kernel.principals import Resident
from service.kernel.problems import NotFound
from service.person import actions as person
from tests.support.fakes_identity import citizen_number
from tests.support.identity_rig import BORN, IdentityRig, Phone, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


async def record_of(rig: IdentityRig, phone: Phone) -> int:
    resident: Resident = await account.authenticate(rig.ctx, phone.token)
    return account.own_record(resident)


async def test_from_login_to_scan(rig: IdentityRig) -> None:
    phone = await rig.resident(1)
    me = (await phone.ask("GET", "/v1/me")).json()
    assert me == {
        "registered": True,
        "level": "TWO_FACTOR",
        "masked_name": "测*甲",
        "masked_id_no": "*" * 14 + citizen_number(BORN, 1)[-4:],
        "insurance": {"status": "NOT_LINKED"},
    }
    answer = await phone.ask("POST", "/v1/me/codes", {"purpose": "pay", "symbol": True})
    issued = answer.json()
    assert answer.status_code == 201
    assert len(issued["text"]) == 154
    assert issued["text"].startswith("YM1:")
    assert issued["life_s"] == 60
    assert issued["svg"].lstrip().startswith("<")
    scanned = await rig.scan(issued["text"], purpose="pay")
    body = scanned.json()
    assert scanned.status_code == 200
    assert re.fullmatch(r"[0-9a-f]{32}", body.pop("patient_id"))
    assert body.pop("scan_id")
    assert body.pop("scanned_at") == "2026-06-30T04:00:00Z"
    assert body == {
        "shown": "ONE_TIME",
        "level": "PRESENT",
        "masked_name": "测*甲",
        "sex": "M",
        "age": 46,
        "insurance": {
            "status": "LINKED",
            "insurance_type": "310",
            "region": "990001",
            "as_of": "2026-06-30T04:00:00Z",
        },
        "bills_visible": True,
    }
    me = (await phone.ask("GET", "/v1/me")).json()
    assert me["insurance"]["status"] == "LINKED"


async def test_a_desk_sees_the_name_and_a_kiosk_does_not(rig: IdentityRig) -> None:
    phone = await rig.resident(3)
    at_desk = (await rig.scan(await phone.code(), terminal=rig.desk)).json()
    at_kiosk = (await rig.scan(await phone.code())).json()
    assert at_desk["name"] == "测试甲"
    assert "masked_name" not in at_desk
    assert "name" not in at_kiosk
    assert at_desk["patient_id"] == at_kiosk["patient_id"]
    assert at_desk["scan_id"] != at_kiosk["scan_id"]


async def test_a_code_is_taken_once_and_the_same_request_is_answered_alike(
    rig: IdentityRig,
) -> None:
    text = await (await rig.resident(5)).code()
    key = secrets.token_hex(8)
    first = await rig.scan(text, key=key)
    again = await rig.scan(text, key=key)
    assert first.status_code == 200
    assert again.content == first.content
    await rig.refused(text, "code-already-used", 410)
    await rig.refused(text, "code-already-used", 410, terminal=rig.desk, key=key)


async def test_a_lost_answer_is_found_again_without_the_stored_one(rig: IdentityRig) -> None:
    text = await (await rig.resident(7)).code()
    key = secrets.token_hex(8)
    first = (await rig.scan(text, key=key)).json()
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute("delete from idempotency")
    assert (await rig.scan(text, key=key)).json() == first


async def test_two_terminals_at_once_one_wins(rig: IdentityRig) -> None:
    text = await (await rig.resident(9)).code()
    answers = await asyncio.gather(
        *(rig.scan(text, terminal=terminal) for terminal in (rig.kiosk, rig.desk) * 3)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [410] * 5


@pytest.mark.parametrize(
    ("shown_for", "scanned_for", "taken"),
    [("identify", "pay", False), ("pay", "identify", True), ("register", "pay", False)],
)
async def test_only_the_exact_purpose_authorises(
    rig: IdentityRig, shown_for: str, scanned_for: str, taken: bool
) -> None:
    text = await (await rig.resident(11)).code(shown_for)
    if taken:
        assert (await rig.scan(text, purpose=scanned_for)).status_code == 200
    else:
        told = await rig.refused(text, "code-purpose-mismatch", 422, purpose=scanned_for)
        assert told["wanted"] == scanned_for


async def test_a_code_expires(rig: IdentityRig) -> None:
    text = await (await rig.resident(13)).code()
    rig.clock.advance(timedelta(seconds=89))
    other = await (await rig.resident(15)).code()
    assert (await rig.scan(text)).status_code == 200
    rig.clock.advance(timedelta(seconds=91))
    assert (await rig.refused(other, "code-expired", 410))["off_by_s"] == 31


async def test_a_code_from_the_future_is_refused(rig: IdentityRig) -> None:
    phone = await rig.resident(17)
    rig.clock.advance(timedelta(seconds=60))
    text = await phone.code()
    rig.clock.advance(timedelta(seconds=-60))
    await rig.refused(text, "code-not-yet-valid", 422)


async def test_voided_codes_never_resolve_again(rig: IdentityRig) -> None:
    phone = await rig.resident(19)
    old = await phone.code()
    await healthcode.void_codes(rig.ctx, await record_of(rig, phone))
    await rig.refused(old, "code-superseded", 410)
    assert (await rig.scan(await phone.code())).status_code == 200


async def test_a_frozen_card_or_person_resolves_nowhere(rig: IdentityRig) -> None:
    phone = await rig.resident(21)
    text, record_id = await phone.code(), await record_of(rig, phone)
    await healthcode.freeze(rig.ctx, record_id)
    await rig.refused(text, "code-frozen", 403)
    refused = await phone.ask("POST", "/v1/me/codes", {"purpose": "identify"})
    assert refused.json()["code"] == "code-frozen"
    await healthcode.unfreeze(rig.ctx, record_id)
    person_id = (await person.read(rig.ctx, record_id)).person_id
    await person.freeze(rig.ctx, person_id, "reported-lost")
    await rig.refused(text, "code-frozen", 403)
    await person.unfreeze(rig.ctx, person_id)
    assert (await rig.scan(text)).status_code == 200


async def test_the_hospital_follows_its_own_scans_by_a_cursor(rig: IdentityRig) -> None:
    phone = await rig.resident(23)
    other = await rig.enrol("H99" + f"{secrets.randbelow(10**9):09d}")
    elsewhere = await rig.terminal(other, public_place=True)
    foreign = (await rig.scan(await phone.code(), terminal=elsewhere)).json()
    made = []
    for _ in range(3):
        made.append((await rig.scan(await phone.code())).json())
        rig.clock.advance(timedelta(seconds=25))
    page = (await rig.his.send("GET", "/v1/institution/scans?limit=2")).json()
    assert [scan["scan_id"] for scan in page["scans"]] == [m["scan_id"] for m in made[:2]]
    assert page["scans"][0]["patient_id"] == made[0]["patient_id"] != foreign["patient_id"]
    assert page["scans"][0]["terminal_id"] == rig.kiosk.caller_id
    rest = (await rig.his.send("GET", f"/v1/institution/scans?after={page['next']}")).json()
    assert [scan["scan_id"] for scan in rest["scans"]] == [made[2]["scan_id"]]
    empty = (await rig.his.send("GET", f"/v1/institution/scans?after={rest['next']}")).json()
    assert empty == {"scans": [], "next": rest["next"]}


async def test_a_scan_of_this_moment_is_told_but_not_passed_over(rig: IdentityRig) -> None:
    scan = (await rig.scan(await (await rig.resident(25)).code())).json()
    first = (await rig.his.send("GET", "/v1/institution/scans")).json()
    assert [one["scan_id"] for one in first["scans"]] == [scan["scan_id"]]
    assert first["next"] is None


async def test_a_caller_without_the_scope_or_with_a_foreign_cursor_is_refused(
    rig: IdentityRig,
) -> None:
    billing = await rig.application(rig.hospital, "bill")
    assert (await billing.send("GET", "/v1/institution/scans")).json()["code"] == "not-allowed"
    wrong = await rig.his.send("GET", "/v1/institution/scans?after=nonsense")
    assert (wrong.status_code, wrong.json()["code"]) == (404, "not-found")
    for limit in ("0", "201", "x"):
        answer = await rig.his.send("GET", f"/v1/institution/scans?limit={limit}")
        assert answer.status_code == 400


async def test_a_scan_serves_its_own_institution_for_one_visit(rig: IdentityRig) -> None:
    scan = (await rig.scan(await (await rig.resident(27)).code())).json()
    other = await rig.enrol("H99" + f"{secrets.randbelow(10**9):09d}")
    got = await healthcode.get_scan(rig.ctx, rig.hospital.institution_id, scan["scan_id"])
    assert got.terminal_id
    with pytest.raises(NotFound):
        await healthcode.get_scan(rig.ctx, other.institution_id, scan["scan_id"])
    rig.clock.advance(timedelta(hours=12))
    with pytest.raises(ScanExpired):
        await healthcode.get_scan(rig.ctx, rig.hospital.institution_id, scan["scan_id"])


async def test_a_resident_may_ask_for_thirty_codes_at_once_and_no_more(rig: IdentityRig) -> None:
    phone = await rig.resident(29)
    for _ in range(30):
        await phone.code()
    answer = await phone.ask("POST", "/v1/me/codes", {"purpose": "identify"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await (await rig.resident(31)).code()).startswith("YM1:")
