"""Guards of numbers that others give or count by: bills, messages, slips, requests, shifts. Each is
the last line before something counts twice."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest

from service.bill import actions as bill
from service.bill import store as bill_store
from service.institution import actions as institution
from service.institution import store as institution_store
from service.kernel.database import connection
from service.settlement import actions as settlement
from service.shift import actions as shift
from service.shift import store as shift_store
from service.shift.model import Tender
from service.shift.problems import RefundNotWaiting, ShiftAlreadyOpen, SlipUsed
from tests.support.counter_rig import Drawer, a_desk, a_slip
from tests.support.guards import Guard, both_runs
from tests.support.last_lines import Harm, Kept, at_once, run, without, without_conflict
from tests.support.money import a_house, a_push


async def a_hospital_sends_a_bill_again(dsn: str) -> None:
    """It has no answer to the first request yet, and both find the number free."""
    async with a_house(dsn) as house:
        works = [bill.push(house.ctx, a_push(house, "B1")) for _ in "12"]
        first, again = await at_once(dsn, "bill_number", *works)
        if first.bill_id != again.bill_id:
            raise Harm("one charge stands before the payer twice")


async def one_bill_a_number(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, bill_store, "INSERT_NUMBER")
    await run(dsn, "alter table bill_number drop constraint bill_number_pk")


async def two_processes_draw_the_same_number(dsn: str) -> None:
    """In one second, for two messages of one hospital."""
    async with a_house(dsn) as house:
        ctx = msgspec.structs.replace(house.ctx, ids=_Unlucky())
        async with connection(ctx.pool) as conn:
            taken = [await institution.take_message_no(conn, ctx, "H99000100001") for _ in "12"]
        if len(set(taken)) != len(taken):
            raise Harm("to undo one message is to undo another")


async def one_message_a_number(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, institution_store, "INSERT_MESSAGES")
    await run(dsn, "alter table insurance_message drop constraint insurance_message_pk")


async def one_slip_at_two_counters(dsn: str) -> None:
    """The payer shows the slip of one card payment at a second counter."""
    async with a_desk(dsn) as desk:
        one, other = await desk.drawer("1001"), await desk.drawer("1002")
        row = await desk.presettled(100_00)
        for drawer in (one, other):
            with suppress(SlipUsed):
                await drawer.take(row, Tender.POS, amount_fen=10_00, slip=a_slip("000123"))
        if await desk.in_ledger(Tender.POS) != 10_00:
            raise Harm("one card payment counts twice")


async def one_use_of_a_slip(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await run(dsn, "drop index shift_entry_slip")


async def a_request_is_repeated_at_once(dsn: str) -> None:
    """The terminal sends once more what it has no answer to yet."""
    async with a_desk(dsn) as desk:
        drawer = await desk.drawer("1001")
        row = await desk.presettled(100_00)
        works = [drawer.take(row, amount_fen=10_00, request_key="k1") for _ in "12"]
        await at_once(dsn, "shift_entry", *works)
        if await desk.in_ledger(Tender.CASH) != 10_00:
            raise Harm("ten yuan in the drawer count as twenty")


async def lock_of_a_shift(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, shift_store, "LOCK_SHIFT", "for update")


async def one_entry_a_request(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await run(dsn, "drop index shift_entry_request")


async def a_second_cashier_at_an_open_drawer(dsn: str) -> None:
    """He signs in where the first has left, whose shift is open still."""
    async with a_desk(dsn) as desk:
        first = await desk.drawer("1001")
        pin = await desk.hire("1002")
        signed = await shift.sign_in(desk.rig.ctx, first.terminal, "1002", pin)
        second = Drawer(desk, first.terminal, signed.token, "1002")
        with suppress(ShiftAlreadyOpen):
            await shift.open_shift(desk.rig.ctx, second.terminal, second.token, 0)
            raise Harm("one drawer is counted for two shifts")


async def one_shift_a_terminal(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await run(dsn, "drop index shift_one_a_terminal")


async def a_cashier_opens_a_second_drawer(dsn: str) -> None:
    """With his first shift open he signs in elsewhere; money is then booked in either of them."""
    async with a_desk(dsn) as desk:
        first = await desk.drawer("1001")
        elsewhere = desk.terminal()
        signed = await shift.sign_in(desk.rig.ctx, elsewhere, "1001", desk.pins["1001"])
        with suppress(ShiftAlreadyOpen):
            await shift.open_shift(desk.rig.ctx, elsewhere, signed.token, 0)
            assert first.terminal != elsewhere
            raise Harm("a cashier's money is in a shift that is not at his drawer")


async def one_shift_a_cashier(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await run(dsn, "drop index shift_one_a_cashier")


async def a_restored_refund_is_given_again(dsn: str) -> None:
    """Its rows are put back to before a cashier gave it; it waits again, and another gives it."""
    async with a_desk(dsn) as desk:
        one, other = await desk.drawer("1001", 50_00), await desk.drawer("1002", 50_00)
        row = await desk.presettled(100_00)
        await one.take(row, amount_fen=15_00)
        await settlement.abandon(desk.rig.ctx, row.record_id, row.settlement_id)
        await desk.rig.work()
        (waits,) = await desk.waiting()
        rows = Kept(dsn, "refund")
        await rows.keep()
        await one.give(waits)
        await rows.put_back()
        with suppress(RefundNotWaiting):
            await other.give(waits)
            raise Harm("two cashiers gave one refund")


async def one_giving_of_a_refund(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await run(dsn, "drop index shift_entry_refund")


class _Unlucky:
    """Draws the same each time."""

    def new(self) -> int:
        return 7

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"no scenario draws a {name}")


GUARDS = [
    Guard(
        name="primary key: one bill a number",
        holds=frozenset({"bill.store.INSERT_NUMBER"}),
        harm="one charge stands before the payer twice",
        scenario=a_hospital_sends_a_bill_again,
        take_out=one_bill_a_number,
    ),
    Guard(
        name="primary key: one message a number",
        holds=frozenset({"institution.store.INSERT_MESSAGES"}),
        harm="to undo one message is to undo another",
        scenario=two_processes_draw_the_same_number,
        take_out=one_message_a_number,
    ),
    Guard(
        name="unique key: one use of a slip",
        holds=frozenset({"shift_entry_slip", "shift.store.INSERT_ENTRY"}),
        harm="one card payment counts twice",
        scenario=one_slip_at_two_counters,
        take_out=one_use_of_a_slip,
    ),
    Guard(
        name="unique key: one entry a request, behind the lock of the shift",
        holds=frozenset({"shift_entry_request"}),
        harm="ten yuan in the drawer count as twenty",
        scenario=a_request_is_repeated_at_once,
        take_out=one_entry_a_request,
        in_front=lock_of_a_shift,
    ),
    Guard(
        name="unique key: one open shift a terminal",
        holds=frozenset({"shift_one_a_terminal", "shift.store.INSERT_SHIFT"}),
        harm="one drawer is counted for two shifts",
        scenario=a_second_cashier_at_an_open_drawer,
        take_out=one_shift_a_terminal,
    ),
    Guard(
        name="unique key: one open shift a cashier",
        holds=frozenset({"shift_one_a_cashier"}),
        harm="a cashier's money is in a shift that is not at his drawer",
        scenario=a_cashier_opens_a_second_drawer,
        take_out=one_shift_a_cashier,
    ),
    Guard(
        name="unique key: one giving of a refund",
        holds=frozenset({"shift_entry_refund"}),
        harm="two cashiers gave one refund",
        scenario=a_restored_refund_is_given_again,
        take_out=one_giving_of_a_refund,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
