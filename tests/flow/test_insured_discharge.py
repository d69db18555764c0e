"""An insured stay through real adapters and the bureau's twin: 2401, 2402, 2301, 2303 to 2305."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.settlement import reviewing
from service.settlement.states import SettlementEvent
from tests.support.database import DatabaseServer
from tests.support.settlement_street import Street, a_street

MINUTE = timedelta(minutes=1)
STAY = "ZY-7"
CHARGED_FEN = 8_000_00


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        yield made


async def push(street: Street, kind: str, fen: int, **stay: Any) -> str:
    """A bill of the stay, of one line; gives its id."""
    now = street.ctx.clock.now()
    visit = {
        "visit_no": STAY,
        "began_at": now.isoformat(),
        "visit_type": "21",
        "department_no": "A03",
        "department_name": "内科",
        "speciality": "A03",
        "doctor_no": "D1",
        "doctor_name": "测试医师",
        "diagnoses": [{"code": "J18.900", "name": "肺炎", "main": True}],
    }
    line = {
        "line_no": "1",
        "catalogue_code": "TESTMED000001",
        "local_code": "L1",
        "name": "测试片",
        "quantity_e4": 10_000,
        "unit_price_e6": fen * 10_000,
        "amount_fen": fen,
        "charged_at": now.isoformat(),
    }
    street.bills += 1
    body = {
        "bill_no": f"S{street.bills}",
        "patient_id": street.scan["patient_id"],
        "kind": kind,
        "stay": {"stay_no": STAY, **stay},
        "visit": visit | ({"diagnoses": []} if kind == "DEPOSIT" else {}),
        "lines": [line],
        "total_fen": fen,
        "pay_until": (now + timedelta(hours=2)).isoformat(),
    }
    return str((await street.ask(street.his, "POST", "/v1/institution/bills", body))["bill_id"])


async def start(street: Street, bill_id: str) -> dict[str, Any]:
    """At the kiosk, insured; the division when it is known."""
    base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
    body = {"bill_id": bill_id, "use_account": False, "insured": True}
    seen = await street.ask(street.kiosk, "POST", base, body)
    while seen["state"] == "PRESETTLING":
        await street.run_for(MINUTE / 2)
        seen = await read(street, seen)
    return seen


async def read(street: Street, seen: dict[str, Any]) -> dict[str, Any]:
    """As it stands."""
    return await street.mine("GET", f"/v1/me/settlements/{seen['settlement_id']}")


async def pay(street: Street, seen: dict[str, Any], minutes: int = 2) -> dict[str, Any]:
    """What is owed, by a QR; then the worker's time."""
    path = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements/{seen['settlement_id']}"
    asked = {"provider": "wechatpay", "way": "native"}
    shown = await street.ask(street.kiosk, "POST", f"{path}/payment", asked)
    await street.till.control("pay", code_url=shown["payment"]["qr_text"])
    await street.run_for(minutes * MINUTE)
    return await read(street, seen)


async def post(street: Street, seen: dict[str, Any]) -> dict[str, Any]:
    """The hospital acknowledges."""
    path = f"/v1/institution/settlements/{seen['settlement_id']}/posting"
    await street.ask(street.his, "POST", path, {"hospital_ref": "HIS-1"})
    await street.work()
    return await read(street, seen)


async def deposit(street: Street, fen: int) -> dict[str, Any]:
    """A deposit, paid and posted."""
    seen = await start(street, await push(street, "DEPOSIT", fen))
    assert (seen["state"], seen["cash_fen"]) == ("PRESETTLED", fen), "a deposit is own money"
    return await post(street, await pay(street, seen))


async def discharge(street: Street, **stay: Any) -> dict[str, Any]:
    """The stay's bill, divided by the bureau."""
    told = {"bed": "12", "ended_at": street.ctx.clock.now().isoformat(), **stay}
    return await start(street, await push(street, "DISCHARGE", CHARGED_FEN, **told))


async def sums(street: Street, *all_seen: dict[str, Any]) -> dict[str, int]:
    """The ledger's accounts over several settlements that are not zero."""
    total: dict[str, int] = {}
    for seen in all_seen:
        for account, fen in (await street.balances(seen["settlement_id"])).items():
            total[account] = total.get(account, 0) + fen
    return {account: fen for account, fen in total.items() if fen}


async def held_fen(street: Street) -> int:
    """What the hospital reads of the stay."""
    stay = await street.ask(street.his, "GET", f"/v1/institution/stays/{STAY}")
    return int(stay["held_fen"])


@pytest.mark.parametrize("order", ["any", "before-settlement"])
async def test_the_fund_the_deposit_and_a_supplement_pay_a_stay(street: Street, order: str) -> None:
    await street.bureau.control("style", {"discharge_order": order})
    first = await deposit(street, 100_00)
    assert await held_fen(street) == 100_00
    seen = await discharge(street)
    assert (seen["state"], seen["paid_fen"]) == ("PRESETTLED", 100_00), seen
    assert seen["fund_fen"] > 0
    assert seen["owed_fen"] == seen["cash_fen"] - 100_00 > 0
    seen = await post(street, await pay(street, seen))
    assert seen["state"] == "POSTED", seen
    assert await street.insurance_book() == [("LIVE", seen["cash_fen"])]
    assert await sums(street, first, seen) == {
        "provider:wechatpay": seen["cash_fen"],
        "insurer": seen["fund_fen"],
        "hospital": -CHARGED_FEN,
    }
    assert [len(street.bureau.sent(infno)) for infno in ("2401", "2402", "2301", "2304")] == [1] * 4
    receipts = [
        await street.mine("GET", f"/v1/me/settlements/{one['settlement_id']}/receipt")
        for one in (first, seen)
    ]
    assert "invoice" not in receipts[0], "a deposit is no charge"
    assert receipts[1]["invoice"]["state"] == "ISSUED"
    assert [one["total_fen"] for one in await street.invoices.bills()] == [CHARGED_FEN]


async def test_what_deposits_are_too_much_goes_back_after_the_bureau_settled(
    street: Street,
) -> None:
    first = await deposit(street, CHARGED_FEN)
    seen = await discharge(street)
    assert (seen["state"], seen["owed_fen"]) == ("PRESETTLED", 0)
    path = f"/v1/me/settlements/{seen['settlement_id']}/confirmation"
    await street.mine("POST", path, {})
    await street.run_for(2 * MINUTE)
    seen = await post(street, seen)
    first = await read(street, first)
    assert first["refunded_fen"] == seen["refunded_fen"] == CHARGED_FEN - seen["cash_fen"] > 0
    assert await sums(street, first, seen) == {
        "provider:wechatpay": seen["cash_fen"],
        "insurer": seen["fund_fen"],
        "hospital": -CHARGED_FEN,
    }


@pytest.mark.parametrize(("fault", "settles"), [("drop_after", 1), ("drop_before", 2)])
async def test_lost_answers_are_cleared_up_and_nothing_stands_twice(
    street: Street, fault: str, settles: int
) -> None:
    for infno in ("2401", "2402", "2301", "2304"):
        await street.plan(fault, infno)
    first = await deposit(street, 100_00)
    seen = await discharge(street)
    seen = await post(street, await pay(street, seen, minutes=5))
    assert (seen["state"], seen["paid_fen"]) == ("POSTED", seen["cash_fen"])
    book = await street.insurance_book()
    assert [one for one in book if one[0] == "LIVE"] == [("LIVE", seen["cash_fen"])]
    assert (await sums(street, first, seen)).get("deposit", 0) == 0
    assert [len(street.bureau.sent(infno)) for infno in ("2401", "2402", "2304")] == [2, 2, settles]
    assert street.bureau.sent("2601")


async def test_a_settlement_that_was_refused_is_undone_to_the_admission(street: Street) -> None:
    first = await deposit(street, 100_00)
    seen = await discharge(street)
    await street.plan("reject", "2304", text="不予结算")
    seen = await pay(street, seen, minutes=5)
    assert (seen["state"], seen["reason"]) == ("REVERSED", "insurance-refused")
    assert seen["paid_fen"] == seen["refunded_fen"] == seen["cash_fen"]
    assert [bool(street.bureau.sent(one)) for one in ("2302", "2405", "2404")] == [True] * 3
    assert await sums(street, first, seen) == {"provider:wechatpay": 100_00, "deposit": -100_00}
    assert await held_fen(street) == 100_00
    again = await discharge(street)
    assert (await post(street, await pay(street, again)))["state"] == "POSTED"


async def test_a_posted_discharge_is_given_back(street: Street) -> None:
    first = await deposit(street, 100_00)
    seen = await post(street, await pay(street, await discharge(street)))
    path = f"/v1/institution/settlements/{seen['settlement_id']}"
    lines = [{"line_no": "1", "quantity_e4": 5_000}]
    body = {"bill_version": 1, "lines": lines, "reason": "未用", "asked_by": "A1"}
    await street.ask(street.his, "POST", f"{path}/corrections", body)
    await street.run_for(5 * MINUTE)
    posting = {"hospital_ref": "HIS-2", "bill_version": 2}
    half = await street.ask(street.his, "POST", f"{path}/posting", posting)
    await street.work()
    assert (half["state"], half["total_fen"]) == ("POSTED", CHARGED_FEN // 2)
    assert await sums(street, first, seen) == {
        "provider:wechatpay": half["cash_fen"],
        "insurer": half["fund_fen"],
        "hospital": -CHARGED_FEN // 2,
    }
    body = {"bill_version": 2, "bill_after": "WITHDRAWN", "reason": "重新结算", "asked_by": "A1"}
    await street.ask(street.his, "POST", f"{path}/return", body)
    await street.run_for(5 * MINUTE)
    assert (await read(street, seen))["state"] == "REVERSED"
    assert [state for state, _ in await street.insurance_book()] == ["REVERSED"] * 2
    invoices = await street.invoices.bills()
    assert [one["total_fen"] for one in invoices] == [CHARGED_FEN, CHARGED_FEN // 2]
    assert all(one["red_number"] for one in invoices), "each round's is written off"
    assert await sums(street, first, seen) == {"provider:wechatpay": 100_00, "deposit": -100_00}


async def test_an_unknown_settlement_is_undone_by_a_person_once_the_bureau_speaks_again(
    street: Street,
) -> None:
    first = await deposit(street, 100_00)
    seen = await discharge(street)
    await street.plan("drop_after", "2304")
    for infno in ("5203", "2601"):
        await street.plan("drop_before", infno, times=100)
    seen = await pay(street, seen)
    await street.run_for(timedelta(hours=3), timedelta(minutes=10))
    seen = await read(street, seen)
    assert (seen["state"], seen["reason"]) == ("NEEDS_REVIEW", "settling-stuck")
    await street.bureau.client.delete("/sandbox/faults")
    key = street.ctx.public_ids.parse(seen["settlement_id"])
    await reviewing.review(street.ctx, *key, SettlementEvent.REVIEWED_REVERSE)
    await street.run_for(5 * MINUTE)
    seen = await read(street, seen)
    assert (seen["state"], seen["paid_fen"]) == ("REVERSED", seen["refunded_fen"])
    assert [state for state, _ in await street.insurance_book()] == ["UNDONE"]
    assert await sums(street, first, seen) == {"provider:wechatpay": 100_00, "deposit": -100_00}
    assert await held_fen(street) == 100_00
