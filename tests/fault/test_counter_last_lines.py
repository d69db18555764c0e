"""Guards of counters and of stays in hospital, each run twice: with it all is well, without it that
very harm is done."""

from contextlib import suppress

import pytest

from service.bill.states import BillKind
from service.kernel.context import Context
from service.payment import actions as payment
from service.payment.actions import counter as counter_payments
from service.payment.model import PaymentAttempt, TakenAtCounter
from service.payment.states import AttemptState
from service.settlement import door, paying
from service.settlement import store as settlement_store
from service.settlement.model import Settlement
from service.settlement.problems import SettlementNotPayable
from service.settlement.scans import place_of
from service.settlement.stays import store as store_deposits
from service.shift import actions as shift
from service.shift.model import NewEntry, Tender
from tests.support import stays
from tests.support.counter_rig import a_desk
from tests.support.guards import Guard, both_runs
from tests.support.last_lines import Harm, at_once, without
from tests.support.settlement_rig import a_rig


async def two_cashiers_at_the_same_moment(dsn: str) -> None:
    """Seven yuan are owed; both saw it, and each takes five of them."""
    async with a_desk(dsn) as desk:
        one, other = await desk.drawer("1001"), await desk.drawer("1002")
        row = await desk.presettled(100_00)
        await one.take(row)
        desk.rig.bureau.cash_moves_fen = 7_00
        row = await desk.rig.settled(row)
        works = (one.take(row, amount_fen=5_00), other.take(row, amount_fen=5_00))
        await at_once(dsn, "payment_attempt", *works)
        if await desk.in_ledger(Tender.CASH) > 47_00:
            raise Harm("the payer paid more than he owes")


async def version_of_a_settlement(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, settlement_store, "SAVE_SETTLEMENT", "version = $3\n", "$3::int > 0\n")


async def a_cut_off_request_wakes_after_the_closing(dsn: str) -> None:
    """The shift is closed over an entry that its request left; then the request goes on."""
    async with a_desk(dsn) as desk:
        ctx, drawer = desk.rig.ctx, await desk.drawer("1001")
        row = await desk.presettled(100_00)
        new = NewEntry(
            tender=Tender.CASH,
            amount_fen=40_00,
            tendered_fen=40_00,
            slip=None,
            record_id=row.record_id,
            settlement_id=row.settlement_id,
            attempt_id=ctx.ids.new(),
            request_key="cut",
        )
        work = await shift.working(ctx, drawer.terminal, drawer.token)
        entry = await shift.intend(ctx, work, new)
        closed = await drawer.close(0)
        taking = paying.taking(ctx, shift.taken_of(ctx, entry), place_of(drawer.terminal))
        with suppress(SettlementNotPayable):
            await door.through(ctx, (row.record_id, row.settlement_id), taking)
        if await desk.in_ledger(Tender.CASH) != closed.shift.expected_cash_fen:
            raise Harm("the settlement counts cash that no shift has")


async def the_id_that_is_taken(patch: pytest.MonkeyPatch, dsn: str) -> None:
    async def only_look(ctx: Context, new: TakenAtCounter) -> PaymentAttempt:
        return counter_payments._attempt(ctx, new, AttemptState.FAILED, None)

    patch.setattr(payment, "hold_taken", only_look)


async def two_discharges_at_the_same_moment(dsn: str) -> None:
    """Both saw that the stay's deposit is free, and each counts it as paid."""
    async with a_rig(dsn) as rig:
        held = await stays.deposit(rig, 300_00)
        bills = [await stays.push(rig, BillKind.DISCHARGE, 300_00) for _ in "12"]
        works = (rig.start(one, insured=False) for one in bills)
        got = [one for one in await at_once(dsn, "deposit", *works) if isinstance(one, Settlement)]
        await rig.work()
        rows = [await rig.read(one) for one in got]
        assert rows, "one of them has it"
        if sum(row.paid_fen for row in rows) != held.paid_fen:
            raise Harm("one deposit paid two discharges")


async def version_of_a_deposit(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, store_deposits, "SAVE_DEPOSIT", "version = $3\n", "$3::int > 0\n")


GUARDS = [
    Guard(
        name="compare-and-set: settlement",
        holds=frozenset({"settlement.store.SAVE_SETTLEMENT"}),
        harm="the payer paid more than he owes",
        scenario=two_cashiers_at_the_same_moment,
        take_out=version_of_a_settlement,
    ),
    Guard(
        name="the payment's id is taken",
        holds=frozenset(),
        harm="the settlement counts cash that no shift has",
        scenario=a_cut_off_request_wakes_after_the_closing,
        take_out=the_id_that_is_taken,
    ),
    Guard(
        name="compare-and-set: deposit",
        holds=frozenset({"settlement.stays.store.SAVE_DEPOSIT"}),
        harm="one deposit paid two discharges",
        scenario=two_discharges_at_the_same_moment,
        take_out=version_of_a_deposit,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
