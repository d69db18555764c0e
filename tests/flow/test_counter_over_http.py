"""The counter over HTTP: a signed terminal, a cashier's session, cash, slips and what waits."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.shift import actions as shift
from service.shift.model import Tender
from tests.support.database import DatabaseServer
from tests.support.settlement_street import SINGLE_FEN, Street, a_street


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        place = made.callers.hospital.institution_id
        await shift.set_tenders(made.ctx, place, frozenset(Tender))
        yield made


class Cashier:
    """Signs in, opens a shift and asks with his session."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.session = ""

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "", expect: int = 200
    ) -> dict[str, Any]:
        if "payment" in path and not key:
            self.street.advance(timedelta(seconds=1))
        more = {"yimatong-staff": self.session} if self.session else None
        key = key or secrets.token_hex(8)
        answer = await self.street.desk.send(method, path, body, key=key, more=more)
        assert answer.status_code == expect, answer.text
        return dict(answer.json()) if answer.content else {}

    async def begin(self, float_fen: int) -> None:
        place = self.street.callers.hospital.institution_id
        pin = await shift.add_staff(self.street.ctx, place, "1001")
        body = {"staff_no": "1001", "pin": pin}
        signed = await self.ask("POST", "/v1/terminal/staff/sign-in", body)
        assert (signed["tenders"], "shift" in signed) == (["cash", "pos"], False)
        self.session = signed["session"]
        opened = {"float_fen": float_fen}
        await self.ask("POST", "/v1/terminal/shift", opened, expect=201)


async def started(street: Street) -> tuple[str, dict[str, Any]]:
    """A settlement begun at the desk for the person scanned there: its path and answer."""
    bill_id = await street.push_bill()
    scan = await street.ask(
        street.desk, "POST", "/v1/terminal/scans", {"text": await code(street), "purpose": "pay"}
    )
    base = f"/v1/terminal/scans/{scan['scan_id']}"
    body = {"bill_id": bill_id, "use_account": False, "insured": True}
    one = await street.ask(street.desk, "POST", f"{base}/settlements", body)
    await street.work()
    path = f"{base}/settlements/{one['settlement_id']}"
    return path, await street.ask(street.desk, "GET", path)


async def code(street: Street) -> str:
    shown = await street.mine("POST", "/v1/me/codes", {"purpose": "pay", "symbol": False})
    return str(shown["text"])


async def test_a_bill_is_paid_by_card_cash_and_phone_at_the_desk(street: Street) -> None:
    cashier = Cashier(street)
    path, seen = await started(street)
    owed = seen["owed_fen"]
    assert owed == seen["cash_fen"] > 20_00
    cash = {"tender": "cash", "amount_fen": 10_00, "tendered_fen": 50_00}
    refused = await cashier.ask("POST", f"{path}/counter-payment", cash, expect=401)
    assert refused["code"] == "staff-not-signed-in"
    await cashier.begin(100_00)
    taken = await cashier.ask("POST", f"{path}/counter-payment", cash, key="k-1")
    assert (taken["amount_fen"], taken["change_fen"]) == (10_00, 40_00)
    assert taken["settlement"]["owed_fen"] == owed - 10_00
    assert await cashier.ask("POST", f"{path}/counter-payment", cash, key="k-1") == taken
    slip = {"tender": "pos", "amount_fen": 5_00, "slip_no": "000123", "slip_ref": "88-1"}
    await cashier.ask("POST", f"{path}/counter-payment", slip)
    used = await cashier.ask("POST", f"{path}/counter-payment", slip, expect=409)
    assert used["code"] == "slip-used"
    body = {"provider": "wechatpay", "way": "native"}
    shown = await cashier.ask("POST", f"{path}/payment", body)
    assert shown["payment"]["amount_fen"] == owed - 15_00
    await street.till.control("pay", code_url=shown["payment"]["qr_text"])
    await street.run_for(timedelta(minutes=1))
    done = await street.ask(street.desk, "GET", path)
    assert (done["state"], done["paid_fen"]) == ("POSTING", owed)
    assert [one["provider"] for one in done["tenders"]] == ["cash", "pos", "wechatpay"]
    report = await cashier.ask("GET", "/v1/terminal/shift")
    assert (report["expected_cash_fen"], report["expected_pos_fen"]) == (110_00, 5_00)
    unexplained = {"counted_cash_fen": 110_00, "counted_pos_fen": 0}
    refused = await cashier.ask("POST", "/v1/terminal/shift/closing", unexplained, expect=409)
    assert refused["expected_pos_fen"] == 5_00
    right = {"counted_cash_fen": 110_00, "counted_pos_fen": 5_00}
    closed = await cashier.ask("POST", "/v1/terminal/shift/closing", right)
    assert (closed["shift"]["state"], len(closed["entries"])) == ("CLOSED", 2)
    await cashier.ask("POST", "/v1/terminal/staff/sign-out", expect=204)


async def test_what_waits_is_given_to_whom_it_belongs(street: Street) -> None:
    cashier = Cashier(street)
    await cashier.begin(0)
    path, seen = await started(street)
    scan = path.partition("/settlements")[0]
    cash = {"tender": "cash", "amount_fen": 10_00, "tendered_fen": 10_00}
    await cashier.ask("POST", f"{path}/counter-payment", cash)
    await street.ask(street.desk, "POST", f"{path}/abandonment", {})
    await street.run_for(timedelta(minutes=1))
    everybody = await cashier.ask("GET", "/v1/terminal/shift/refunds")
    (waits,) = (await cashier.ask("GET", f"{scan}/refunds"))["refunds"]
    assert everybody["refunds"] == [waits]
    assert (waits["bill_no"], waits["tender"], waits["amount_fen"]) == ("B1", "cash", 10_00)
    giving = f"{scan}/refunds/{waits['refund_id']}/giving"
    given = await cashier.ask("POST", giving, {})
    assert given["amount_fen"] == 10_00
    again = await cashier.ask("POST", giving, {}, expect=409)
    assert again["code"] == "refund-not-waiting"
    await street.run_for(timedelta(minutes=1))
    assert (await street.ask(street.desk, "GET", path))["state"] == "REVERSED"
    assert await street.balances(seen["settlement_id"]) == {}
    assert (await cashier.ask("GET", f"{scan}/refunds"))["refunds"] == []
    assert seen["total_fen"] == SINGLE_FEN
