"""At a terminal a settlement starts only for what the payer's code was shown for."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from crypto.healthcode.layout import Purpose
from crypto.sm3 import sm3
from tests.support.bill_bodies import a_body
from tests.support.bound_phone import BoundPhone
from tests.support.callers import TerminalCaller
from tests.support.identity_rig import IdentityRig, an_identity_rig
from tests.support.tills import ATill


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


@pytest.fixture
async def phone(rig: IdentityRig) -> BoundPhone:
    phone = BoundPhone(await rig.resident(1), rig.clock)
    await phone.enrol()
    return phone


async def push(rig: IdentityRig, patient_id: str) -> dict[str, str]:
    """A bill of 24.69 yuan, as the hospital is answered and as it pushed it."""
    body = a_body(rig, patient_id)
    path = "/v1/institution/bills"
    answer = await rig.his.send("POST", path, body, key=secrets.token_hex(8))
    assert answer.status_code == 201, answer.text
    return body | answer.json()


async def start(terminal: TerminalCaller, scan_id: str, bill_id: str) -> httpx.Response:
    return await terminal.send(
        "POST",
        f"/v1/terminal/scans/{scan_id}/settlements",
        {"bill_id": bill_id, "use_account": False, "insured": False},
        key=secrets.token_hex(8),
    )


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_code_shown_to_identify_starts_nothing_at_a_kiosk(
    rig: IdentityRig, phone: BoundPhone
) -> None:
    scan = (await rig.scan(phone.show())).json()
    bill = await push(rig, scan["patient_id"])
    refused = await start(rig.kiosk, scan["scan_id"], bill["bill_id"])
    assert refusal(refused) == (403, "scan-not-for-payment")
    to_pay = (await rig.scan(phone.show(Purpose.PAY, seq=1), purpose="pay")).json()
    assert (await start(rig.kiosk, to_pay["scan_id"], bill["bill_id"])).status_code == 202


async def test_staff_at_a_desk_see_who_pays(rig: IdentityRig, phone: BoundPhone) -> None:
    scan = (await rig.scan(phone.show(), terminal=rig.desk)).json()
    bill = await push(rig, scan["patient_id"])
    assert (await start(rig.desk, scan["scan_id"], bill["bill_id"])).status_code == 202


async def test_a_bound_code_pays_its_own_bill_at_its_own_amount_alone(
    rig: IdentityRig, phone: BoundPhone
) -> None:
    first = (await rig.scan(phone.show())).json()
    bill, other = [await push(rig, first["patient_id"]) for _ in range(2)]
    till = ATill(rig, rig.kiosk)
    till.asked = replace(
        till.asked, bill_id=sm3(bill["bill_id"].encode())[:16], amount_fen=int(bill["total_fen"])
    )
    text = phone.show(Purpose.PAY, seq=1, context=till.asked.context())
    scan = (await rig.scan(text, purpose="pay", offer=till.offer())).json()
    assert scan["bound_to"]["amount_fen"] == 2469
    refused = await start(rig.kiosk, scan["scan_id"], other["bill_id"])
    assert refusal(refused) == (409, "scan-bound-to-another-bill")
    assert (await start(rig.kiosk, scan["scan_id"], bill["bill_id"])).status_code == 202


async def test_a_bill_that_was_amended_after_the_approval_is_not_settled(
    rig: IdentityRig, phone: BoundPhone
) -> None:
    first = (await rig.scan(phone.show())).json()
    bill = await push(rig, first["patient_id"])
    till = ATill(rig, rig.kiosk)
    till.asked = replace(
        till.asked, bill_id=sm3(bill["bill_id"].encode())[:16], amount_fen=int(bill["total_fen"])
    )
    text = phone.show(Purpose.PAY, seq=1, context=till.asked.context())
    scan = (await rig.scan(text, purpose="pay", offer=till.offer())).json()
    body = a_body(rig, first["patient_id"], bill_no=bill["bill_no"], version=1)
    body["lines"] = [body["lines"][0] | {"quantity_e4": 40_000, "amount_fen": 4938}]
    body["total_fen"] = 4938
    amended = await rig.his.send("PUT", f"/v1/institution/bills/{bill['bill_no']}", body)
    assert amended.status_code == 200, amended.text
    refused = await start(rig.kiosk, scan["scan_id"], bill["bill_id"])
    assert refusal(refused) == (409, "scan-bound-to-another-bill")
