"""Corrections through HTTP, worker, real adapters and the partners' twins."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.institution import actions as institution
from service.shift import actions as shift
from service.shift.model import Tender
from tests.support.database import DatabaseServer
from tests.support.settlement_street import SINGLE_FEN, Street, a_street

LIVE, REVERSED = "LIVE", "REVERSED"


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        yield made


async def at_counter(street: Street, purpose: str = "identify") -> str:
    """The person comes to a counter and is scanned there: the path of his settlements."""
    street.advance(timedelta(minutes=1))
    code = await street.phone.code(purpose)
    scanned = await street.callers.scan(code, purpose=purpose, terminal=street.desk)
    assert scanned.status_code == 200, scanned.text
    return f"/v1/terminal/scans/{scanned.json()['scan_id']}/settlements"


async def posted(street: Street) -> dict[str, Any]:
    """A settlement that the hospital has in its books."""
    base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
    body = {"bill_id": await street.push_bill(), "use_account": False, "insured": True}
    started = await street.ask(street.kiosk, "POST", base, body)
    await street.work()
    path = f"{base}/{started['settlement_id']}"
    shown = await street.ask(
        street.kiosk, "POST", f"{path}/payment", {"provider": "wechatpay", "way": "native"}
    )
    await street.till.control("pay", code_url=shown["payment"]["qr_text"])
    await street.work()
    return await acknowledge(street, started["settlement_id"], "HIS-1", 1)


async def acknowledge(
    street: Street, settlement_id: str, hospital_ref: str, bill_version: int
) -> dict[str, Any]:
    """The hospital has it in its books."""
    path = f"/v1/institution/settlements/{settlement_id}/posting"
    body = {"hospital_ref": hospital_ref, "bill_version": bill_version}
    done = await street.ask(street.his, "POST", path, body)
    assert done["state"] == "POSTED"
    await street.work()
    return done


async def refused(caller: Any, path: str, body: dict[str, Any]) -> str:
    """The code of the problem that a call is answered with."""
    answer = await caller.send("POST", path, body, key=secrets.token_hex(8))
    return str(answer.json()["code"])


async def test_a_hospital_gives_a_part_back_and_posts_what_remains(street: Street) -> None:
    before = await posted(street)
    path = f"/v1/institution/settlements/{before['settlement_id']}"
    ask = {
        "bill_version": 1,
        "lines": [{"line_no": "1", "quantity_e4": 4_000}],
        "reason": "少取药",
        "asked_by": "A017",
    }
    key = secrets.token_hex(8)
    first = await street.his.send("POST", f"{path}/corrections", ask, key=key)
    again = await street.his.send("POST", f"{path}/corrections", ask, key=key)
    assert (first.status_code, first.content) == (202, again.content)
    assert await refused(street.his, f"{path}/corrections", ask) == "correction-under-way"
    await street.run_for(timedelta(minutes=2))
    [listed] = (await street.ask(street.his, "GET", "/v1/institution/settlements?to_post=true"))[
        "settlements"
    ]
    assert (listed["total_fen"], listed["bill_version"]) == (SINGLE_FEN * 6 // 10, 2)
    assert listed["insurance_ref"] != before["insurance_ref"]
    body = {"hospital_ref": "HIS-1"}
    assert await refused(street.his, f"{path}/posting", body) == "posting-version-differs"
    after = await acknowledge(street, before["settlement_id"], "HIS-2", 2)
    await street.run_for(timedelta(minutes=5))
    correction = await street.ask(
        street.his, "GET", f"/v1/institution/corrections/{first.json()['correction_id']}"
    )
    back_fen = before["cash_fen"] - after["cash_fen"]
    assert back_fen > 0
    assert correction["state"] == "DONE"
    assert correction["refunds"] == [
        {"provider": "wechatpay", "amount_fen": back_fen, "state": "REFUNDED"}
    ]
    assert await street.insurance_book() == [
        (REVERSED, before["cash_fen"]),
        (LIVE, after["cash_fen"]),
    ]
    insurer_fen = after["fund_fen"] + after["account_fen"]
    assert await street.balances(before["settlement_id"]) == {
        name: fen
        for name, fen in {
            "provider:wechatpay": after["cash_fen"],
            "insurer": insurer_fen,
            "hospital": -after["total_fen"],
        }.items()
        if fen
    }
    events = await street.ask(street.his, "GET", "/v1/institution/events")
    assert [(one["type"], one["bill_version"], one["sequence"]) for one in events["events"]] == [
        ("settlement.settled", 1, 1),
        ("settlement.posted", 1, 2),
        ("settlement.corrected", 2, 3),
        ("settlement.posted", 2, 4),
    ]
    receipt = await street.mine("GET", f"/v1/me/settlements/{before['settlement_id']}/receipt")
    assert (receipt["total_fen"], receipt["invoice"]["state"]) == (after["total_fen"], "ISSUED")
    assert [line["quantity_e4"] for line in receipt["lines"]] == [6_000]
    in_book = await street.invoices.bills()
    assert sorted(one["total_fen"] for one in in_book) == [after["total_fen"], SINGLE_FEN]


async def sign_in(street: Street, staff_no: str) -> dict[str, str]:
    """Somebody of the hospital at the counter: what his calls carry."""
    place = street.callers.hospital.institution_id
    pin = await shift.add_staff(street.ctx, place, staff_no)
    body = {"staff_no": staff_no, "pin": pin}
    signed = await street.ask(street.desk, "POST", "/v1/terminal/staff/sign-in", body)
    return {"yimatong-staff": signed["session"]}


async def test_a_cashier_asks_and_another_person_agrees(street: Street) -> None:
    place = street.callers.hospital
    await institution.set_approval_limit(street.ctx, place.institution_id, 50_00)
    before = await posted(street)
    one = before["settlement_id"]
    ask = {"bill_version": 1, "bill_after": "WITHDRAWN", "reason": "退号"}
    kiosk = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements/{one}"
    assert await refused(street.kiosk, f"{kiosk}/return", ask) == "not-allowed"
    base = await at_counter(street)
    books = f"{base.removesuffix('/settlements')}/posted"
    (shown,) = (await street.ask(street.desk, "GET", books))["settlements"]
    assert (shown["settlement_id"], shown["bill_version"]) == (one, 1)
    assert [line["amount_fen"] for line in shown["lines"]] == [SINGLE_FEN]
    desk = f"{base}/{one}"
    assert await refused(street.desk, f"{desk}/return", ask) == "staff-not-signed-in"
    cashier, chief = await sign_in(street, "1001"), await sign_in(street, "2002")

    async def send(path: str, body: dict[str, Any], who: dict[str, str]) -> dict[str, Any]:
        key = secrets.token_hex(8)
        answer = await street.desk.send("POST", path, body, key=key, more=who)
        return dict(answer.json())

    waiting = await send(f"{desk}/return", ask, cashier)
    assert (waiting["state"], waiting["asked_by"]) == ("AWAITING_APPROVAL", "1001")
    awaiting = "/v1/terminal/shift/corrections"
    assert (await street.desk.send("GET", awaiting)).status_code == 401
    seen = await street.desk.send("GET", awaiting, more=chief)
    assert seen.json()["corrections"] == [{"correction": waiting, "posted": shown}]
    path = f"/v1/terminal/corrections/{waiting['correction_id']}"
    assert (await send(f"{path}/approval", {}, cashier))["code"] == "asker-may-not-approve"
    begun = await send(f"{path}/approval", {}, chief)
    assert (begun["state"], begun["settlement_state"]) == ("RUNNING", "REVERSING")
    assert (await street.desk.send("GET", awaiting, more=chief)).json() == {"corrections": []}
    await street.run_for(timedelta(minutes=3))
    done = await street.ask(street.desk, "GET", path)
    assert (done["state"], done["settlement_state"]) == ("DONE", "REVERSED")
    assert [one["amount_fen"] for one in done["refunds"]] == [before["cash_fen"]]
    listed = await street.ask(street.desk, "GET", f"{desk}/corrections")
    assert [one["decided_by"] for one in listed["corrections"]] == ["2002"]
    assert (await street.ask(street.desk, "GET", books))["settlements"] == []
    assert await street.balances(one) == {}
    assert await street.insurance_book() == [(REVERSED, before["cash_fen"])]
    invoice = (await street.mine("GET", f"/v1/me/settlements/{one}/receipt"))["invoice"]
    assert invoice["state"] == "WRITTEN_OFF"


async def test_a_hospital_says_who_of_its_people_agrees(street: Street) -> None:
    await institution.set_approval_limit(street.ctx, street.callers.hospital.institution_id, 0)
    one = (await posted(street))["settlement_id"]
    path = f"/v1/institution/settlements/{one}/return"
    ask = {"bill_version": 1, "bill_after": "OPEN", "reason": "退号", "asked_by": "a17"}
    waiting = await street.ask(street.his, "POST", path, ask)
    path = f"/v1/institution/corrections/{waiting['correction_id']}"
    own = {"decided_by": "A17"}
    assert await refused(street.his, f"{path}/approval", own) == "asker-may-not-approve"
    no = await street.ask(street.his, "POST", f"{path}/refusal", own)
    assert (no["state"], no["settlement_state"]) == ("REFUSED", "POSTED")
    assert await refused(street.his, f"{path}/approval", {"decided_by": "B1"}) == "state-conflict"


async def test_the_tender_used_last_goes_back_first_and_cash_waits_for_a_cashier(
    street: Street,
) -> None:
    place = street.callers.hospital.institution_id
    await shift.set_tenders(street.ctx, place, frozenset({Tender.CASH}))
    cashier = await sign_in(street, "1001")
    base = await at_counter(street, "pay")
    body = {"bill_id": await street.push_bill(), "use_account": False, "insured": True}
    path = f"{base}/{(await street.ask(street.desk, 'POST', base, body))['settlement_id']}"
    await street.work()

    async def send(where: str, what: dict[str, Any]) -> dict[str, Any]:
        key = secrets.token_hex(8)
        answer = await street.desk.send("POST", where, what, key=key, more=cashier)
        assert answer.status_code < 300, answer.text
        return dict(answer.json())

    await send("/v1/terminal/shift", {"float_fen": 0})
    cash = {"tender": "cash", "amount_fen": 10_00, "tendered_fen": 10_00}
    await send(f"{path}/counter-payment", cash)
    street.advance(timedelta(seconds=1))
    shown = await send(f"{path}/payment", {"provider": "wechatpay", "way": "native"})
    await street.till.control("pay", code_url=shown["payment"]["qr_text"])
    await street.work()
    seen = await street.ask(street.desk, "GET", path)
    by_phone = seen["cash_fen"] - 10_00
    await acknowledge(street, seen["settlement_id"], "HIS-1", 1)
    ask = {
        "bill_version": 1,
        "lines": [{"line_no": "1", "quantity_e4": 9_900}],
        "reason": "少取药",
    }
    asked = await send(f"{path}/corrections", ask)
    await street.run_for(timedelta(minutes=2))
    after = await acknowledge(street, seen["settlement_id"], "HIS-2", 2)
    in_cash = 10_00 - after["cash_fen"]
    assert in_cash > 0
    where = f"/v1/terminal/corrections/{asked['correction_id']}"
    refunds = (await street.ask(street.desk, "GET", where))["refunds"]
    assert {one["provider"]: (one["amount_fen"], one["state"]) for one in refunds} == {
        "wechatpay": (by_phone, "REFUNDED"),
        "cash": (in_cash, "CREATED"),
    }
    scan = path.partition("/settlements")[0]
    answer = await street.desk.send("GET", f"{scan}/refunds", None, more=cashier)
    (waits,) = answer.json()["refunds"]
    await send(f"{scan}/refunds/{waits['refund_id']}/giving", {})
    await street.run_for(timedelta(minutes=1))
    sums = await street.balances(seen["settlement_id"])
    assert {name: fen for name, fen in sums.items() if name != "insurer"} == {
        cash_account(sums): after["cash_fen"],
        "hospital": -after["total_fen"],
    }


def cash_account(sums: dict[str, int]) -> str:
    """The account of the hospital's drawers."""
    return next(name for name in sums if "cash" in name)
