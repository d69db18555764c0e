"""Registration fees: own money or insured, as the institution set it; lapsed, and given back."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from service.bill import actions as bill
from service.bill import jobs as bill_jobs
from service.bill.problems import BillNotPayable, BillRefused
from service.bill.states import BillKind, BillState
from service.institution import actions as institution
from service.kernel.claims import run_once
from service.settlement.corrections.model import BillAfter
from service.settlement.states import SettlementState
from tests.support.corrections import ask
from tests.support.settlement_checks import assert_posted
from tests.support.settlement_rig import Rig, a_rig, a_visit
from tests.support.stays import pay, push

S = SettlementState


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


async def test_a_fee_is_own_money_and_given_back_where_nobody_came(rig: Rig) -> None:
    charged = await push(rig, BillKind.REGISTRATION, 25_00, stay_no=None)
    row = await rig.start(charged, insured=True)
    assert (row.state, row.insured, row.cash_fen) == (S.PRESETTLED, False, 25_00)
    row = await assert_posted(rig, await pay(rig, row))
    assert rig.bureau.calls == []
    await ask(rig, row, bill_after=BillAfter.WITHDRAWN, reason="未就诊")
    row = await rig.settled(row)
    assert (row.state, row.refunded_fen, await rig.balances(row)) == (S.REVERSED, 25_00, {})
    charged = await bill.read(rig.ctx, row.record_id, row.bill_id)
    assert charged.state is BillState.WITHDRAWN


async def test_a_fee_is_insured_where_the_institution_has_it_so(rig: Rig) -> None:
    await institution.set_registration_insured(rig.ctx, rig.place.institution_id, insured=True)
    charged = await push(
        rig, BillKind.REGISTRATION, 25_00, stay_no=None, visit=a_visit(rig.clock, "G1")
    )
    row = await rig.start(charged, insured=True)
    await rig.work()
    row = await rig.read(row)
    assert (row.state, row.fund_fen, row.cash_fen) == (S.PRESETTLED, 15_00, 10_00)
    await assert_posted(rig, await pay(rig, row))
    undiagnosed = await push(rig, BillKind.REGISTRATION, 25_00, stay_no=None)
    assert (await rig.start(undiagnosed, insured=True)).insured is False


async def test_a_fee_that_is_not_paid_in_time_lapses(rig: Rig) -> None:
    until = rig.clock.now() + timedelta(minutes=30)
    charged = await push(rig, BillKind.REGISTRATION, 25_00, stay_no=None, pay_until=until)
    rig.clock.advance(timedelta(minutes=31))
    for source in bill_jobs.sources(rig.ctx):
        await run_once(source, rig.clock, rig.ctx.metrics)
    charged = await bill.read(rig.ctx, charged.record_id, charged.bill_id)
    assert charged.state is BillState.EXPIRED
    with pytest.raises(BillNotPayable):
        await rig.start(charged)


async def test_other_bills_name_a_diagnosis(rig: Rig) -> None:
    visit = replace(a_visit(rig.clock, "V1"), diagnoses=[])
    with pytest.raises(BillRefused):
        await rig.push_bill(10_00, visit=visit)
