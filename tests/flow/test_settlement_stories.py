"""Whole settlements over a real database and partners in memory: what payers live through."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.institution.model import MovedAmounts
from service.kernel.problems import StateConflict
from service.settlement import actions
from service.settlement.problems import PaymentStillOpen, SettlementNotPayable, SomethingToPay
from service.settlement.states import SettlementEvent, SettlementState
from tests.support.settlement_checks import assert_posted, assert_undone
from tests.support.settlement_rig import Rig, a_rig

S = SettlementState
E = SettlementEvent


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


async def test_an_insured_bill_is_settled_paid_and_posted(rig: Rig) -> None:
    charged = await rig.push_bill(30_00, 70_00)
    row = await rig.start(charged)
    assert row.state is S.PRESETTLING
    await rig.work()
    row = await rig.read(row)
    assert (row.state, row.fund_fen, row.cash_fen) == (S.PRESETTLED, 60_00, 40_00)
    row = await rig.pay(row)
    assert row.state is S.AWAITING_PAYER
    rig.till.pay(rig.till.unpaid()[0])
    await rig.run_for(timedelta(seconds=60))
    row = await rig.read(row)
    assert row.state is S.POSTING
    row = await rig.post(row)
    assert row.state is S.POSTED
    assert await rig.history(row) == [
        "PRESETTLING",
        "PRESETTLED",
        "AWAITING_PAYER",
        "PAID",
        "SETTLING",
        "SETTLED",
        "POSTING",
        "POSTED",
    ]
    assert await rig.balances(row) == {
        "provider:wechatpay": 40_00,
        "insurer": 60_00,
        "hospital": -100_00,
    }
    assert [one.ref for one in rig.bureau.live] == [row.settlement_ref]
    assert rig.till.kept_fen == row.cash_fen == row.paid_fen
    assert await rig.items(row) == set()


async def test_a_refused_presettlement_shows_the_reason_and_gives_the_bill_back(rig: Rig) -> None:
    rig.bureau.faults.script("presettle", "refuse")
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    await assert_undone(rig, row, "insurance-refused")
    view = await actions.get(rig.ctx, row.record_id, row.settlement_id)
    assert view.refusal_text == "不予结算"


async def test_a_person_without_insurance_is_told_so(rig: Rig) -> None:
    rig.bureau.person = None
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    await assert_undone(rig, row, "not-insured")


async def test_an_owner_that_is_down_is_asked_again(rig: Rig) -> None:
    rig.bureau.faults.script("person", "not-sent", "lose-answer")
    row = await rig.start(await rig.push_bill(100_00))
    row = await rig.settled(row, 60)
    assert row.state is S.PRESETTLED


async def test_after_a_refusal_the_payer_pays_all_himself(rig: Rig) -> None:
    rig.bureau.faults.script("register", "refuse")
    charged = await rig.push_bill(100_00)
    await rig.start(charged)
    await rig.work()
    row = await rig.start(charged, insured=False)
    assert (row.state, row.cash_fen) == (S.PRESETTLED, 100_00)
    row = await rig.pay(row)
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.settled(row)
    row = await assert_posted(rig, row)
    assert rig.bureau.visits == {}


async def test_a_refused_settlement_refunds_everything(rig: Rig) -> None:
    rig.bureau.faults.script("settle", "refuse")
    row = await rig.to_paid(100_00)
    row = await rig.settled(row, 300)
    await assert_undone(rig, row, "insurance-refused")
    assert (row.paid_fen, row.refunded_fen) == (40_00, 40_00)


async def test_cash_that_fell_is_given_back(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    rig.bureau.cash_moves_fen = -5_00
    row = await rig.settled(row)
    assert (row.state, row.cash_fen) == (S.POSTING, 35_00)
    row = await assert_posted(rig, row)
    assert (row.paid_fen, row.refunded_fen) == (40_00, 5_00)


async def test_cash_that_rose_is_collected(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    rig.bureau.cash_moves_fen = 7_00
    row = await rig.settled(row)
    assert (row.state, row.cash_fen, row.reason) == (S.COLLECTING, 47_00, "amounts-moved")
    row = await rig.pay(row)
    assert {(one.purpose, one.amount_fen) for one in await rig.attempts(row)} == {
        ("DIFFERENCE", 7_00),
        ("MAIN", 40_00),
    }
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.settled(row)
    assert row.reason is None
    await assert_posted(rig, row)


async def test_a_difference_that_nobody_pays_undoes_the_whole(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    rig.bureau.cash_moves_fen = 7_00
    row = await rig.settled(row)
    row = await rig.pay(row)
    row = await rig.settled(row, 1500)
    await assert_undone(rig, row, "difference-not-paid")
    assert row.refunded_fen == 40_00


async def test_an_institution_that_undoes_moved_amounts(fresh_database: str) -> None:
    async with a_rig(fresh_database, moved=MovedAmounts.UNDO) as rig:
        row = await rig.to_paid(100_00)
        rig.bureau.cash_moves_fen = -5_00
        row = await rig.settled(row, 300)
        await assert_undone(rig, row, "amounts-moved")


async def test_an_abandoned_presettlement_leaves_nothing_at_the_bureau(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    row = await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    assert row.state is S.REVERSING
    again = await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    assert again.version == row.version
    await rig.work()
    await assert_undone(rig, row, "abandoned")


async def test_abandoning_before_the_bureau_answered(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))

    async def give_up() -> None:
        await actions.abandon(rig.ctx, row.record_id, row.settlement_id)

    rig.bureau.during["charges"] = give_up
    await rig.work()
    await assert_undone(rig, row, "abandoned")


async def test_a_payer_who_does_nothing_loses_the_split_at_the_deadline(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    row = await rig.settled(row, 1000)
    await assert_undone(rig, row, "deadline-passed")


async def test_an_order_nobody_pays_is_closed_at_the_deadline(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    row = await rig.pay(await rig.read(row))
    row = await rig.settled(row, 1000)
    await assert_undone(rig, row, "deadline-passed")
    assert rig.till.unpaid() == []


async def test_a_payment_at_the_last_moment_wins(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    rig.clock.advance(rig.ctx.policy.pay_within)
    row = await rig.settled(row)
    await assert_posted(rig, row)


async def test_abandoning_while_paying_closes_the_order_or_keeps_the_payment(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    row = await rig.pay(await rig.read(row))
    row = await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    assert (row.state, rig.till.unpaid()) == (S.REVERSING, [])
    await rig.work()
    await assert_undone(rig, row, "abandoned")
    late = await rig.to_paid(100_00)
    late = await actions.abandon(rig.ctx, late.record_id, late.settlement_id)
    assert (late.state, late.reason) == (S.PAID, None)
    with pytest.raises(StateConflict):
        await actions.abandon(rig.ctx, late.record_id, late.settlement_id)


async def test_nothing_to_pay_needs_only_a_word(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00), use_account=True)
    await rig.work()
    row = await rig.read(row)
    assert (row.state, row.account_fen, row.cash_fen) == (S.PRESETTLED, 40_00, 0)
    with pytest.raises(SettlementNotPayable):
        await rig.pay(row)
    row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    assert row.state is S.PAID
    again = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    assert again.version == row.version
    row = await rig.settled(row, 5)
    await assert_posted(rig, row)
    assert await rig.attempts(row) == []


async def test_confirming_does_not_replace_paying(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    with pytest.raises(SomethingToPay):
        await actions.confirm(rig.ctx, row.record_id, row.settlement_id)


async def test_own_money_needs_no_bureau(rig: Rig) -> None:
    row = await rig.to_paid(100_00, insured=False)
    row = await rig.settled(row)
    row = await assert_posted(rig, row)
    assert (row.cash_fen, row.settlement_ref, rig.bureau.calls) == (100_00, None, [])


async def test_a_payer_may_change_the_way_of_paying(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    row = await rig.pay(await rig.read(row), way="native")
    same = await rig.pay(row, way="native")
    assert same.version == row.version
    row = await rig.pay(row, way="jsapi")
    assert row.state is S.AWAITING_PAYER
    ways = {(one.way, one.state) for one in await rig.attempts(row)}
    assert ways == {("jsapi", "AWAITING_PAYER"), ("native", "CLOSED")}
    assert len(rig.till.unpaid()) == 1


async def test_changing_the_way_after_paying_finds_it_paid(rig: Rig) -> None:
    row = await rig.to_paid(100_00)
    row = await rig.pay(row, way="jsapi")
    assert row.state is S.PAID
    assert len(await rig.attempts(row)) == 1


async def test_an_order_that_may_be_open_is_not_followed_by_another(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    row = await rig.pay(await rig.read(row), way="native")
    rig.till.faults.down = True
    with pytest.raises(PaymentStillOpen):
        await rig.pay(row, way="jsapi")
    rig.till.faults.forget()
    await rig.run_for(timedelta(minutes=2))
    row = await rig.pay(await rig.read(row), way="jsapi")
    assert len(rig.till.unpaid()) == 1


async def test_a_refused_order_lets_the_payer_try_again(rig: Rig) -> None:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    rig.till.faults.script("place", "refuse")
    row = await rig.pay(await rig.read(row))
    assert row.state is S.PRESETTLED
    row = await rig.pay(row)
    assert row.state is S.AWAITING_PAYER
