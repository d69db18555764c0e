"""Deposits for a stay and its discharge: collected, given back, undone, and never spent twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.bill import actions as bill
from service.bill.model import Stay
from service.bill.problems import BillNotPayable, BillRefused
from service.bill.states import BillKind
from service.kernel.database import connection, transaction
from service.kernel.problems import Problem, StateConflict
from service.settlement import actions
from service.settlement.corrections.model import BillAfter, Correction, GivenLine
from service.settlement.model import Channel, Progress, Settlement
from service.settlement.problems import CorrectionRefused, DepositCounted, SettlementNotPayable
from service.settlement.states import SettlementState
from service.settlement.stays import deposits
from tests.support.corrections import ask
from tests.support.counter_rig import a_desk
from tests.support.settlement_rig import SECOND, Rig, a_rig
from tests.support.stays import (
    STAY,
    another_patient,
    assert_books,
    deposit,
    discharge,
    held_fen,
    pay,
    push,
    sums,
)

S = SettlementState
WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


async def somebody_waits(rig: Rig) -> None:
    """Until a transaction of the rig's database waits for another's lock."""
    async with connection(rig.ctx.pool) as conn:
        while not await conn.fetchval(WAITING):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_a_deposit_is_owed_to_the_patient_until_its_stay_is_over(rig: Rig) -> None:
    row = await deposit(rig, 500_00)
    assert (row.insured, row.cash_fen, rig.bureau.calls) == (False, 500_00, [])
    assert await rig.balances(row) == {"provider:wechatpay": 500_00, "deposit": -500_00}
    assert await held_fen(rig) == 500_00


async def test_two_deposits_and_a_supplement_pay_a_discharge(rig: Rig) -> None:
    first, second = await deposit(rig, 300_00), await deposit(rig, 200_00)
    row = await discharge(rig, 400_00, 350_00)
    assert (row.state, row.paid_fen, row.cash_fen) == (S.PRESETTLED, 500_00, 750_00)
    assert await held_fen(rig) == 0
    row = await rig.pay(row)
    assert [(one.provider, one.amount_fen) for one in await rig.attempts(row)] == [
        ("wechatpay", 250_00),
        ("deposit", 200_00),
        ("deposit", 300_00),
    ]
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.paid_by) == (S.POSTED, "deposit+wechatpay")
    assert (row.paid_fen, row.refunded_fen) == (750_00, 0)
    await assert_books(rig, 750_00, first, second, row)
    assert await rig.items(row) == set()


async def test_what_deposits_are_too_much_goes_back_newest_first_once_it_is_settled(
    rig: Rig,
) -> None:
    first, second = await deposit(rig, 300_00), await deposit(rig, 200_00, SECOND)
    row = await discharge(rig, 120_00)
    with pytest.raises(SettlementNotPayable):
        await rig.pay(row)
    assert (row.state, rig.second.refunds, rig.till.refunds) == (S.PRESETTLED, {}, {})
    row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.post(await rig.settled(row))
    assert [one.amount_fen for one in rig.second.refunds.values()] == [200_00]
    assert [one.amount_fen for one in rig.till.refunds.values()] == [180_00]
    assert (row.state, row.paid_fen, row.refunded_fen) == (S.POSTED, 500_00, 380_00)
    assert [(await rig.read(one)).refunded_fen for one in (first, second)] == [180_00, 200_00]
    await assert_books(rig, 120_00, first, second, row)


async def test_deposits_that_are_just_enough_move_nothing(rig: Rig) -> None:
    first = await deposit(rig, 300_00)
    row = await discharge(rig, 100_00, 200_00)
    row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.refunded_fen, rig.till.refunds) == (S.POSTED, 0, {})
    await assert_books(rig, 300_00, first, row)


async def test_a_discharge_that_is_given_up_leaves_the_deposits_held(rig: Rig) -> None:
    first = await deposit(rig, 300_00)
    row = await discharge(rig, 400_00)
    with pytest.raises(DepositCounted):
        await ask(rig, first)
    await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.settled(row)
    assert (row.state, row.paid_fen, row.refunded_fen) == (S.REVERSED, 300_00, 300_00)
    assert (await held_fen(rig), rig.till.refunds) == (300_00, {})
    await assert_books(rig, 0, first, row, owed_fen=300_00)
    charged = await bill.read(rig.ctx, row.record_id, row.bill_id)
    again = await rig.start(charged, insured=False)
    assert again.paid_fen == 300_00
    again = await rig.post(await pay(rig, again))
    await assert_books(rig, 400_00, first, row, again)


async def test_a_posted_discharge_is_corrected_and_then_given_back(rig: Rig) -> None:
    first = await deposit(rig, 300_00)
    row = await rig.post(await pay(rig, await discharge(rig, 150_00, 250_00)))
    await ask(rig, row, "1")
    row = await rig.post(await rig.settled(row))
    # The supplement of 100.00 was paid last; the other 50.00 are of the deposit.
    assert sorted(one.amount_fen for one in rig.till.refunds.values()) == [50_00, 100_00]
    await assert_books(rig, 250_00, first, row)
    await ask(rig, row, bill_after=BillAfter.OPEN)
    row = await rig.settled(row)
    assert (row.state, await held_fen(rig)) == (S.REVERSED, 250_00)
    await assert_books(rig, 0, first, row, owed_fen=250_00)
    await ask(rig, first)
    first = await rig.settled(first)
    assert (first.state, first.refunded_fen) == (S.REVERSED, 300_00)
    await assert_books(rig, 0, first, row)


async def test_a_deposit_given_back_before_the_discharge_is_not_counted(rig: Rig) -> None:
    first, second = await deposit(rig, 300_00), await deposit(rig, 200_00)
    with pytest.raises(CorrectionRefused):
        await ask(rig, first, lines=[GivenLine(line_no="1", quantity_e4=5_000)])
    await ask(rig, first)
    first = await rig.settled(first)
    assert (first.state, first.reason, first.refunded_fen) == (S.REVERSED, "returned", 300_00)
    await assert_books(rig, 0, first, second, owed_fen=200_00)
    row = await discharge(rig, 200_00)
    assert row.paid_fen == 200_00
    row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.post(await rig.settled(row))
    await assert_books(rig, 200_00, first, second, row)


async def test_of_two_discharges_at_once_one_counts_each_deposit(rig: Rig) -> None:
    first, second = await deposit(rig, 300_00), await deposit(rig, 200_00)
    bills = [await push(rig, BillKind.DISCHARGE, 100_00) for _ in range(2)]
    got = await asyncio.gather(
        *(rig.start(one, insured=False) for one in bills), return_exceptions=True
    )
    rows = [one for one in got if isinstance(one, Settlement)]
    assert all(isinstance(one, Settlement | Problem) for one in got)
    assert sum(one.paid_fen for one in rows) == 500_00
    assert await held_fen(rig) == 0
    counted = await sums(rig, first, second, *rows)
    assert counted["provider:wechatpay"] == rig.till.kept_fen == 500_00


async def test_a_discharge_and_the_return_of_a_deposit_at_once(rig: Rig) -> None:
    first = await deposit(rig, 300_00)
    charged = await push(rig, BillKind.DISCHARGE, 300_00)
    started, asked = await asyncio.gather(
        rig.start(charged, insured=False), ask(rig, first), return_exceptions=True
    )
    assert all(isinstance(one, Settlement | Correction | Problem) for one in (started, asked))
    rows = [started] if isinstance(started, Settlement) else []
    first = await rig.settled(first)
    returned_fen, counted_fen = first.refunded_fen, sum(one.paid_fen for one in rows)
    assert returned_fen + counted_fen == 300_00
    assert rig.till.kept_fen == counted_fen


async def test_a_deposit_that_comes_after_the_discharge_is_shown_to_a_person(rig: Rig) -> None:
    first = await deposit(rig, 300_00)
    late = await rig.start(await push(rig, BillKind.DEPOSIT, 50_00))
    row = await discharge(rig, 300_00)
    with pytest.raises(BillNotPayable):
        await deposit(rig, 10_00)
    await pay(rig, late)
    assert "deposit-after-discharge" in await rig.items(late)
    row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.post(await rig.settled(row))
    await assert_books(rig, 300_00, first, late, row, owed_fen=50_00)


async def test_a_stay_is_one_patients_and_only_its_own_kinds_name_it(rig: Rig) -> None:
    await push(rig, BillKind.DEPOSIT, 100_00)
    for kind, stay_no in ((BillKind.DEPOSIT, None), (BillKind.OUTPATIENT, STAY)):
        with pytest.raises(BillRefused):
            await push(rig, kind, 100_00, stay_no=stay_no)
    rig.record_id = await another_patient(rig)
    with pytest.raises(BillRefused):
        await push(rig, BillKind.DISCHARGE, 100_00)


async def test_a_deposit_changes_hands_once_though_two_read_it_free(rig: Rig) -> None:
    first = await deposit(rig, 300_00)
    row = await rig.start(await rig.push_bill(300_00), insured=False)
    of_stay = Progress(kind=BillKind.DISCHARGE, stay=Stay(stay_no=STAY))
    async with transaction(rig.ctx.pool) as conn:
        assert await deposits.count(conn, rig.ctx, row, of_stay) == 300_00

        async def rival() -> None:
            async with transaction(rig.ctx.pool) as other:
                # It reads the deposit as it stood, waits for the row, and finds it changed.
                await deposits.end(other, rig.ctx, first)

        late = asyncio.create_task(rival())
        await somebody_waits(rig)
    with pytest.raises(StateConflict):
        await late


async def test_a_deposit_in_cash_is_given_back_by_a_cashier(fresh_database: str) -> None:
    async with a_desk(fresh_database) as desk:
        rig, drawer = desk.rig, await desk.drawer("1001")
        charged = await push(rig, BillKind.DEPOSIT, 300_00)
        first = await rig.start(charged, channel=Channel.COUNTER, terminal_id=1, account_id=None)
        await drawer.take(first, tendered_fen=300_00)
        first = await rig.post(await rig.settled(first))
        row = await discharge(rig, 120_00)
        row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
        row = await rig.post(await rig.settled(row))
        (waits,) = await desk.waiting()
        assert (waits.amount_fen, (await rig.read(first)).refunded_fen) == (180_00, 0)
        await drawer.give(waits)
        await rig.work()
        assert (await rig.read(first)).refunded_fen == 180_00
        assert await sums(rig, first, row) == {"provider:cash": 120_00, "hospital": -120_00}
