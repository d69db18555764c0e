"""Each twin's page: its book, a fault scripted by its form, and its clock that jumps."""

from datetime import timedelta

import httpx

from crypto.sm2 import PrivateKey
from integrations.ports.outcomes import Accepted, Unknown
from integrations.ports.payments import PaymentStatus
from integrations.sandbox.hospital.app import HospitalSettings, create_hospital_twin
from integrations.sandbox.hospital.signing import HospitalKeys
from tests.contract import alipay_rig, fiscal_rig, insurance_rig, wechat_rig
from tests.support.clock import FakeClock
from tests.support.twin_forms import TwinPage

DAY = "86400"


async def test_wechat_pay_s_page_spoils_one_trade_s_next_answer() -> None:
    rig = wechat_rig.Rig()
    page = TwinPage(rig.client)
    await rig.paid("TRADE0001")
    await rig.paid("TRADE0002")
    sent = await page.send("faults", fault="answer-forged", number="TRADE0001", times="1")
    assert sent.status_code == 200
    cells = await page.cells()
    assert {"TRADE0001", "TRADE0002", "SUCCESS", "123.45", "answer-forged"} <= set(cells)
    other = await rig.gateway.query("TRADE0002")
    assert isinstance(other, Accepted)
    assert isinstance(await rig.gateway.query("TRADE0001"), Unknown)
    assert isinstance(await rig.gateway.query("TRADE0001"), Accepted)
    assert "answer-forged" not in await page.cells()


async def test_wechat_pay_s_orders_grow_old_by_its_own_clock_and_signatures_do_not() -> None:
    rig = wechat_rig.Rig()
    await rig.placed("TRADE0001")
    assert (await TwinPage(rig.client).send("clock", forward_s="2592000")).status_code == 200
    told = await rig.gateway.query("TRADE0001")
    assert isinstance(told, Accepted), "the answer is signed by the wall's clock"
    assert told.value.status is PaymentStatus.CLOSED


async def test_wechat_pay_repeats_a_notice_when_its_clock_jumps_and_signs_it_of_now() -> None:
    rig = wechat_rig.Rig()
    await rig.paid("TRADE0001")
    rig.merchant_down = True
    await rig.deliver()
    rig.merchant_down = False
    assert await rig.deliver() == 0
    await TwinPage(rig.client).send("clock", forward_s="60")
    assert await rig.deliver() == 1
    assert [type(one) for one in rig.inbox] != [str], "a notice signed in the future is refused"
    assert len(rig.inbox) == 1


async def test_alipay_s_page_spoils_one_trade_s_next_answer() -> None:
    rig = alipay_rig.Rig()
    page = TwinPage(rig.client)
    await rig.paid("TRADE0001")
    await page.send("faults", fault="answer-forged", number="TRADE0001")
    assert {"TRADE0001", "TRADE_SUCCESS", "answer-forged"} <= set(await page.cells())
    assert isinstance(await rig.gateway.query("TRADE0001"), Unknown)
    await page.send("faults", fault="answer-forged")
    await page.send("faults/clear")
    assert isinstance(await rig.gateway.query("TRADE0001"), Accepted)


async def test_the_e_invoice_page_spoils_a_method_and_its_bills_follow_its_clock() -> None:
    rig = fiscal_rig.Rig()
    page = TwinPage(rig.client)
    await page.send("faults", fault="error-before", method="invoiceEBillOutpatient")
    assert "error-before" in await page.cells()
    assert isinstance(await rig.gateway.issue(fiscal_rig.an_order()), Unknown)
    await page.send("clock", forward_s=DAY)
    issued = await rig.gateway.issue(fiscal_rig.an_order())
    assert isinstance(issued, Accepted)
    assert {"INV20260105000001", "308.00"} <= set(await page.cells())
    kept = rig.app.state.twin.book.all()[0]
    assert kept.created_ms == int((rig.at + timedelta(days=1)).timestamp() * 1000)


async def test_the_bureau_s_page_refuses_a_settlement_and_shows_the_next() -> None:
    rig = insurance_rig.Rig()
    page = TwinPage(rig.client)
    case = await insurance_rig.ready(rig)
    promised = await case.presettled()
    await page.send("faults", fault="garble", infno="2207", psn_no=case.who.person_no)
    assert "garble" in await page.cells()
    lost = await rig.gateway.settle(case.settle_request(promised), rig.call())
    assert isinstance(lost, Unknown)
    cells = await page.cells()
    assert case.who.person_no in cells, "done, though its answer was spoilt"
    assert "garble" not in cells
    await page.send("faults", fault="drop_before")
    await page.send("faults")
    assert "drop_before" not in await page.cells()


async def test_the_bureau_s_day_ends_by_its_own_clock() -> None:
    rig = insurance_rig.Rig()
    before = rig.twin.clock()
    assert (await TwinPage(rig.client).send("clock", forward_s=DAY)).status_code == 200
    assert rig.twin.clock() - before == timedelta(days=1)
    assert rig.twin.wall() == before


async def test_the_hospital_s_page_refuses_the_next_event_and_stops_posting() -> None:
    keys = HospitalKeys(
        application_id="A" * 27,
        private_key=PrivateKey.generate().to_bytes().hex(),
        platform_keys=[PrivateKey.generate().public.to_bytes().hex()],
    )
    settings = HospitalSettings(base_url="http://platform.test", keys=keys)
    clock = FakeClock()
    async with httpx.AsyncClient() as unused:
        app = create_hospital_twin(settings, unused, clock.now)
        hospital = app.state.hospital
        hospital.billed["PATIENT1"] = "HT<b>1</b>"
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://his.test") as client:
            page = TwinPage(client)
            await page.send("events/faults", fault="refuse")
            await page.send("insurance/faults", ask="settle", fault="silent")
            assert {"refuse", "医保 settle", "silent", "PATIENT1", "HT<b>1</b>"} <= set(
                await page.cells()
            )
            assert (await client.post("/events")).status_code == 500
            assert (await client.post("/events")).status_code == 401
            await page.send("posting/off")
            assert hospital.posting is False
            await page.send("posting/on")
            assert hospital.posting is True
            await page.send("clock", forward_s=DAY)
            assert hospital.clock() == clock.now() + timedelta(days=1)


async def test_a_jump_backwards_or_without_end_is_refused() -> None:
    for client in (
        wechat_rig.Rig().client,
        alipay_rig.Rig().client,
        fiscal_rig.Rig().client,
        insurance_rig.Rig().client,
    ):
        for forward_s in (-1, 10**12, "60"):
            answer = await client.post("/sandbox/clock", json={"forward_s": forward_s})
            assert answer.status_code == 400
