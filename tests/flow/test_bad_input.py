"""Bad input gets its own catalogued error, loses nothing and moves no state."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from crypto.sm2 import PrivateKey
from tests.support.callers import ApplicationCaller, TerminalCaller
from tests.support.database import DatabaseServer
from tests.support.settlement_street import Street, a_street

BILLS = "/v1/institution/bills"
SCANS = "/v1/terminal/scans"
UNMOVED_BUT = {"request_nonce", "idempotency"}
"""What a proved caller's refused request may leave: its nonce and its answer."""


@pytest.fixture(scope="module")
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        await made.push_bill()
        yield made


async def rows(street: Street, *, but: set[str] = UNMOVED_BUT) -> dict[str, str]:
    """A digest of every table."""
    found = {}
    async with street.ctx.pool.acquire() as conn:
        tables = await conn.fetch(
            "select tablename from pg_tables where schemaname = 'public' order by tablename"
        )
        for (table,) in (tuple(row) for row in tables):
            if table not in but:
                found[table] = await conn.fetchval(
                    f"select md5(coalesce(string_agg(t::text, '|' order by t::text), ''))"  # noqa: S608
                    f' from "{table}" t'
                )
    return found


def a_line(amount_fen: Any = 2_500) -> dict[str, Any]:
    return {
        "line_no": "1",
        "catalogue_code": "TESTMED000001",
        "local_code": "L1",
        "name": "测试片",
        "quantity_e4": 10_000,
        "unit_price_e6": 25_000_000,
        "amount_fen": amount_fen,
        "charged_at": "2026-06-30T04:00:00Z",
    }


def a_bill(street: Street, **changes: Any) -> dict[str, Any]:
    now = street.ctx.clock.now()
    visit = {
        "visit_no": "V1",
        "began_at": "2026-06-30T04:00:00Z",
        "visit_type": "11",
        "department_no": "A03",
        "department_name": "内科",
        "speciality": "A03",
        "doctor_no": "D1",
        "doctor_name": "测试医师",
        "diagnoses": [{"code": "J06.900", "name": "上呼吸道感染", "main": True}],
    }
    body = {
        "bill_no": f"BAD{secrets.token_hex(4)}",
        "patient_id": street.scan["patient_id"],
        "visit": visit,
        "lines": [a_line()],
        "total_fen": 2_500,
        "pay_until": (now + timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
    }
    return body | changes


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    """The catalogued problem, and nothing else."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def other_key(street: Street) -> ApplicationCaller:
    """The hospital's id under a key that is not its own."""
    his = street.his
    return ApplicationCaller(
        street.client, his.clock, his.caller_id, PrivateKey.generate(), his.platform
    )


async def test_a_wrong_signature_proves_nobody(street: Street) -> None:
    before = await rows(street, but=set())
    answer = await other_key(street).send("POST", BILLS, a_bill(street), key="k1")
    assert_problem(answer, 401, "not-authenticated")
    thief = TerminalCaller(
        street.client, street.kiosk.clock, street.kiosk.caller_id, secrets.token_bytes(32)
    )
    body = {"text": await street.phone.code(), "purpose": "pay"}
    assert_problem(await thief.send("POST", SCANS, body, key="k2"), 401, "not-authenticated")
    assert await rows(street, but=set()) == before


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/nothing?a=1", 404),
        ("GET", "/nothing", 404),
        ("GET", "/v1/terminals", 404),
        ("PUT", "/v1/lists/trust", 405),
        ("GET", "/healthz", 200),
    ],
)
async def test_a_proved_caller_gets_a_signed_answer_where_no_signature_is_needed(
    street: Street, method: str, target: str, status: int
) -> None:
    for caller in (street.his, street.kiosk):
        answer = await caller.send(method, target)
        assert answer.status_code == status
        assert "yimatong-signature" in answer.headers
    assert_problem(await other_key(street).send(method, target), 401, "not-authenticated")
    unsigned = await street.client.request(method, target)
    assert unsigned.status_code == status
    assert "yimatong-signature" not in unsigned.headers


async def test_a_body_changed_on_the_way_proves_nobody(street: Street) -> None:
    before = await rows(street, but=set())
    his = street.his

    async def change(request: httpx.Request) -> None:
        request.stream = httpx.ByteStream(request.content.replace(b"2500", b"2501"))

    street.client.event_hooks["request"].append(change)
    try:
        answer = await his.send("POST", BILLS, a_bill(street), key="k")
    finally:
        street.client.event_hooks["request"].clear()
    assert_problem(answer, 401, "not-authenticated")
    assert await rows(street, but=set()) == before


@pytest.mark.parametrize("off_s", [-300, -86_400, 300, 86_400])
async def test_an_old_or_early_timestamp_is_refused_by_its_own_name(
    street: Street, off_s: int
) -> None:
    before = await rows(street, but=set())
    at = int(street.ctx.clock.now().timestamp()) + off_s
    answer = await street.his.send("POST", BILLS, a_bill(street), key="k", timestamp=at)
    assert_problem(answer, 401, "timestamp-outside-window")
    assert answer.json()["server_time"] == int(street.ctx.clock.now().timestamp())
    assert await rows(street, but=set()) == before


async def test_a_repeated_nonce_is_refused_by_its_own_name(street: Street) -> None:
    nonce = secrets.token_hex(12)
    first = await street.his.send("POST", BILLS, a_bill(street), key="n1", nonce=nonce)
    assert first.status_code == 201
    before = await rows(street, but=set())
    again = await street.his.send("POST", BILLS, a_bill(street), key="n2", nonce=nonce)
    assert_problem(again, 401, "nonce-reused")
    assert await rows(street, but=set()) == before


@pytest.mark.parametrize("caller_id", ["", "0", "A" * 28, "A" * 200, "no such terminal"])
async def test_an_unknown_terminal_proves_nobody(street: Street, caller_id: str) -> None:
    before = await rows(street, but=set())
    stranger = TerminalCaller(street.client, street.kiosk.clock, caller_id, bytes(32))
    body = {"text": await street.phone.code(), "purpose": "pay"}
    assert_problem(await stranger.send("POST", SCANS, body, key="k"), 401, "not-authenticated")
    assert await rows(street, but=set()) == before


async def test_a_terminal_of_another_hospital_s_id_proves_nobody(street: Street) -> None:
    before = await rows(street, but=set())
    mixed = TerminalCaller(
        street.client, street.kiosk.clock, street.his.caller_id, street.kiosk.key
    )
    body = {"text": await street.phone.code(), "purpose": "pay"}
    assert_problem(await mixed.send("POST", SCANS, body, key="k"), 401, "not-authenticated")
    assert await rows(street, but=set()) == before


async def test_a_text_of_100_kb_is_malformed(street: Street) -> None:
    before = await rows(street)
    body = {"text": "YM1:" + "A" * 100_000, "purpose": "pay"}
    answer = await street.kiosk.send("POST", SCANS, body, key=secrets.token_hex(8))
    assert_problem(answer, 400, "malformed-request")
    bill = a_bill(street, bill_no="B" * 100_000)
    answer = await street.his.send("POST", BILLS, bill, key=secrets.token_hex(8))
    assert_problem(answer, 400, "malformed-request")
    assert await rows(street) == before


async def test_a_body_above_the_bound_is_not_read_on(street: Street) -> None:
    before = await rows(street, but=set())
    content = b'{"text":"' + b"A" * 1_100_000 + b'"}'
    answer = await street.kiosk.send("POST", SCANS, content=content, key="k")
    assert_problem(answer, 413, "body-too-large")
    assert await rows(street, but=set()) == before


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"total_fen": "2500"}, 400, "malformed-request"),
        ({"total_fen": 2500.0}, 400, "malformed-request"),
        ({"total_fen": True}, 400, "malformed-request"),
        ({"total_fen": None}, 400, "malformed-request"),
        ({"total_fen": 10**20}, 400, "malformed-request"),
        ({"total_fen": -2_500}, 400, "malformed-request"),
        ({"lines": [a_line("2500")]}, 400, "malformed-request"),
        ({"lines": [a_line(10**20)]}, 400, "malformed-request"),
        ({"lines": [a_line(-2_500)]}, 400, "malformed-request"),
        ({"total_fen": 2_501}, 422, "bill-parts-do-not-sum"),
        ({"lines": [a_line(2_501)], "total_fen": 2_501}, 422, "bill-parts-do-not-sum"),
        ({"lines": []}, 400, "malformed-request"),
        ({"lines": [a_line(), a_line()], "total_fen": 5_000}, 422, "bill-refused"),
        ({"note": "one member too many"}, 400, "malformed-request"),
    ],
)
async def test_a_bill_that_is_not_right_is_refused(
    street: Street, change: dict[str, Any], status: int, code: str
) -> None:
    before = await rows(street)
    bill = a_bill(street, **change)
    answer = await street.his.send("POST", BILLS, bill, key=secrets.token_hex(8))
    assert_problem(answer, status, code)
    assert await rows(street) == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"text":"\\ud800","purpose":"pay"}',
        b"[" * 50_000,
        b'{"text":' * 20_000,
        b'{"text":"YM1:A","purpose":"pay"}{}',
        b'{"text":"YM1:A","purpose":"everything"}',
    ],
)
async def test_what_is_not_the_documented_json_is_malformed(street: Street, content: bytes) -> None:
    before = await rows(street)
    answer = await street.kiosk.send("POST", SCANS, content=content, key=secrets.token_hex(8))
    assert_problem(answer, 400, "malformed-request")
    assert await rows(street) == before


async def awaiting(street: Street) -> tuple[str, dict[str, Any]]:
    """A settlement whose payer has paid at the twin; its notice has not been sent."""
    bill_id = await street.push_bill()
    body = {"use_account": False, "insured": True}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    await street.work()
    path = f"/v1/me/settlements/{started['settlement_id']}"
    ordered = await street.mine(
        "POST", f"{path}/payment", {"provider": "wechatpay", "way": "jsapi"}
    )
    assert ordered["payment"]["state"] == "AWAITING_PAYER", ordered
    package = ordered["payment"]["client_parameters"]["package"]
    await street.till.control("pay", prepay_id=package.removeprefix("prepay_id="))
    return path, ordered


async def test_a_forged_notice_moves_nothing(street: Street) -> None:
    await street.till.fault("notice-forged")
    path, ordered = await awaiting(street)
    before = await rows(street)
    assert await street.till.deliver() == 1
    assert await rows(street) == before
    seen = await street.mine("GET", path)
    assert (seen["state"], seen["paid_fen"]) == ("AWAITING_PAYER", 0)
    await street.run_for(timedelta(minutes=1))
    seen = await street.mine("GET", path)
    assert (seen["state"], seen["paid_fen"]) == ("POSTING", ordered["payment"]["amount_fen"])


async def test_a_notice_with_a_wrong_amount_goes_before_a_person(street: Street) -> None:
    await street.till.fault("notice-wrong-amount")
    path, _ = await awaiting(street)
    settlement_id = path.rsplit("/", 1)[-1]
    booked = await street.balances(settlement_id)
    await street.run_for(timedelta(minutes=1))
    seen = await street.mine("GET", path)
    assert (seen["state"], seen["reason"]) == ("NEEDS_REVIEW", "payment-under-review")
    assert await street.balances(settlement_id) == booked == {}
    async with street.ctx.pool.acquire() as conn:
        items = await conn.fetch("select kind, reason from work_item where closed_at is null")
    assert {item["kind"] for item in items} == {"payment", "settlement"}
    paid = [one for one in (await street.till.book())["orders"] if one["trade_state"] == "SUCCESS"]
    assert len(paid) == 2


async def test_a_division_that_does_not_add_up_goes_before_a_person(street: Street) -> None:
    await street.plan("break_identity", "2206")
    bill_id = await street.push_bill()
    body = {"use_account": False, "insured": True}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    await street.work()
    path = f"/v1/me/settlements/{started['settlement_id']}"
    seen = await street.mine("GET", path)
    assert (seen["state"], seen["reason"]) == ("NEEDS_REVIEW", "split-contradicts")
    assert "cash_fen" not in seen, "no amount that does not add up is shown"
    assert await street.balances(seen["settlement_id"]) == {}


async def test_a_settlement_that_does_not_add_up_goes_before_a_person(street: Street) -> None:
    path, ordered = await awaiting(street)
    await street.plan("break_identity", "2207")
    await street.run_for(timedelta(minutes=1))
    seen = await street.mine("GET", path)
    assert (seen["state"], seen["reason"]) == ("NEEDS_REVIEW", "settlement-contradicts")
    paid_fen = ordered["payment"]["amount_fen"]
    assert (seen["paid_fen"], seen["refunded_fen"]) == (paid_fen, 0), "nothing is lost"
    kept = await street.balances(seen["settlement_id"])
    assert kept == {"provider:wechatpay": paid_fen, "patient": -paid_fen}
