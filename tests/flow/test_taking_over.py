"""A bill begun at one place and taken over at another: over HTTP before WeChat Pay's twin, and its
races before partners in memory."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.payment.states import LIVE
from service.settlement import actions, taking_over
from service.settlement.counter import taking
from service.settlement.model import PHONES, Channel, Place, Settlement, TakeOver
from service.settlement.problems import (
    PaymentStillOpen,
    SettlementNotPayable,
    SettlementTakenOver,
)
from service.settlement.states import SettlementState
from service.shift import actions as shift
from service.shift.model import Tender
from tests.support.counter_rig import Desk
from tests.support.database import DatabaseServer
from tests.support.settlement_checks import assert_posted
from tests.support.settlement_rig import Rig, a_rig
from tests.support.settlement_street import Street, a_street

S = SettlementState
SECOND = timedelta(seconds=1)
KIOSKS = [Place(channel=Channel.KIOSK, terminal_id=number) for number in (71, 72)]


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        yield made


async def on_phone(street: Street) -> tuple[dict[str, Any], str, str]:
    """An order inside WeChat, placed on the phone: what the kiosk sees, its path, the phone's."""
    bill_id = await street.push_bill()
    wishes = {"use_account": False, "insured": True}
    begun = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", wishes)
    await street.work()
    mine = f"/v1/me/settlements/{begun['settlement_id']}"
    await street.mine("POST", f"{mine}/payment", {"provider": "wechatpay", "way": "jsapi"})
    base = f"/v1/terminal/scans/{street.scan['scan_id']}"
    (listed,) = (await street.ask(street.kiosk, "GET", f"{base}/bills"))["bills"]
    assert (listed["state"], listed["settlement_id"]) == ("LOCKED", begun["settlement_id"])
    path = f"{base}/settlements/{begun['settlement_id']}"
    return await street.ask(street.kiosk, "GET", path), path, mine


def asking(seen: dict[str, Any]) -> dict[str, str]:
    """The body of a take-over of what was seen."""
    return {"held_since": seen["held"]["since"]}


async def refused(street: Street, caller: Any, path: str, body: Any) -> dict[str, Any]:
    """A call that is answered with a conflict."""
    if caller is street.phone:
        token = {
            "authorization": f"Bearer {street.phone.token}",
            "idempotency-key": secrets.token_hex(8),
        }
        answer = await street.client.post(path, json=body, headers=token)
    else:
        answer = await caller.send("POST", path, body, key=secrets.token_hex(8))
    assert answer.status_code == 409, answer.text
    return dict(answer.json())


async def test_the_kiosk_takes_over_what_the_phone_began_and_the_phone_is_told(
    street: Street,
) -> None:
    seen, path, mine = await on_phone(street)
    assert seen["held"] | {"since": ""} == {
        "channel": "PHONE", "since": "", "here": False, "alone": False,
    }  # fmt: skip
    street.advance(SECOND)
    link = {"link": (await street.mine("POST", f"{mine}/pay-link", {}))["link"]}
    taken = await street.ask(street.kiosk, "POST", f"{path}/takeover", asking(seen))
    assert (taken["state"], taken["payment"]["state"]) == ("PRESETTLED", "CLOSED")
    assert (taken["held"]["channel"], taken["held"]["here"]) == ("KIOSK", True)
    assert taken["owed_fen"] == seen["cash_fen"]
    again = await street.ask(street.kiosk, "POST", f"{path}/takeover", asking(seen))
    assert again["held"] == taken["held"]

    phone = (await street.mine("GET", mine))["held"]
    assert (phone["channel"], phone["here"], phone["alone"]) == ("KIOSK", False, True)
    for act, body in (
        ("payment", {"provider": "wechatpay", "way": "jsapi"}),
        ("abandonment", {}),
        ("confirmation", {}),
        ("pay-link", {}),
        ("takeover", asking(seen)),
    ):
        told = await refused(street, street.phone, f"{mine}/{act}", body)
        assert told["code"] == "settlement-taken-over", act
    assert (await street.mine("POST", "/v1/me/pay-link", link))["state"] == "OVER"

    order = {"provider": "wechatpay", "way": "native"}
    shown = await street.ask(street.kiosk, "POST", f"{path}/payment", order)
    await street.till.control("pay", code_url=shown["payment"]["qr_text"])
    await street.run_for(timedelta(minutes=1))
    done = await street.ask(street.kiosk, "GET", path)
    assert (done["state"], done["paid_fen"]) == ("POSTING", done["cash_fen"])
    orders = [one["trade_state"] for one in (await street.till.book())["orders"]]
    assert sorted(orders) == ["CLOSED", "SUCCESS"]


async def test_the_phone_takes_it_back_and_the_kiosk_cannot_end_it(street: Street) -> None:
    seen, path, mine = await on_phone(street)
    taken = await street.ask(street.kiosk, "POST", f"{path}/takeover", asking(seen))
    street.advance(SECOND)
    back = await street.mine("POST", f"{mine}/takeover", asking(taken))
    assert (back["held"]["channel"], back["held"]["here"]) == ("PHONE", True)
    for act, body in (
        ("payment", {"provider": "wechatpay", "way": "native"}),
        ("abandonment", {}),
    ):
        told = await refused(street, street.kiosk, f"{path}/{act}", body)
        assert told["code"] == "settlement-taken-over"
    assert (await street.mine("GET", mine))["state"] == "PRESETTLED"


async def test_only_a_scan_that_may_pay_takes_over(street: Street) -> None:
    seen, path, _ = await on_phone(street)
    street.advance(timedelta(minutes=5))
    text = (await street.mine("POST", "/v1/me/codes", {"purpose": "identify", "symbol": False}))[
        "text"
    ]
    scan = await street.ask(
        street.kiosk, "POST", "/v1/terminal/scans", {"text": text, "purpose": "identify"}
    )
    identified = path.replace(street.scan["scan_id"], scan["scan_id"])
    answer = await street.kiosk.send("POST", f"{identified}/takeover", asking(seen))
    assert (answer.status_code, answer.json()["code"]) == (403, "scan-not-for-payment")
    other = await street.desk.send("POST", f"{path}/takeover", asking(seen))
    assert other.status_code == 404
    odd = await street.kiosk.send("POST", f"{path}/takeover", {"held_since": "yesterday"})
    assert odd.status_code == 400


async def begun(rig: Rig, *, order: bool = True) -> Settlement:
    """A settlement of the phone, with an order that can be paid."""
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    row = await rig.read(row)
    if order:
        await rig.pay(row, way="jsapi")
    rig.clock.advance(SECOND)
    return await rig.read(row)


async def take_over(rig: Rig, row: Settlement, place: Place) -> Settlement:
    """As whoever saw the row."""
    key = (row.record_id, row.settlement_id)
    command = TakeOver(key=key, place=place, held_since=row.held_since)
    return await taking_over.take_over(rig.ctx, command)


async def test_a_provider_that_is_silent_while_closing_keeps_it_where_it_is(rig: Rig) -> None:
    row = await begun(rig)
    rig.till.faults.script("close", "lose-request")
    rig.till.faults.script("query", "lose-answer")
    with pytest.raises(PaymentStillOpen) as still:
        await take_over(rig, row, KIOSKS[0])
    assert 1 <= still.value.extensions["retry_after_s"] <= 30
    kept = await rig.read(row)
    assert (kept.state, kept.channel, kept.taken_over_at) == (S.AWAITING_PAYER, Channel.PHONE, None)
    with pytest.raises(PaymentStillOpen):
        await rig.pay(row, place=KIOSKS[0])
    assert len(rig.till.orders) == 1
    await rig.run_for(timedelta(seconds=35))
    taken = await take_over(rig, row, KIOSKS[0])
    assert taken.is_held_at(KIOSKS[0])
    assert rig.till.unpaid() == []
    await rig.pay(taken, place=KIOSKS[0])
    rig.till.pay(rig.till.unpaid()[0])
    await assert_posted(rig, await rig.settled(row))


async def test_a_payment_that_arrives_during_the_take_over_stands(rig: Rig) -> None:
    row = await begun(rig)
    rig.till.pay(rig.till.unpaid()[0])
    stands = await take_over(rig, row, KIOSKS[0])
    assert (stands.state, stands.channel, stands.paid_fen) == (S.PAID, Channel.PHONE, row.cash_fen)
    await assert_posted(rig, await rig.settled(row))
    assert rig.till.kept_fen == row.cash_fen


async def test_of_two_kiosks_that_take_over_at_once_one_has_it(rig: Rig) -> None:
    row = await begun(rig)
    got = await asyncio.gather(
        *(take_over(rig, row, place) for place in KIOSKS), return_exceptions=True
    )
    (taken,) = [one for one in got if isinstance(one, Settlement)]
    (late,) = [one for one in got if one is not taken]
    assert isinstance(late, SettlementTakenOver | PaymentStillOpen)
    holder = next(place for place in KIOSKS if taken.is_held_at(place))
    other = next(place for place in KIOSKS if place is not holder)
    order = await rig.pay(taken, place=holder)
    # Late, and again: the order that stands now is not the one he saw, and is left alone.
    with pytest.raises(SettlementTakenOver):
        await take_over(rig, row, other)
    with pytest.raises(SettlementTakenOver):
        await rig.pay(order, place=other)
    live = [one for one in await rig.attempts(row) if one.state in LIVE]
    assert [one.trade_no for one in live] == rig.till.unpaid()
    assert len(live) == 1


async def test_an_order_placed_meanwhile_is_not_paid_past(rig: Rig) -> None:
    """The phone orders between the closing and the take-over: nobody gets it for the moment."""
    row = await begun(rig)
    first = rig.till.unpaid()[0]
    command = TakeOver(
        key=(row.record_id, row.settlement_id), place=KIOSKS[0], held_since=row.held_since
    )
    closing = asyncio.Event()
    asked = rig.till.close

    async def close(trade_no: str) -> Any:
        told = await asked(trade_no)
        if trade_no == first and not closing.is_set():
            closing.set()
            # Closed, which the worker sees too; the phone orders anew before he goes on.
            await rig.run_for(timedelta(seconds=40))
            await rig.pay(await rig.read(row), way="native")
        return told

    rig.till.close = close  # type: ignore[method-assign]
    with pytest.raises(PaymentStillOpen):
        await taking_over.take_over(rig.ctx, command)
    live = [one for one in await rig.attempts(row) if one.state in LIVE]
    assert [one.trade_no for one in live] == rig.till.unpaid() != [first]
    assert (await rig.read(row)).channel is Channel.PHONE


async def test_a_counter_takes_over_and_no_other_counter_takes_cash(rig: Rig) -> None:
    desk = Desk(rig)
    await shift.set_tenders(rig.ctx, rig.place.institution_id, frozenset(Tender))
    mine, other = await desk.drawer("1001"), await desk.drawer("1002")
    row = await begun(rig)
    taken = await take_over(rig, row, taking.place_of(mine.terminal))
    with pytest.raises(SettlementTakenOver):
        await other.take(taken)
    assert [one.state for one in (await other.report()).entries] == []
    await mine.take(taken)
    assert (await rig.settled(row)).state is S.POSTING


async def test_what_is_over_is_not_taken_over(rig: Rig) -> None:
    row = await begun(rig, order=False)
    rig.clock.advance(timedelta(hours=1))
    with pytest.raises(SettlementNotPayable):
        await take_over(rig, row, KIOSKS[0])
    gone = await rig.settled(row)
    assert (await take_over(rig, gone, KIOSKS[0])).state is S.REVERSED
    early = await rig.start(await rig.push_bill(100_00))
    rig.clock.advance(SECOND)
    taken = await take_over(rig, early, KIOSKS[0])
    assert (taken.state, taken.is_held_at(KIOSKS[0])) == (S.PRESETTLING, True)
    await rig.work()
    with pytest.raises(SettlementTakenOver):
        await actions.abandon(rig.ctx, early.record_id, early.settlement_id, PHONES)
    await actions.abandon(rig.ctx, early.record_id, early.settlement_id, KIOSKS[0])
    assert (await rig.settled(early)).state is S.REVERSED
