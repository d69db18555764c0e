"""Cash and cards at the counter: several payments for one settlement, and what comes back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.kernel.database import connection
from service.kernel.problems import Problem, RowTampered, StateConflict
from service.ledger.model import provider_account
from service.payment import actions as payment
from service.payment.model import RowKey
from service.payment.problems import PaymentNotRefundable
from service.payment.states import AttemptState
from service.settlement import actions, door, paying
from service.settlement.counter import taking as counter
from service.settlement.model import Settlement
from service.settlement.problems import MoreThanOwed, PaymentStillOpen, SettlementNotPayable
from service.settlement.scans import place_of
from service.settlement.states import SettlementState
from service.shift import actions as shift
from service.shift import rules, store
from service.shift.actions import entries, rows
from service.shift.model import Entry, NewEntry, Tender
from service.shift.problems import (
    CashNotEnough,
    DrawerTooSmall,
    EntryGivenUp,
    RefundNotWaiting,
    SlipMissing,
    SlipUsed,
    TenderNotTaken,
)
from tests.support.counter_rig import Desk, Drawer, a_desk, a_slip

S = SettlementState
CASH, POS = Tender.CASH, Tender.POS


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[Desk]:
    async with a_desk(fresh_database) as made:
        yield made


async def _sums_agree(desk: Desk) -> None:
    """Over all shifts of the hospital: what moved by the cashiers' books moved by the ledger."""
    since = desk.rig.clock.now() - timedelta(days=30)
    reports = await shift.list_reports(desk.rig.ctx, desk.rig.place.institution_id, since)
    for tender in Tender:
        moved = sum(rules.sums_of(one.entries, tender).net_fen for one in reports)
        assert moved == await desk.in_ledger(tender), tender


async def test_cash_pays_all_with_change(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001", 200_00)
    row = await desk.presettled(100_00)
    taken = await drawer.take(row, tendered_fen=50_00)
    assert (taken.entry.amount_fen, taken.change_fen) == (40_00, 10_00)
    assert taken.settlement.state is S.PAID
    row = await rig.settled(row)
    assert (row.state, row.paid_by) == (S.POSTING, "cash")
    assert row.provider_ref is not None
    assert await rig.balances(row) == {
        "provider:cash": 40_00,
        "insurer": 60_00,
        "hospital": -100_00,
    }
    report = await drawer.close(240_00)
    assert (report.shift.expected_cash_fen, len(report.entries)) == (240_00, 1)
    await _sums_agree(desk)


async def test_three_tenders_pay_one_settlement(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await desk.presettled(100_00)
    taken = await drawer.take(row, amount_fen=15_00, tendered_fen=20_00)
    assert (taken.settlement.state, taken.settlement.paid_fen) == (S.PRESETTLED, 15_00)
    assert taken.change_fen == 5_00
    rig.clock.advance(timedelta(seconds=1))
    taken = await drawer.take(row, POS, amount_fen=10_00)
    assert (taken.settlement.state, taken.settlement.paid_fen) == (S.PRESETTLED, 25_00)
    rig.clock.advance(timedelta(seconds=1))
    row = await rig.pay(taken.settlement)
    assert [one.amount_fen for one in await rig.attempts(row) if one.way == "native"] == [15_00]
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.settled(row)
    assert (row.state, row.paid_fen, row.paid_by) == (S.POSTING, 40_00, "cash+pos+wechatpay")
    assert row.provider_ref is None
    view = await actions.get(rig.ctx, row.record_id, row.settlement_id)
    assert [(one.provider, one.amount_fen) for one in view.tenders] == [
        ("cash", 15_00),
        ("pos", 10_00),
        ("wechatpay", 15_00),
    ]
    assert await rig.balances(row) == {
        provider_account("cash"): 15_00,
        provider_account("pos"): 10_00,
        provider_account("wechatpay"): 15_00,
        "insurer": 60_00,
        "hospital": -100_00,
    }
    assert await _told_tenders(desk, row) == "cash:1500+pos:1000+wechatpay:1500"
    row = await rig.post(row)
    assert row.state is S.POSTED
    await _sums_agree(desk)


async def _told_tenders(desk: Desk, row: Settlement) -> str:
    """What the e-invoice is told of who took how much."""
    async with connection(desk.rig.ctx.pool) as conn:
        told = await conn.fetchval(
            "select body->>'tenders' from outbox where record_id = $1 and subject_id = $2"
            " and topic like 'settlement.%' order by created_at desc limit 1",
            row.record_id,
            row.settlement_id,
        )
    return str(told)


async def test_a_part_by_phone_then_cash(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await rig.pay(await desk.presettled(100_00), amount_fen=25_00)
    rig.till.pay(rig.till.unpaid()[0])
    await rig.run_for(timedelta(seconds=60))
    row = await rig.read(row)
    assert (row.state, row.paid_fen) == (S.PRESETTLED, 25_00)
    taken = await drawer.take(row)
    assert (taken.entry.amount_fen, taken.settlement.state) == (15_00, S.PAID)
    row = await rig.settled(row)
    assert row.state is S.POSTING


async def test_cash_ends_an_order_that_stands_and_a_faster_payer_keeps_his_cash(
    desk: Desk,
) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await rig.pay(await desk.presettled(100_00))
    taken = await drawer.take(row)
    assert (taken.settlement.state, rig.till.unpaid()) == (S.PAID, [])
    again = await rig.pay(await desk.presettled(50_00))
    rig.till.pay(rig.till.unpaid()[0])
    with pytest.raises(SettlementNotPayable):
        await drawer.take(again)
    assert (await rig.read(again)).paid_fen == 20_00
    assert (await drawer.report()).entries[-1].settlement_id == row.settlement_id
    await _sums_agree(desk)


async def test_an_order_that_cannot_be_ended_keeps_the_cash_out(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await rig.pay(await desk.presettled(100_00))
    rig.till.faults.down = True
    with pytest.raises(PaymentStillOpen):
        await drawer.take(row)
    rig.till.faults.forget()
    assert [one.state for one in (await drawer.report()).entries] == []


async def test_what_is_not_taken(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await desk.presettled(100_00)
    with pytest.raises(MoreThanOwed):
        await drawer.take(row, amount_fen=40_01)
    with pytest.raises(MoreThanOwed):
        await rig.pay(row, amount_fen=40_01)
    with pytest.raises(CashNotEnough):
        await drawer.take(row, amount_fen=30_00, tendered_fen=29_99)
    with pytest.raises(CashNotEnough):
        await drawer.take(row, tendered_fen=None)
    with pytest.raises(SlipMissing):
        await drawer.take(row, POS, slip=None)
    await shift.set_tenders(rig.ctx, row.institution_id, frozenset({CASH}))
    with pytest.raises(TenderNotTaken):
        await drawer.take(row, POS)
    assert (await drawer.report()).entries == []
    assert (await rig.read(row)).paid_fen == 0


async def test_a_slip_counts_once_a_day_over_all_counters(desk: Desk) -> None:
    one, other = await desk.drawer("1001"), await desk.drawer("1002")
    row = await desk.presettled(100_00)
    await one.take(row, POS, amount_fen=10_00, slip=a_slip("000123"))
    with pytest.raises(SlipUsed):
        await other.take(row, POS, amount_fen=10_00, slip=a_slip("000123"))
    desk.rig.clock.advance(timedelta(days=1))
    tomorrow = await desk.presettled(100_00)
    await one.sign_in_again()
    await one.take(tomorrow, POS, slip=a_slip("000123"))


async def test_the_same_request_takes_once(desk: Desk) -> None:
    drawer = await desk.drawer("1001")
    row = await desk.presettled(100_00)
    first = await drawer.take(row, amount_fen=10_00, request_key="k1")
    again = await drawer.take(row, amount_fen=10_00, request_key="k1")
    assert first.entry.entry_id == again.entry.entry_id
    assert again.settlement.paid_fen == 10_00
    assert len((await drawer.report()).entries) == 1


async def test_of_two_cashiers_at_once_no_more_than_owed_is_taken(desk: Desk) -> None:
    drawers = [await desk.drawer("1001"), await desk.drawer("1002")]
    row = await desk.presettled(100_00)
    got = await asyncio.gather(
        *(one.take(row, amount_fen=25_00) for one in drawers for _ in range(2)),
        return_exceptions=True,
    )
    assert all(isinstance(one, counter.Taken | Problem) for one in got), got
    assert sum(isinstance(one, counter.Taken) for one in got) == 1
    attempts = await desk.rig.attempts(row)
    assert [one.amount_fen for one in attempts if one.state is AttemptState.PAID] == [25_00]
    assert (await desk.rig.read(row)).paid_fen == 25_00
    await _sums_agree(desk)


async def test_of_cash_and_a_phone_at_once_one_takes_all(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await desk.presettled(100_00)
    got = await asyncio.gather(drawer.take(row), rig.pay(row), return_exceptions=True)
    assert all(not isinstance(one, BaseException) or isinstance(one, Problem) for one in got), got
    paid = [one for one in await rig.attempts(row) if one.state is AttemptState.PAID]
    live = rig.till.unpaid()
    assert len(paid) + len(live) == 1
    await _sums_agree(desk)


async def test_giving_up_after_a_part_gives_all_back_and_cash_waits_for_the_cashier(
    desk: Desk,
) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001", 5_00)
    row = await desk.presettled(100_00)
    await drawer.take(row, amount_fen=15_00)
    await drawer.take(row, POS, amount_fen=10_00)
    row = await rig.pay(await rig.read(row), amount_fen=5_00)
    rig.till.pay(rig.till.unpaid()[0])
    await rig.run_for(timedelta(seconds=60))
    row = await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    await rig.run_for(timedelta(hours=5), timedelta(minutes=10))
    row = await rig.read(row)
    assert (row.state, row.refunded_fen) == (S.REVERSING, 5_00)
    assert any(visit.lines for visit in rig.bureau.visits.values()), "money first"
    assert await rig.items(row) == set(), "nothing is wrong: it waits"
    waiting = {one.tender: one for one in await desk.waiting()}
    assert {tender: one.amount_fen for tender, one in waiting.items()} == {CASH: 15_00, POS: 10_00}
    await drawer.sign_in_again()
    with pytest.raises(SlipMissing):
        await drawer.give(waiting[CASH], a_slip())
    await drawer.give(waiting[CASH])
    with pytest.raises(RefundNotWaiting):
        await drawer.give(waiting[CASH])
    await drawer.give(waiting[POS])
    await rig.work()
    row = await rig.read(row)
    assert (row.state, row.refunded_fen) == (S.REVERSED, 30_00)
    assert await rig.balances(row) == {}
    assert await desk.waiting() == []
    report = await drawer.close(5_00)
    assert (report.shift.expected_cash_fen, report.shift.expected_pos_fen) == (5_00, 0)
    await _sums_agree(desk)


async def test_cash_that_fell_waits_for_its_payer(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await desk.presettled(100_00)
    await drawer.take(row, POS, amount_fen=25_00)
    rig.clock.advance(timedelta(seconds=1))
    await drawer.take(row, amount_fen=15_00)
    rig.bureau.cash_moves_fen = -20_00
    row = await rig.settled(row)
    assert (row.state, row.cash_fen) == (S.POSTING, 20_00)
    waiting = await desk.waiting()
    assert {(one.tender, one.amount_fen) for one in waiting} == {(CASH, 15_00), (POS, 5_00)}
    assert await _told_tenders(desk, row) == "pos:2000"
    for one in waiting:
        await drawer.give(one)
    await rig.work()
    row = await rig.post(await rig.read(row))
    assert (row.paid_fen - row.refunded_fen, row.state) == (20_00, S.POSTED)
    await _sums_agree(desk)


async def test_cash_that_rose_is_collected_at_the_counter(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await desk.presettled(100_00)
    await drawer.take(row)
    rig.bureau.cash_moves_fen = 7_00
    row = await rig.settled(row)
    assert row.state is S.COLLECTING
    await drawer.take(row, amount_fen=3_00)
    assert (await rig.read(row)).state is S.COLLECTING
    taken = await drawer.take(row, POS)
    assert (taken.entry.amount_fen, taken.settlement.state) == (4_00, S.SETTLED)
    row = await rig.settled(row)
    assert row.state is S.POSTING
    await _sums_agree(desk)


async def test_a_refund_is_given_once_by_one_of_two_cashiers(desk: Desk) -> None:
    one, other = await desk.drawer("1001", 50_00), await desk.drawer("1002", 50_00)
    row = await desk.presettled(100_00)
    await one.take(row, amount_fen=15_00)
    await actions.abandon(desk.rig.ctx, row.record_id, row.settlement_id)
    await desk.rig.work()
    (waits,) = await desk.waiting()
    got = await asyncio.gather(one.give(waits), other.give(waits), return_exceptions=True)
    assert sorted(isinstance(each, RefundNotWaiting) for each in got) == [False, True]
    await desk.rig.work()
    assert (await desk.rig.read(row)).state is S.REVERSED
    given = [entry for each in (one, other) for entry in (await each.report()).entries]
    assert sum(entry.amount_fen for entry in given if entry.direction == "GIVE") == 15_00
    await _sums_agree(desk)


async def test_money_that_nobody_comes_for_becomes_a_work_item_until_it_is_given(
    desk: Desk,
) -> None:
    drawer = await desk.drawer("1001")
    row = (await drawer.take(await desk.presettled(100_00), amount_fen=10_00)).settlement
    await actions.abandon(desk.rig.ctx, row.record_id, row.settlement_id)
    await desk.rig.run_for(timedelta(minutes=1))
    desk.rig.clock.advance(timedelta(hours=23))
    await desk.rig.work()
    (waits,) = await desk.waiting()
    assert (waits.overdue_at, await desk.rig.items(row)) == (None, set())
    desk.rig.clock.advance(timedelta(hours=1))
    await asyncio.gather(desk.rig.work(), desk.rig.work())
    (late,) = await desk.waiting()
    assert (late.asked_at, late.given_at) == (waits.asked_at, None)
    assert late.overdue_at == desk.rig.clock.now()
    assert await desk.rig.items(row) == {"refund-not-fetched"}
    await drawer.sign_in_again()
    await drawer.give(late)
    assert (await desk.waiting(), await desk.rig.items(row)) == ([], set())
    async with connection(desk.rig.ctx.pool) as conn:
        given = await store.find_refund(conn, late.institution_id, late.refund_id)
    assert given is not None
    assert rows.check(desk.rig.ctx, given).asked_at == waits.asked_at


async def test_a_drawer_gives_no_more_than_it_holds(desk: Desk) -> None:
    one, other = await desk.drawer("1001"), await desk.drawer("1002", 10_00)
    row = await desk.presettled(100_00)
    await one.take(row, amount_fen=15_00)
    await actions.abandon(desk.rig.ctx, row.record_id, row.settlement_id)
    await desk.rig.work()
    (waits,) = await desk.waiting()
    with pytest.raises(DrawerTooSmall):
        await other.give(waits)
    await one.give(waits)


async def test_the_last_moment_belongs_to_one_of_deadline_and_cash(desk: Desk) -> None:
    rig, drawer = desk.rig, await desk.drawer("1001")
    row = await desk.presettled(100_00)
    rig.clock.advance(rig.ctx.policy.pay_within)
    with pytest.raises(SettlementNotPayable):
        await drawer.take(row)
    row = await rig.settled(row, 60)
    assert row.state is S.REVERSED
    with pytest.raises((SettlementNotPayable, StateConflict)):
        await drawer.take(row)
    assert (await drawer.report()).entries == []


async def _cut_off(desk: Desk, row: Settlement, moment: str) -> tuple[Drawer, Entry]:
    """A drawer whose process died while it took cash: before or after the record was written."""
    drawer = await desk.drawer("1001")
    work = await shift.working(desk.rig.ctx, drawer.terminal, drawer.token)
    entry = await shift.intend(
        desk.rig.ctx,
        work,
        NewEntry(
            tender=CASH,
            amount_fen=15_00,
            tendered_fen=15_00,
            slip=None,
            record_id=row.record_id,
            settlement_id=row.settlement_id,
            attempt_id=desk.rig.ctx.ids.new(),
            request_key="cut",
        ),
    )
    if moment == "after":
        taking = paying.taking(
            desk.rig.ctx, shift.taken_of(desk.rig.ctx, entry), place_of(drawer.terminal)
        )
        await door.through(desk.rig.ctx, (row.record_id, row.settlement_id), taking)
    return drawer, entry


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_request_that_was_cut_off_is_gone_on_with(desk: Desk, moment: str) -> None:
    row = await desk.presettled(100_00)
    drawer, entry = await _cut_off(desk, row, moment)
    taken = await drawer.take(row, amount_fen=15_00, request_key="cut")
    assert (taken.entry.entry_id, taken.settlement.paid_fen) == (entry.entry_id, 15_00)
    await _sums_agree(desk)


@pytest.mark.parametrize(("moment", "expected_fen"), [("before", 0), ("after", 15_00)])
async def test_a_shift_is_closed_over_what_is_certain(
    desk: Desk, moment: str, expected_fen: int
) -> None:
    row = await desk.presettled(100_00)
    drawer, entry = await _cut_off(desk, row, moment)
    report = await drawer.close(expected_fen)
    assert report.shift.expected_cash_fen == expected_fen
    assert (await desk.rig.read(row)).paid_fen == expected_fen
    # What was cut off comes to life late: nothing may count that the shift does not have.
    taking = paying.taking(
        desk.rig.ctx, shift.taken_of(desk.rig.ctx, entry), place_of(drawer.terminal)
    )
    try:
        late = await door.through(desk.rig.ctx, (row.record_id, row.settlement_id), taking)
        assert late.paid_fen == expected_fen
    except SettlementNotPayable:
        assert expected_fen == 0
    await _sums_agree(desk)


@pytest.mark.parametrize(("moment", "paid_fen"), [("before", 0), ("after", 15_00)])
async def test_the_worker_clears_up_what_was_cut_off(
    desk: Desk, moment: str, paid_fen: int
) -> None:
    row = await desk.presettled(100_00)
    drawer, _ = await _cut_off(desk, row, moment)
    await desk.rig.run_for(timedelta(minutes=3), timedelta(minutes=1))
    assert [one.state for one in (await drawer.report()).entries] == [
        "DONE" if paid_fen else "VOID"
    ]
    assert (await desk.rig.read(row)).paid_fen == paid_fen
    if not paid_fen:
        with pytest.raises(EntryGivenUp):
            await drawer.take(row, amount_fen=15_00, request_key="cut")
    await _sums_agree(desk)


async def test_a_giving_that_was_cut_off_is_given_up_or_done(desk: Desk) -> None:
    drawer = await desk.drawer("1001", 50_00)
    row = await desk.presettled(100_00)
    await drawer.take(row, amount_fen=15_00)
    await actions.abandon(desk.rig.ctx, row.record_id, row.settlement_id)
    await desk.rig.work()
    (waits,) = await desk.waiting()
    work = await shift.working(desk.rig.ctx, drawer.terminal, drawer.token)
    key = (waits.record_id, waits.refund_id)
    refund = await payment.read_refund(desk.rig.ctx, *key)
    new = NewEntry(
        tender=CASH,
        amount_fen=refund.amount_fen,
        tendered_fen=None,
        slip=None,
        record_id=refund.record_id,
        settlement_id=refund.settlement_id,
        attempt_id=refund.attempt_id,
        request_key="cut",
        refund_id=refund.refund_id,
        refund_version=refund.version,
    )
    entry = await entries.intend(desk.rig.ctx, work, new)
    closed = await drawer.close(65_00)
    assert closed.shift.expected_cash_fen == 65_00
    ended = await shift.clear_up(desk.rig.ctx, entry.institution_id, entry.entry_id)
    assert ended.state == "VOID"
    late = RowKey(*key)
    with pytest.raises(PaymentNotRefundable):
        await payment.give_at_counter(desk.rig.ctx, late, refund.version, "late")
    other = await desk.drawer("1002", 50_00)
    await other.give(waits)
    await desk.rig.work()
    assert (await desk.rig.read(row)).state is S.REVERSED
    await _sums_agree(desk)


async def test_a_row_of_the_counter_changed_by_sql_is_refused(desk: Desk) -> None:
    drawer = await desk.drawer("1001")
    row = await desk.presettled(100_00)
    await drawer.take(row, amount_fen=15_00)
    async with connection(desk.rig.ctx.pool) as conn:
        await conn.execute("update shift_entry set amount_fen = 1400, tendered_fen = 1400")
    with pytest.raises(RowTampered):
        await drawer.report()
