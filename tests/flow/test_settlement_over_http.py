"""Settlements through HTTP, worker, real adapters and the partners' twins."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.institution.model import MovedAmounts
from service.kernel.clock import business_day
from service.kernel.database import transaction
from service.person import actions as person
from service.person.model import Registration, Source
from tests.support.database import DatabaseServer
from tests.support.patients import name_patient
from tests.support.settlement_street import (
    ID_NO,
    NAME,
    PERSON_NO,
    SINGLE_FEN,
    Street,
    a_street,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def own_database(postgres: DatabaseServer, migrated: str) -> AsyncIterator[str]:
    """A database of one test: the hospital's code is enrolled once."""
    async with postgres.database(migrated) as dsn:
        yield dsn


@pytest.fixture
async def street(own_database: str) -> AsyncIterator[Street]:
    async with a_street(own_database) as made:
        yield made


async def split(street: Street, *, use_account: bool = False) -> tuple[str, dict[str, Any]]:
    """A settlement started at the kiosk whose division is known: its path and answer."""
    bill_id = await street.push_bill()
    base = f"/v1/terminal/scans/{street.scan['scan_id']}"
    body = {"bill_id": bill_id, "use_account": use_account, "insured": True}
    started = await street.ask(street.kiosk, "POST", f"{base}/settlements", body)
    assert started["state"] == "PRESETTLING"
    await street.work()
    path = f"{base}/settlements/{started['settlement_id']}"
    seen = await street.ask(street.kiosk, "GET", path)
    assert seen["state"] == "PRESETTLED", seen
    parts = ("fund_fen", "account_fen", "cash_fen", "hospital_fen")
    assert sum(seen[part] for part in parts) == SINGLE_FEN
    return path, seen


async def pay_by_qr(street: Street, path: str) -> dict[str, Any]:
    """The kiosk shows a QR, the payer scans and pays it."""
    shown = await street.ask(
        street.kiosk, "POST", f"{path}/payment", {"provider": "wechatpay", "way": "native"}
    )
    assert shown["payment"]["qr_svg"].lstrip().startswith("<")
    await street.till.control("pay", code_url=shown["payment"]["qr_text"])
    return shown


async def later(street: Street, path: str, span: timedelta = 2 * MINUTE) -> dict[str, Any]:
    """The settlement after the worker had its time."""
    await street.run_for(span)
    return await street.ask(street.kiosk, "GET", path)


async def post(street: Street, settlement_id: str) -> dict[str, Any]:
    """The hospital sees it in its list and acknowledges."""
    listed = await street.ask(street.his, "GET", "/v1/institution/settlements?to_post=true")
    assert settlement_id in [one["settlement_id"] for one in listed["settlements"]]
    path = f"/v1/institution/settlements/{settlement_id}"
    return await street.ask(street.his, "POST", f"{path}/posting", {"hospital_ref": "HIS-1"})


async def test_scan_split_pay_settle_post_receipt(street: Street) -> None:
    path, seen = await split(street)
    await pay_by_qr(street, path)
    await street.work()
    seen = await street.ask(street.kiosk, "GET", path)
    assert (seen["state"], seen["paid_fen"]) == ("POSTING", seen["cash_fen"])
    posted = await post(street, seen["settlement_id"])
    assert posted["state"] == "POSTED"
    await street.work()
    mine = await street.mine("GET", f"/v1/me/settlements/{seen['settlement_id']}")
    assert (mine["state"], mine["receipt"]) == ("POSTED", True)
    receipt = await street.mine("GET", f"/v1/me/settlements/{seen['settlement_id']}/receipt")
    assert receipt["insurance_ref"] == posted["insurance_ref"]
    assert await street.ask(street.kiosk, "GET", f"{path}/receipt") == receipt
    assert receipt["invoice"]["state"] == "ISSUED"
    [in_book] = await street.invoices.bills()
    told = receipt["invoice"]["issued"]
    assert (told["code"], told["number"]) == (in_book["code"], in_book["number"])
    assert in_book["total_fen"] == SINGLE_FEN
    assert told["download_url"].startswith("http")
    assert await street.insurance_book() == [("LIVE", seen["cash_fen"])]
    insurer_fen = seen["fund_fen"] + seen["account_fen"]
    assert await street.balances(seen["settlement_id"]) == {
        name: fen
        for name, fen in {
            "provider:wechatpay": seen["cash_fen"],
            "insurer": insurer_fen,
            "hospital": -SINGLE_FEN,
        }.items()
        if fen
    }
    await the_day_is_read(street, seen["settlement_id"])


async def the_day_is_read(street: Street, settlement_id: str) -> None:
    """The hospital's books of the day hold the settlement's postings, and add up."""
    today = business_day(street.ctx.clock.now())
    path = "/v1/institution/ledger/days"
    read = await street.ask(street.his, "GET", f"{path}/{today}")
    assert (read["state"], read["late"]) == ("OPEN", [])
    moved = {one["account"]: one["closing_fen"] for one in read["accounts"]}
    assert {name: fen for name, fen in moved.items() if fen} == await street.balances(settlement_id)
    assert sum(one["received_fen"] - one["given_fen"] for one in read["accounts"]) == 0
    for day, status in ((f"{today + timedelta(days=1)}", 404), ("20260302", 400)):
        assert (await street.his.send("GET", f"{path}/{day}")).status_code == status


async def test_a_resident_settles_on_the_phone_by_jsapi(street: Street) -> None:
    bill_id = await street.push_bill()
    body = {"use_account": False, "insured": True}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    await street.work()
    path = f"/v1/me/settlements/{started['settlement_id']}"
    shown = await street.mine("POST", f"{path}/payment", {"provider": "wechatpay", "way": "jsapi"})
    package = shown["payment"]["client_parameters"]["package"]
    await street.till.control("pay", prepay_id=package.removeprefix("prepay_id="))
    await street.work()
    assert (await street.mine("GET", path))["state"] == "POSTING"


async def test_own_account_leaves_nothing_to_pay(street: Street) -> None:
    path, seen = await split(street, use_account=True)
    assert seen["cash_fen"] == 0
    await street.ask(street.kiosk, "POST", f"{path}/confirmation", {})
    await street.work()
    assert (await street.ask(street.kiosk, "GET", path))["state"] == "POSTING"


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_after", "garble"])
async def test_a_lost_settlement_of_the_real_wire(street: Street, fault: str) -> None:
    path, seen = await split(street)
    await street.plan(fault, "2207")
    await pay_by_qr(street, path)
    seen = await later(street, path)
    assert seen["state"] == "POSTING"
    live = [state for state, _ in await street.insurance_book() if state == "LIVE"]
    assert live == ["LIVE"]


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
async def test_lost_charges_of_the_real_wire(street: Street, fault: str) -> None:
    await street.plan(fault, "2204")
    bill_id = await street.push_bill()
    body = {"use_account": False, "insured": True}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    await street.run_for(MINUTE)
    seen = await street.mine("GET", f"/v1/me/settlements/{started['settlement_id']}")
    assert seen["state"] == "PRESETTLED"


async def test_a_refused_settlement_gives_the_money_back(street: Street) -> None:
    path, seen = await split(street)
    await street.plan("reject", "2207")
    await pay_by_qr(street, path)
    seen = await later(street, path, 5 * MINUTE)
    assert (seen["state"], seen["reason"]) == ("REVERSED", "insurance-refused")
    assert seen["refunded_fen"] == seen["paid_fen"] > 0
    assert "reason_text" not in seen
    mine = await street.mine("GET", f"/v1/me/settlements/{seen['settlement_id']}")
    assert mine["reason_text"] == "模拟拒绝"
    assert await street.balances(seen["settlement_id"]) == {}
    bills = await street.mine("GET", "/v1/me/bills")
    assert [one["state"] for one in bills["bills"]] == ["OPEN"]


async def test_counters_that_moved_give_money_back(street: Street) -> None:
    path, seen = await split(street)
    promised_fen = seen["cash_fen"]
    await street.plan("move_counters", "2207", moves={"op.dedc": 500_00})
    await pay_by_qr(street, path)
    seen = await later(street, path, 3 * MINUTE)
    assert seen["state"] == "POSTING"
    assert seen["cash_fen"] < promised_fen
    assert seen["refunded_fen"] == promised_fen - seen["cash_fen"]


async def test_an_institution_that_undoes_moved_counters(own_database: str) -> None:
    async with a_street(own_database, moved=MovedAmounts.UNDO) as street:
        path, seen = await split(street)
        await street.plan("move_counters", "2207", moves={"op.dedc": 500_00})
        await pay_by_qr(street, path)
        seen = await later(street, path, 5 * MINUTE)
        assert (seen["state"], seen["reason"]) == ("REVERSED", "amounts-moved")
        assert [state for state, _ in await street.insurance_book()] == ["REVERSED"]
        assert await street.balances(seen["settlement_id"]) == {}


async def test_a_difference_is_collected_at_the_kiosk(street: Street) -> None:
    await street.bureau.control("counters", {"psn_no": PERSON_NO, "moves": {"op.dedc": 500_00}})
    path, seen = await split(street)
    await street.plan("move_counters", "2207", moves={"op.pool": 3000_00})
    await pay_by_qr(street, path)
    risen = await later(street, path, MINUTE)
    assert (risen["state"], risen["reason"]) == ("COLLECTING", "amounts-moved")
    assert risen["cash_fen"] > seen["cash_fen"]
    shown = await pay_by_qr(street, path)
    assert shown["payment"]["amount_fen"] == risen["cash_fen"] - seen["cash_fen"]
    done = await later(street, path, MINUTE)
    assert (done["state"], done["paid_fen"]) == ("POSTING", risen["cash_fen"])


async def test_lost_notices_are_made_up_by_asking(street: Street) -> None:
    street.till.merchant_down = True
    path, _ = await split(street)
    await pay_by_qr(street, path)
    seen = await later(street, path)
    assert seen["state"] == "POSTING"


async def test_a_twin_that_is_down_for_a_while(street: Street) -> None:
    path, _ = await split(street)
    await street.plan("error_before", "", times=6)
    await pay_by_qr(street, path)
    seen = await later(street, path, 15 * MINUTE)
    assert seen["state"] == "POSTING"
    live = [state for state, _ in await street.insurance_book() if state == "LIVE"]
    assert live == ["LIVE"]


async def test_the_same_key_starts_once_and_other_input_is_refused(street: Street) -> None:
    bill_id = await street.push_bill()
    path = f"/v1/me/bills/{bill_id}/settlements"
    headers = {"authorization": f"Bearer {street.phone.token}", "idempotency-key": "key-1"}
    body = {"use_account": False, "insured": True}
    first = await street.client.post(path, json=body, headers=headers)
    again = await street.client.post(path, json=body, headers=headers)
    assert (first.status_code, first.content) == (202, again.content)
    other = await street.client.post(path, json={**body, "insured": False}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    second = await street.kiosk.send(
        "POST",
        f"/v1/terminal/scans/{street.scan['scan_id']}/settlements",
        {"bill_id": bill_id, **body},
        key="key-2",
    )
    assert (second.status_code, second.json()["code"]) == (409, "bill-locked")


async def test_nobody_sees_what_is_not_his(street: Street) -> None:
    path, seen = await split(street)
    settlement_id = seen["settlement_id"]
    other_desk = await street.desk.send("GET", path)
    assert other_desk.status_code == 404
    stranger = await street.client.get(f"/v1/me/settlements/{settlement_id}")
    assert stranger.status_code == 401
    unsettled = await street.his.send("GET", f"/v1/institution/settlements/{settlement_id}")
    assert unsettled.status_code == 404
    invented = await street.kiosk.send("GET", path[:-4] + "aaaa")
    assert invented.status_code == 404


async def test_an_old_scan_starts_nothing(street: Street) -> None:
    bill_id = await street.push_bill()
    street.advance(timedelta(minutes=31))
    refused = await street.kiosk.send(
        "POST",
        f"/v1/terminal/scans/{street.scan['scan_id']}/settlements",
        {"bill_id": bill_id, "use_account": False, "insured": True},
        key="key-3",
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "scan-too-old-to-pay")


async def test_a_bill_of_another_record_of_the_person_is_found_and_settled(
    street: Street,
) -> None:
    """A hospital's reader registered him first; its bill hangs on that record, not on his own."""
    place = street.callers.hospital.institution_id
    registered = await person.register(
        street.ctx,
        Registration(
            source=Source.READER,
            institution_id=place,
            name=NAME,
            id_type="01",
            id_no=ID_NO,
            phone=None,
        ),
    )
    async with transaction(street.ctx.pool) as conn:
        theirs = await name_patient(conn, street.ctx, place, registered.record_id)
    assert theirs != street.scan["patient_id"]
    street.scan["patient_id"] = theirs
    path, _ = await split(street)
    settlement_id = path.rsplit("/", 1)[-1]
    listed = await street.mine("GET", "/v1/me/bills")
    assert [bill["settlement_id"] for bill in listed["bills"]] == [settlement_id]
    mine = await street.mine("GET", f"/v1/me/settlements/{settlement_id}")
    assert mine["state"] == "PRESETTLED"
