"""Several at once, partners that are away, hospitals that are silent."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from service.bill import actions as bill
from service.bill.problems import BillLocked
from service.kernel.problems import NotFound, Problem, RowTampered, StateConflict
from service.settlement import actions
from service.settlement.model import Channel, Settlement
from service.settlement.problems import HospitalReferenceDiffers
from service.settlement.states import SettlementState
from tests.support.audited import closings
from tests.support.settlement_checks import assert_no_visit_stands, assert_posted, assert_undone
from tests.support.settlement_rig import Rig, a_rig

S = SettlementState


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


async def test_of_two_channels_exactly_one_settles_a_bill(rig: Rig) -> None:
    charged = await rig.push_bill(100_00)
    wishes = [
        {"channel": Channel.PHONE, "account_id": 1},
        {"channel": Channel.KIOSK, "terminal_id": 7, "account_id": None},
        {"channel": Channel.COUNTER, "terminal_id": 8, "account_id": None},
    ]
    got = await asyncio.gather(
        *(rig.start(charged, **wish) for wish in wishes), return_exceptions=True
    )
    won = [one for one in got if isinstance(one, Settlement)]
    assert len(won) == 1
    assert all(isinstance(one, BillLocked | StateConflict) for one in got if one is not won[0])


async def test_the_same_device_asking_again_gets_its_settlement(rig: Rig) -> None:
    charged = await rig.push_bill(100_00)
    first = await rig.start(charged)
    assert (await rig.start(charged)).settlement_id == first.settlement_id
    with pytest.raises(BillLocked):
        await rig.start(charged, channel=Channel.KIOSK, terminal_id=7, account_id=None)


async def test_of_two_devices_paying_at_once_one_order_stands(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    row = await rig.read(row)
    got = await asyncio.gather(
        rig.pay(row, way="native"), rig.pay(row, way="jsapi"), return_exceptions=True
    )
    assert any(isinstance(one, Settlement) for one in got)
    assert all(isinstance(one, Settlement | Problem) for one in got)
    assert len(rig.till.unpaid()) <= 1
    await rig.run_for(timedelta(minutes=1))
    live = [one for one in await rig.attempts(row) if one.state == "AWAITING_PAYER"]
    assert [one.trade_no for one in live] == rig.till.unpaid()


async def test_a_bill_that_is_being_paid_is_not_withdrawn(rig: Rig) -> None:
    charged = await rig.push_bill(100_00)
    row = await rig.start(charged)
    with pytest.raises(BillLocked):
        await bill.withdraw(rig.ctx, charged.institution_id, 1, charged.bill_no)
    await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    await rig.work()
    gone = await bill.withdraw(rig.ctx, charged.institution_id, 1, charged.bill_no)
    assert gone.state == "WITHDRAWN"


async def test_a_silent_hospital_becomes_a_work_item_and_may_still_post(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    row = await rig.settled(row)
    assert await rig.items(row) == set()
    await rig.run_for(timedelta(minutes=15), timedelta(minutes=5))
    row = await rig.read(row)
    assert row.state is S.POSTING
    assert await rig.items(row) == {"hospital-did-not-post"}
    await assert_posted(rig, row)
    assert await closings(rig.ctx, row.record_id) == {"hospital-did-not-post": "hospital-posted"}


async def test_a_hospital_posts_its_own_settlements_once(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    row = await rig.settled(row)
    listed = await actions.list_to_post(rig.ctx, row.institution_id, 10, all_of_them=False)
    assert [(one.settlement_id, bill_no) for one, bill_no in listed] == [(row.settlement_id, "B1")]
    row = await rig.post(row)
    assert (await rig.post(row)).version == row.version
    with pytest.raises(HospitalReferenceDiffers):
        await rig.post(row, "HIS-2")
    assert await actions.list_to_post(rig.ctx, row.institution_id, 10, all_of_them=False) == []
    assert (await rig.topics(row)).count("settlement.posted") == 1
    stranger = rig.application
    rig.application = type(stranger)(institution_id=1, application_id=2, scopes=stranger.scopes)
    with pytest.raises(NotFound):
        await rig.post(row)


async def test_a_bureau_that_is_down_for_a_while(rig: Rig) -> None:
    rig.bureau.faults.down = True
    row = await rig.start(await rig.push_bill(100_00))
    await rig.run_for(timedelta(minutes=2))
    rig.bureau.faults.forget()
    row = await rig.settled(row, 300)
    assert row.state is S.PRESETTLED
    row = await rig.pay(row)
    rig.till.pay(rig.till.unpaid()[0])
    rig.bureau.faults.down = True
    row = await rig.settled(row, 600)
    assert row.state is S.SETTLING
    rig.bureau.faults.forget()
    row = await rig.settled(row, 660)
    await assert_posted(rig, row)


async def test_a_bureau_that_stays_down_gives_the_bill_back_when_it_returns(rig: Rig) -> None:
    rig.bureau.faults.script("charges", "lose-answer")
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    rig.bureau.faults.down = True
    await rig.run_for(timedelta(hours=3), timedelta(minutes=2))
    row = await rig.read(row)
    assert (row.state, row.reason) == (S.REVERSING, "insurance-unreachable")
    assert await rig.items(row) == {"reversing-stuck"}
    rig.bureau.faults.forget()
    await rig.run_for(timedelta(minutes=11), timedelta(minutes=1))
    await assert_undone(rig, row, "insurance-unreachable")
    assert_no_visit_stands(rig)
    assert await closings(rig.ctx, row.record_id) == {"reversing-stuck": "undone"}


async def test_a_refund_that_is_stuck_keeps_the_insurance_until_it_is_done(rig: Rig) -> None:
    rig.bureau.faults.script("settle", "refuse")
    rig.till.faults.script("refund", *["lose-request"] * 5)
    row = await rig.to_paid(100_00)
    row = await rig.settled(row, 40)
    assert row.state is S.REVERSING
    assert any(visit.lines for visit in rig.bureau.visits.values())
    row = await rig.settled(row, 1200)
    await assert_undone(rig, row, "insurance-refused")


async def test_a_row_changed_by_sql_is_refused(rig: Rig, fresh_database: str) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    direct = await asyncpg.connect(fresh_database)
    await direct.execute(
        "update settlement set cash_fen = 1, fund_fen = fund_fen + cash_fen - 1"
        " where settlement_id = $1",
        row.settlement_id,
    )
    await direct.close()
    with pytest.raises(RowTampered):
        await rig.pay(row)


async def test_of_several_workers_each_call_is_made_once(rig: Rig) -> None:
    rows = [await rig.start(await rig.push_bill(100_00)) for _ in range(6)]
    await asyncio.gather(*(rig.work() for _ in range(4)))
    assert [(await rig.read(row)).state for row in rows] == [S.PRESETTLED] * 6
    asked = [kind for kind, _ in rig.bureau.calls if kind != "person"]
    assert len(asked) == 6 * 4
