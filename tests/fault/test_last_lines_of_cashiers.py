"""Guards of cashiers and their drawers, each the last line before a PIN is guessed, one number is
two people, or a drawer is counted twice."""

from contextlib import suppress

import pytest

from service.kernel.database import connection
from service.kernel.problems import RowTampered
from service.payment import actions as payment
from service.payment.model import RowKey
from service.settlement import actions as settlement
from service.shift import actions as shift
from service.shift import rules
from service.shift import store as shift_store
from service.shift.actions import giving, rows
from service.shift.model import Report
from service.shift.problems import StaffLocked, StaffNumberTaken
from tests.support.counter_rig import a_desk
from tests.support.guards import Guard, both_runs
from tests.support.last_lines import Harm, at_once, run, without, without_conflict


async def two_cashiers_get_one_number(dsn: str) -> None:
    """The hospital's list names 1001 twice."""
    async with a_desk(dsn) as desk:
        await desk.hire("1001")
        with suppress(StaffNumberTaken):
            await desk.hire("1001")
            raise Harm("one number is two cashiers")


async def one_cashier_a_number(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, shift_store, "INSERT_STAFF")
    await run(dsn, "drop index staff_number")


async def wrong_pins_at_the_same_moment(dsn: str) -> None:
    """As many as a cashier has tries, all sent before the first is counted."""
    async with a_desk(dsn) as desk:
        pin = await desk.hire("1001")
        terminal = desk.terminal()
        wrong = "0" * len(pin) if set(pin) != {"0"} else "1" * len(pin)
        tries = [
            shift.sign_in(desk.rig.ctx, terminal, "1001", wrong) for _ in range(rules.TRIES_MAX)
        ]
        await at_once(dsn, "staff", *tries)
        with suppress(StaffLocked):
            await shift.sign_in(desk.rig.ctx, terminal, "1001", pin)
            raise Harm("a PIN is guessed as often as one likes")


async def version_of_a_cashier(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, shift_store, "SAVE_STAFF", " and version = $13 - 1")


async def a_drawer_is_counted_twice(dsn: str) -> None:
    """Two requests close one shift in the same moment, over different counts."""
    async with a_desk(dsn) as desk:
        drawer = await desk.drawer("1001")
        works = (drawer.close(1_00, words="found"), drawer.close(2_00, words="found"))
        got = await at_once(dsn, "shift", *works)
        if all(isinstance(one, Report) for one in got):
            raise Harm("one shift was closed over two counts")


async def lock_of_a_shift(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, shift_store, "LOCK_SHIFT", "for update")


async def version_of_a_shift(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, shift_store, "SAVE_SHIFT", " and version = $15 - 1")


async def a_refund_is_given_while_it_is_reported(dsn: str) -> None:
    """Nobody came for it in time; while that is written down, its payer comes."""
    async with a_desk(dsn) as desk:
        ctx, drawer = desk.rig.ctx, await desk.drawer("1001", 50_00)
        row = await desk.presettled(100_00)
        await drawer.take(row, amount_fen=15_00)
        await settlement.abandon(ctx, row.record_id, row.settlement_id)
        await desk.rig.work()
        (waits,) = await desk.waiting()
        report = payment.report_not_fetched

        async def meanwhile(*args: object) -> None:
            await report(ctx, RowKey(waits.record_id, waits.refund_id))
            await drawer.give(waits)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(payment, "report_not_fetched", meanwhile)
            await giving.tell_overdue(ctx, waits.institution_id, waits.refund_id)
        async with connection(ctx.pool) as conn:
            found = await shift_store.find_refund(conn, waits.institution_id, waits.refund_id)
        assert found is not None
        try:
            rows.check(ctx, found)
        except RowTampered as fault:
            raise Harm("a refund that was given looks forged") from fault


async def row_of_a_waiting_refund(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, shift_store, "SAVE_OVERDUE", "row_mac = $5", "$5::bytea is not null")


GUARDS = [
    Guard(
        name="unique key: one cashier a number",
        holds=frozenset({"staff_number", "shift.store.INSERT_STAFF"}),
        harm="one number is two cashiers",
        scenario=two_cashiers_get_one_number,
        take_out=one_cashier_a_number,
    ),
    Guard(
        name="compare-and-set: cashier",
        holds=frozenset({"shift.store.SAVE_STAFF"}),
        harm="a PIN is guessed as often as one likes",
        scenario=wrong_pins_at_the_same_moment,
        take_out=version_of_a_cashier,
    ),
    Guard(
        name="compare-and-set: shift, behind its lock",
        holds=frozenset({"shift.store.SAVE_SHIFT"}),
        harm="one shift was closed over two counts",
        scenario=a_drawer_is_counted_twice,
        take_out=version_of_a_shift,
        in_front=lock_of_a_shift,
    ),
    Guard(
        name="compare-and-set: refund that waits",
        holds=frozenset({"shift.store.SAVE_OVERDUE"}),
        harm="a refund that was given looks forged",
        scenario=a_refund_is_given_while_it_is_reported,
        take_out=row_of_a_waiting_refund,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
