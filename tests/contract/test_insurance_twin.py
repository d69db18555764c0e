"""The twin's own gate: what it refuses although our gateway would never send it."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from integrations.sandbox.insurance.app import CREDENTIAL_PATH, PREFIX
from tests.contract.insurance_rig import COMMUNITY, EMPLOYEE, PARTY, SECRET, Rig, ready


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.client.aclose()
    made.twin.book.close()


def headers(rig: Rig, *, late_s: int = 0, **changes: Any) -> dict[str, Any]:
    stamp = str(int(rig.at.timestamp()) - late_s)
    nonce = changes.get("x-tif-nonce", rig.next_nonce())
    digest = hashlib.sha256(f"{stamp}{SECRET}{nonce}{stamp}".encode()).hexdigest()
    return {
        "x-tif-paasid": PARTY,
        "x-tif-timestamp": stamp,
        "x-tif-nonce": nonce,
        "x-tif-signature": digest,
    } | changes


def message(rig: Rig, infno: str, node: dict[str, Any], /, **changes: Any) -> dict[str, Any]:
    return {
        "infno": infno,
        "msgid": rig.next_number(),
        "mdtrtarea_admvs": "990001",
        "insuplc_admdvs": "990001",
        "recer_sys_code": "HIS",
        "infver": "V1.0",
        "opter_type": "1",
        "opter": "0001",
        "opter_name": "测试收费员",
        "inf_time": "2026-01-05 09:00:00",
        "fixmedins_code": COMMUNITY,
        "fixmedins_name": "测试机构",
        "sign_no": "",
        "input": node,
    } | changes


SIGN_IN = {"signIn": {"opter_no": "0001", "mac": "00-00-5E-00-53-01", "ip": "192.0.2.10"}}


async def post(
    rig: Rig, body: dict[str, Any], under: dict[str, Any] | None = None
) -> httpx.Response:
    found = headers(rig) if under is None else under
    return await rig.client.post(f"{PREFIX}/{body.get('infno', '9001')}", json=body, headers=found)


async def sign_no(rig: Rig) -> str:
    answer = await post(rig, message(rig, "9001", SIGN_IN))
    return str(answer.json()["output"]["signinoutb"]["sign_no"])


async def test_headers_are_checked(rig: Rig) -> None:
    used = headers(rig)
    assert (await post(rig, message(rig, "9001", SIGN_IN), used)).status_code == 200
    refused = {
        "used nonce": used,
        "no headers": {},
        "other party": headers(rig, **{"x-tif-paasid": "stranger"}),
        "forged": headers(rig, **{"x-tif-signature": "0" * 64}),
        "not ascii": headers(rig, **{"x-tif-signature": b"\xe9"}),
        "late": headers(rig, late_s=301),
        "early": headers(rig, late_s=-301),
        "short nonce": headers(rig, **{"x-tif-nonce": "1"}),
    }
    for name, under in refused.items():
        answer = await post(rig, message(rig, "9001", SIGN_IN), under)
        assert answer.status_code == 401, name
    assert (await post(rig, message(rig, "9001", SIGN_IN), headers(rig, late_s=300))).is_success


@pytest.mark.parametrize(
    "changes",
    [
        {"msgid": "H99000100003"},
        {"msgid": "H9900010000120260105090000000X"},
        {"msgid": "H99000100001202601050900000001"},
        {"msgid": 7},
        {"mdtrtarea_admvs": "99"},
        {"opter_type": "9"},
        {"inf_time": "20260105090000"},
        {"infver": ""},
        {"fixmedins_code": "H99000199999", "msgid": "H99000199999202601050900000001"},
        {"input": None},
        {"opter": "0002"},
        {"infno": "9999"},
    ],
)
async def test_outer_message_is_checked(rig: Rig, changes: dict[str, Any]) -> None:
    answer = await post(rig, message(rig, "9001", SIGN_IN, **changes))
    assert answer.status_code == 200
    assert answer.json()["infcode"] == -1
    assert answer.json()["output"] is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
async def test_body_that_is_no_message_is_refused(rig: Rig, content: bytes) -> None:
    answer = await rig.client.post(f"{PREFIX}/9001", content=content, headers=headers(rig))
    assert answer.json()["infcode"] == -1
    decoded = await rig.client.post(CREDENTIAL_PATH, content=content)
    assert decoded.json()["code"] == -1


async def test_message_number_serves_once_even_when_refused(rig: Rig) -> None:
    number = await sign_no(rig)
    body = message(rig, "5203", {"data": {"psn_no": EMPLOYEE}}, sign_no=number)
    first, second = await post(rig, body), await post(rig, body)
    assert first.json()["err_msg"] != second.json()["err_msg"] == "msgid 重复"


async def test_sign_in_is_demanded_and_ends_with_the_day(rig: Rig) -> None:
    number = await sign_no(rig)
    node = {"data": {"psn_no": EMPLOYEE, "mdtrt_id": "V1"}}
    assert (await post(rig, message(rig, "5203", node))).json()["infcode"] == -1
    signed = message(rig, "5203", node, sign_no=number)
    assert (await post(rig, signed)).json()["infcode"] == 0
    rig.advance(days=1)
    stale = message(rig, "5203", node, sign_no=number)
    assert (await post(rig, stale)).json()["infcode"] == -1


async def test_undoing_a_pre_settlement_is_refused(rig: Rig) -> None:
    number = await sign_no(rig)
    node = {"data": {"psn_no": EMPLOYEE, "omsgid": "X" * 30, "oinfno": "2206"}}
    assert (await post(rig, message(rig, "2601", node, sign_no=number))).json()["infcode"] == -1


async def test_card_needs_its_serial(rig: Rig) -> None:
    number = await sign_no(rig)
    node = {"mdtrt_cert_type": "03", "mdtrt_cert_no": "990001198001010019", "card_sn": ""}
    refused = await post(rig, message(rig, "1101", {"data": node}, sign_no=number))
    taken = await post(
        rig, message(rig, "1101", {"data": node | {"card_sn": "C1"}}, sign_no=number)
    )
    assert (refused.json()["infcode"], taken.json()["infcode"]) == (-1, 0)


async def test_total_statement_agrees_or_not(rig: Rig) -> None:
    number = await sign_no(rig)
    node = {
        "insutype": "310",
        "clr_type": "11",
        "setl_optins": "990001",
        "stmt_begndate": "2026-01-05",
        "stmt_enddate": "2026-01-05",
        "medfee_sumamt": "0.00",
        "fund_pay_sumamt": "0.00",
        "acct_pay": "0.00",
        "fixmedins_setl_cnt": "0",
    }
    results = []
    for changes in ({}, {"medfee_sumamt": "0.01"}):
        body = message(rig, "3201", {"data": node | changes}, sign_no=number)
        results.append((await post(rig, body)).json()["output"]["stmtinfo"]["stmt_rslt"])
    assert results == ["0", "1"]


async def test_business_time_moves_on_and_signatures_do_not(rig: Rig) -> None:
    case = await ready(rig)
    settled = await case.settled()
    moved = await rig.control("clock", {"forward_s": 86_400})
    assert moved["now"].startswith("2026-01-06")
    # The sign-in of yesterday is gone; the header's time is the sender's own.
    later = await (await ready(rig, visit_no="OP2")).settled()
    assert later.settled_at - settled.settled_at == timedelta(days=1)
    assert len(rig.sent("9001")) == 2
    days = [
        (await rig.control("sums", first_day=day, last_day=day))["count"]
        for day in ("2026-01-05", "2026-01-06")
    ]
    assert days == [1, 1]
    refused = await rig.client.post("/sandbox/clock", json={"forward_s": -1})
    assert refused.status_code == 400
