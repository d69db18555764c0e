"""Logging in and out, and registering with a real name, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from integrations.ports.outcomes import NotSent, Rejected, Unknown
from service.account import actions as account
from service.kernel.problems import StateConflict
from tests.support.fakes_identity import citizen_number
from tests.support.identity_rig import BORN, IdentityRig, Phone, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


async def a_phone(rig: IdentityRig, subject: str) -> Phone:
    phone = Phone(rig.client, f"{subject}-{id(rig)}")
    await phone.log_in()
    return phone


async def test_one_subject_is_one_account(rig: IdentityRig) -> None:
    phones = [Phone(rig.client, f"once-{id(rig)}") for _ in range(4)]
    await asyncio.gather(*(phone.log_in() for phone in phones))
    async with rig.ctx.pool.acquire() as conn:
        orphans = await conn.fetchval(
            "select count(*) from account where account_id not in"
            " (select account_id from account_login)"
        )
    assert orphans == 0
    id_no = citizen_number(BORN, 601)
    rig.partners.names.pairs.add(("测试甲", id_no))
    assert (await phones[0].register("测试甲", id_no)).status_code == 200
    assert (await phones[3].log_in())["registered"] is True


async def test_logging_out_ends_the_token(rig: IdentityRig) -> None:
    phone, other = await a_phone(rig, "out"), await a_phone(rig, "out")
    assert (await phone.ask("DELETE", "/v1/me/session")).status_code == 204
    refused = await phone.ask("GET", "/v1/me")
    assert (refused.status_code, refused.json()["code"]) == (401, "not-authenticated")
    assert (await other.ask("GET", "/v1/me")).status_code == 200


async def test_a_session_ends_by_itself(rig: IdentityRig) -> None:
    phone = await a_phone(rig, "late")
    rig.clock.advance(timedelta(hours=12))
    assert (await phone.ask("GET", "/v1/me")).status_code == 401


async def test_a_blocked_account_may_nothing(rig: IdentityRig) -> None:
    phone = await a_phone(rig, "blocked")
    resident = await account.authenticate(rig.ctx, phone.token)
    await account.block(rig.ctx, resident.account_id)
    assert (await phone.ask("GET", "/v1/me")).status_code == 401
    again = await rig.client.post("/v1/login/wechat", json={"code": f"code-of-{phone.subject}"})
    assert (again.status_code, again.json()["code"]) == (403, "account-blocked")
    with pytest.raises(StateConflict):
        await account.block(rig.ctx, resident.account_id)


async def test_an_account_changed_by_sql_is_refused(rig: IdentityRig) -> None:
    phone = await a_phone(rig, "changed")
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute("update account set level = 'TWO_FACTOR' where level = 'LOGIN'")
    answer = await phone.ask("GET", "/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")


@pytest.mark.parametrize(
    ("provider", "code", "status", "problem"),
    [
        ("wechat", "stale", 422, "login-code-invalid"),
        ("wechat", "too-often", 429, "too-many-requests"),
        ("nobody", "code-of-x", 404, "login-provider-unknown"),
        ("wechat", "a b", 400, "malformed-request"),
        ("wechat", "x" * 129, 400, "malformed-request"),
        ("wechat", 7, 400, "malformed-request"),
    ],
)
async def test_logins_that_fail(
    rig: IdentityRig, provider: str, code: object, status: int, problem: str
) -> None:
    answer = await rig.client.post(f"/v1/login/{provider}", json={"code": code})
    assert (answer.status_code, answer.json()["code"]) == (status, problem)


async def test_a_platform_that_is_down(rig: IdentityRig) -> None:
    rig.partners.wechat.down = True
    answer = await rig.client.post("/v1/login/wechat", json={"code": "code-of-x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "login-platform-unavailable")
    assert answer.json()["retryable"] is True


async def test_before_registration_there_is_no_code(rig: IdentityRig) -> None:
    phone = await a_phone(rig, "early")
    me = (await phone.ask("GET", "/v1/me")).json()
    assert (me["registered"], me["level"], me["insurance"]) == (False, "LOGIN", None)
    answer = await phone.ask("POST", "/v1/me/codes", {"purpose": "pay", "symbol": False})
    assert (answer.status_code, answer.json()["code"]) == (409, "registration-needed")


async def test_registering_twice_makes_one_record(rig: IdentityRig) -> None:
    phone = await a_phone(rig, "twice")
    id_no = citizen_number(BORN, 603)
    rig.partners.names.pairs.add(("测试甲", id_no))
    answers = await asyncio.gather(*(phone.register("测试甲", id_no) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    wide = id_no.translate({ord(str(d)): chr(ord("０") + d) for d in range(10)})
    assert (await phone.register(" 测 试 甲 ", wide)).status_code == 200
    async with rig.ctx.pool.acquire() as conn:
        records = await conn.fetchval("select count(*) from account_record")
        orphans = await conn.fetchval(
            "select count(*) from record where source = 'resident' and record_id not in"
            " (select record_id from account_record)"
        )
    assert records >= 1
    assert orphans == 0
    other = await phone.register("测试乙", citizen_number(BORN, 605))
    assert (other.status_code, other.json()["code"]) == (409, "already-registered")


async def test_two_accounts_of_one_person_are_one_person(rig: IdentityRig) -> None:
    one, two = await rig.resident(607), await rig.resident(607)
    first = (await rig.scan(await one.code())).json()
    second = (await rig.scan(await two.code())).json()
    assert first["patient_id"] != second["patient_id"]
    async with rig.ctx.pool.acquire() as conn:
        persons = await conn.fetch(
            "select person_id from link where to_at is null group by person_id having count(*) = 2"
        )
    assert len(persons) == 1


async def test_name_and_number_must_belong_together_and_tries_are_counted(
    rig: IdentityRig,
) -> None:
    phone = await a_phone(rig, "guess")
    for serial in range(611, 621, 2):
        answer = await phone.register("测试甲", citizen_number(BORN, serial))
        assert (answer.status_code, answer.json()["code"]) == (422, "name-and-number-do-not-match")
    asked = rig.partners.names.asked
    answer = await phone.register("测试甲", citizen_number(BORN, 621))
    assert (answer.status_code, answer.json()["code"]) == (429, "real-name-attempts-used-up")
    assert int(answer.headers["retry-after"]) == 12 * 3600 + 1
    assert rig.partners.names.asked == asked
    rig.clock.advance(timedelta(hours=12, seconds=1))
    await phone.log_in()
    answer = await phone.register("测试甲", citizen_number(BORN, 623))
    assert answer.json()["code"] == "name-and-number-do-not-match"


async def test_many_accounts_cannot_try_names_for_one_number(rig: IdentityRig) -> None:
    number = citizen_number(BORN, 625)
    codes = []
    for place in range(3):
        phone = await a_phone(rig, f"many{place}")
        answers = [
            await phone.register(name, number) for name in ("测甲", "测乙", "测丙", "测丁", "测戊")
        ]
        codes += [answer.json()["code"] for answer in answers]
    assert codes == ["name-and-number-do-not-match"] * 10 + ["real-name-attempts-used-up"] * 5


@pytest.mark.parametrize("outcome", [NotSent("no route"), Unknown("answer-lost")])
async def test_a_source_that_is_down_costs_no_try(
    rig: IdentityRig, outcome: NotSent | Unknown
) -> None:
    phone = await a_phone(rig, "down")
    id_no = citizen_number(BORN, 627 + 2 * isinstance(outcome, Unknown))
    rig.partners.names.pairs.add(("测试甲", id_no))
    rig.partners.names.outcome = outcome
    for _ in range(7):
        answer = await phone.register("测试甲", id_no)
        assert (answer.status_code, answer.json()["code"]) == (503, "real-name-source-unavailable")
    rig.partners.names.outcome = None
    assert (await phone.register("测试甲", id_no)).status_code == 200


@pytest.mark.parametrize(
    ("name", "id_no", "status", "problem"),
    [
        ("<img src=x onerror=alert(1)>", citizen_number(BORN, 631), 422, "name-invalid"),
        ("测\u0000试", citizen_number(BORN, 631), 422, "name-invalid"),
        ("测\u202e试", citizen_number(BORN, 631), 422, "name-invalid"),
        ("测" * 101, citizen_number(BORN, 631), 400, "malformed-request"),
        ("测试甲", "990001198001010018", 422, "id-number-invalid"),
        ("测试甲", "1" * 65, 400, "malformed-request"),
        ("测试甲", 990001198001010019, 400, "malformed-request"),
        ("测试甲", "529901770101531", 422, "id-number-invalid"),
        ("测试丁", citizen_number(date(2015, 4, 4), 4), 422, "guardian-required"),
    ],
)
async def test_registrations_that_are_refused_cost_no_try(
    rig: IdentityRig, name: str, id_no: object, status: int, problem: str
) -> None:
    phone = await a_phone(rig, "bad")
    answer = await phone.register(name, id_no)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (status, problem)
    assert rig.partners.names.asked == 0
    assert str(id_no) not in answer.text


async def test_only_the_identity_card_is_registered(rig: IdentityRig) -> None:
    phone = await a_phone(rig, "passport")
    body = {"name": "测试甲", "id_type": "03", "id_no": "E00000000"}
    answer = await phone.ask("PUT", "/v1/me/registration", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "id-type-unsupported")
    body = {"name": "测试甲", "id_type": "01", "id_no": citizen_number(BORN, 633), "phone": "无"}
    answer = await phone.ask("PUT", "/v1/me/registration", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "phone-invalid")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic x", "Bearer a.b.c", "Bearer " + "x" * 5000]
)
async def test_what_is_no_token_proves_nobody(rig: IdentityRig, header: str) -> None:
    answer = await rig.client.get("/v1/me", headers={"authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")


async def test_a_number_the_source_does_not_know_is_a_mismatch_not_an_outage(
    rig: IdentityRig,
) -> None:
    rig.partners.names.outcome = Rejected(
        reason="not-on-record", provider_code="NO_RECORD", provider_text=""
    )
    phone = await a_phone(rig, "stranger")
    answer = await phone.register("测试甲", citizen_number(BORN, 633))
    assert (answer.status_code, answer.json()["code"]) == (422, "name-and-number-do-not-match")
