"""A hospital pushes a bill; its patient sees it on the phone, at the desk and at the kiosk."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from msgspec import convert

from service.healthcode.model import Scan
from tests.support.bill_bodies import a_body
from tests.support.callers import TerminalCaller
from tests.support.identity_rig import IdentityRig, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


async def _scanned(rig: IdentityRig, serial: int) -> tuple[Any, dict[str, Any]]:
    phone = await rig.resident(serial)
    scan = await rig.scan(await phone.code("pay"), purpose="pay")
    return phone, dict(scan.json())


async def _push(rig: IdentityRig, body: object, key: str | None = None) -> httpx.Response:
    path = "/v1/institution/bills"
    return await rig.his.send("POST", path, body, key=key or secrets.token_hex(8))


async def _bills_of(terminal: TerminalCaller, scan_id: str) -> httpx.Response:
    return await terminal.send("GET", f"/v1/terminal/scans/{scan_id}/bills")


async def test_from_the_hospital_to_phone_and_kiosk(rig: IdentityRig) -> None:
    phone, scan = await _scanned(rig, 101)
    body = a_body(rig, scan["patient_id"])
    pushed = await _push(rig, body)
    assert pushed.status_code == 201, pushed.text
    answer = pushed.json()
    assert (answer["bill_no"], answer["version"], answer["state"]) == (body["bill_no"], 1, "OPEN")
    (listed,) = (await phone.ask("GET", "/v1/me/bills")).json()["bills"]
    assert listed == {
        "bill_id": answer["bill_id"],
        "bill_no": body["bill_no"],
        "version": 1,
        "institution_name": "测试医院",
        "department": "内科",
        "visit_no": "V1",
        "total_fen": 2469,
        "state": "OPEN",
        "charged_at": listed["charged_at"],
        "pay_until": listed["pay_until"],
    }
    detail = (await phone.ask("GET", f"/v1/me/bills/{answer['bill_id']}")).json()
    line = {"line_no": "1", "name": "试验药片", "quantity_e4": 20000}
    assert detail == listed | {"lines": [line | {"unit_price_e6": 12345000, "amount_fen": 2469}]}
    at_kiosk = await _bills_of(rig.kiosk, scan["scan_id"])
    assert at_kiosk.json() == {"bills": [detail]}


async def test_nobody_else_sees_a_bill(rig: IdentityRig) -> None:
    _, scan = await _scanned(rig, 103)
    bill_id = (await _push(rig, a_body(rig, scan["patient_id"]))).json()["bill_id"]
    stranger = await rig.resident(105, "测试乙")
    assert (await stranger.ask("GET", f"/v1/me/bills/{bill_id}")).status_code == 404
    assert (await stranger.ask("GET", "/v1/me/bills")).json() == {"bills": []}
    other = await rig.enrol(f"H98{secrets.randbelow(10**9):09d}")
    elsewhere = await rig.terminal(other, public_place=False)
    assert (await _bills_of(elsewhere, scan["scan_id"])).status_code == 404
    foreign = await rig.application(other, "bill")
    refused = await foreign.send(
        "POST", "/v1/institution/bills", a_body(rig, scan["patient_id"]), key="k"
    )
    assert (refused.status_code, refused.json()["code"]) == (404, "not-found")


async def test_a_kiosk_needs_a_code_shown_just_now(rig: IdentityRig) -> None:
    _, scan = await _scanned(rig, 107)
    record_id, scan_id = rig.ctx.public_ids.parse(scan["scan_id"])
    async with rig.ctx.pool.acquire() as conn:
        row = await conn.fetchrow(
            "select * from scan where record_id = $1 and scan_id = $2", record_id, scan_id
        )
        # As a printed code would leave it: whose it is, not that he is here.
        printed = convert(dict(row) | {"level": "IDENTIFIED"}, Scan)
        await conn.execute(
            "update scan set level = 'IDENTIFIED', row_mac = $1 where scan_id = $2",
            rig.ctx.sealer.row_mac("scan", printed.mac_parts()),
            scan_id,
        )
    refused = await _bills_of(rig.kiosk, scan["scan_id"])
    assert (refused.status_code, refused.json()["code"]) == (403, "bills-not-visible")
    assert (await _bills_of(rig.desk, scan["scan_id"])).status_code == 200


async def test_a_push_is_answered_once_for_its_key(rig: IdentityRig) -> None:
    _, scan = await _scanned(rig, 109)
    body = a_body(rig, scan["patient_id"])
    first = await _push(rig, body, "one-key")
    again = await _push(rig, body, "one-key")
    assert (again.status_code, again.content) == (201, first.content)
    changed = await _push(rig, body | {"bill_no": "B-other"}, "one-key")
    assert changed.json()["code"] == "idempotency-key-reused"
    other_key = await _push(rig, body)
    assert other_key.json() == first.json()
    dearer = body | {"pay_until": (rig.clock.now() + timedelta(days=2)).isoformat()}
    refused = await _push(rig, dearer)
    assert (refused.status_code, refused.json()["code"]) == (409, "bill-number-exists")
    without = await rig.his.send("POST", "/v1/institution/bills", body)
    assert without.json()["code"] == "idempotency-key-missing"


async def test_amending_and_withdrawing(rig: IdentityRig) -> None:
    _, scan = await _scanned(rig, 111)
    body = a_body(rig, scan["patient_id"])
    await _push(rig, body)
    path = f"/v1/institution/bills/{body['bill_no']}"
    line = body["lines"][0]
    dearer = body | {"lines": [line, line | {"line_no": "2"}], "total_fen": 4938, "version": 1}
    amended = await rig.his.send("PUT", path, dearer)
    assert (amended.status_code, amended.json()["version"]) == (200, 2)
    stale = await rig.his.send(
        "PUT", path, dearer | {"total_fen": 4938, "lines": dearer["lines"][::-1]}
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "bill-version-stale")
    elsewhere = await rig.his.send("PUT", f"{path}x", dearer)
    assert elsewhere.json()["code"] == "malformed-request"
    found = (await rig.his.send("GET", path)).json()
    assert (found["total_fen"], found["state"]) == (4938, "OPEN")
    assert "settlement_id" not in found
    for _ in range(2):
        gone = await rig.his.send("DELETE", path)
        assert (gone.status_code, gone.json()) == (200, {"state": "WITHDRAWN"})
    late = await rig.his.send("PUT", path, dearer | {"version": 2})
    assert (late.status_code, late.json()["code"]) == (409, "bill-not-payable")
    assert (await rig.his.send("DELETE", f"{path}x")).status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"total_fen": 2470}, 422, "bill-parts-do-not-sum"),
        ({"total_fen": "2469"}, 400, "malformed-request"),
        ({"total_fen": 10**11 + 1}, 400, "malformed-request"),
        ({"total_fen": -1}, 400, "malformed-request"),
        ({"bill_no": "../x"}, 400, "malformed-request"),
        ({"bill_no": "B1\n"}, 400, "malformed-request"),
        ({"pay_until": "2026-06-30T00:00:00"}, 400, "malformed-request"),
        ({"pay_until": "2020-01-01T00:00:00Z"}, 422, "bill-refused"),
        ({"lines": []}, 400, "malformed-request"),
        ({"patient_id": "0" * 32}, 404, "not-found"),
        ({"patient_id": "x"}, 400, "malformed-request"),
        ({"surprise": 1}, 400, "malformed-request"),
    ],
)
async def test_bad_bills_are_refused_with_a_clear_word(
    rig: IdentityRig, change: dict[str, Any], status: int, code: str
) -> None:
    _, scan = await _scanned(rig, 113)
    body = a_body(rig, scan["patient_id"]) | change
    refused = await _push(rig, body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert "试验药片" not in refused.text


async def test_an_application_needs_the_scope(rig: IdentityRig) -> None:
    reader = await rig.application(rig.hospital, "scan")
    for method, path in [
        ("GET", "/v1/institution/bills/B1"),
        ("DELETE", "/v1/institution/bills/B1"),
    ]:
        refused = await reader.send(method, path)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
