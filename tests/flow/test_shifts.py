"""Cashiers and shifts: limited tries, one open shift, counts, hand-over in one step."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from service.kernel.database import connection
from service.kernel.problems import NotFound, Problem, RowTampered
from service.shift import actions as shift
from service.shift import rules, store
from service.shift.actions import rows
from service.shift.model import Counted, Shift, SignedIn, StaffState, Tender
from service.shift.problems import (
    DrawerTooSmall,
    NoOpenShift,
    NotACounter,
    ShiftAlreadyOpen,
    ShiftDifferenceUnexplained,
    ShiftInDoubt,
    StaffLocked,
    StaffNotSignedIn,
    StaffNumberTaken,
    StaffSignInRefused,
)
from service.shift.states import ShiftState
from tests.support.counter_rig import Desk, a_desk


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[Desk]:
    async with a_desk(fresh_database) as made:
        yield made


def counted(cash_fen: int, words: str | None = None) -> Counted:
    return Counted(cash_fen=cash_fen, pos_fen=0, explanation=words)


async def test_a_cashier_is_signed_in_at_one_terminal(desk: Desk) -> None:
    ctx, pin = desk.rig.ctx, await desk.hire("1001")
    first, second = desk.terminal(), desk.terminal()
    one = await shift.sign_in(ctx, first, "1001", pin)
    assert (await shift.signed_in(ctx, first, one.token)).staff_no == "1001"
    for terminal, token in ((second, one.token), (first, None), (first, one.token + "00")):
        with pytest.raises(StaffNotSignedIn):
            await shift.signed_in(ctx, terminal, token)
    two = await shift.sign_in(ctx, second, "1001", pin)
    with pytest.raises(StaffNotSignedIn):
        await shift.signed_in(ctx, first, one.token)
    await shift.sign_out(ctx, second, two.token)
    with pytest.raises(StaffNotSignedIn):
        await shift.signed_in(ctx, second, two.token)
    with pytest.raises(NotACounter):
        await shift.sign_in(ctx, desk.terminal(public_place=True), "1001", pin)
    with pytest.raises(StaffNumberTaken):
        await desk.hire("1001")


async def test_a_session_ends_by_itself_with_a_new_pin_and_with_a_suspension(desk: Desk) -> None:
    ctx, place, pin = desk.rig.ctx, desk.rig.place.institution_id, await desk.hire("1001")
    terminal = desk.terminal()
    token = (await shift.sign_in(ctx, terminal, "1001", pin)).token
    desk.rig.clock.advance(rules.SESSION_LIFE)
    with pytest.raises(StaffNotSignedIn):
        await shift.signed_in(ctx, terminal, token)
    token = (await shift.sign_in(ctx, terminal, "1001", pin)).token
    new = await shift.new_pin(ctx, place, "1001")
    with pytest.raises(StaffNotSignedIn):
        await shift.signed_in(ctx, terminal, token)
    with pytest.raises(StaffSignInRefused):
        await shift.sign_in(ctx, terminal, "1001", pin)
    token = (await shift.sign_in(ctx, terminal, "1001", new)).token
    await shift.set_state(ctx, place, "1001", StaffState.SUSPENDED)
    with pytest.raises(StaffNotSignedIn):
        await shift.signed_in(ctx, terminal, token)
    with pytest.raises(StaffSignInRefused):
        await shift.sign_in(ctx, terminal, "1001", new)
    with pytest.raises(NotFound):
        await shift.new_pin(ctx, place, "1002")


async def test_wrong_pins_are_limited_also_side_by_side(desk: Desk) -> None:
    ctx, pin, terminal = desk.rig.ctx, await desk.hire("1001"), desk.terminal()
    wrong = "0" * 8 if pin != "0" * 8 else "1" * 8
    got = await asyncio.gather(
        *(shift.sign_in(ctx, terminal, "1001", wrong) for _ in range(rules.TRIES_MAX + 3)),
        return_exceptions=True,
    )
    looked_at = sum(isinstance(one, StaffSignInRefused) for one in got)
    assert looked_at == rules.TRIES_MAX
    assert sum(isinstance(one, StaffLocked) for one in got) == 3
    with pytest.raises(StaffLocked):
        await shift.sign_in(ctx, terminal, "1001", pin)
    with pytest.raises(StaffSignInRefused):
        await shift.sign_in(ctx, terminal, "9999", pin)
    desk.rig.clock.advance(rules.LOCKED_FOR)
    with pytest.raises(StaffSignInRefused):
        await shift.sign_in(ctx, terminal, "1001", wrong)
    with pytest.raises(StaffLocked):
        await shift.sign_in(ctx, terminal, "1001", pin)
    desk.rig.clock.advance(rules.LOCKED_FOR)
    assert (await shift.sign_in(ctx, terminal, "1001", pin)).staff.failures == 0


async def test_the_pin_stands_nowhere(desk: Desk) -> None:
    pin = await desk.hire("1001")
    async with connection(desk.rig.ctx.pool) as conn:
        row = await conn.fetchrow("select staff::text as words from staff")
    assert row is not None
    assert pin not in row["words"]
    assert pin.encode().hex() not in row["words"]


async def test_a_drawer_and_a_cashier_have_one_open_shift(desk: Desk) -> None:
    ctx = desk.rig.ctx
    drawer = await desk.drawer("1001")
    other_pin = await desk.hire("1002")
    other = await shift.sign_in(ctx, drawer.terminal, "1002", other_pin)
    assert other.shift is None
    with pytest.raises(ShiftAlreadyOpen):
        await shift.open_shift(ctx, drawer.terminal, other.token, 0)
    elsewhere = desk.terminal()
    again = await shift.sign_in(ctx, elsewhere, "1001", desk.pins["1001"])
    assert again.shift is not None
    with pytest.raises(ShiftAlreadyOpen):
        await shift.open_shift(ctx, elsewhere, again.token, 0)
    with pytest.raises(NoOpenShift):
        await shift.working(ctx, elsewhere, again.token)


async def test_of_many_openings_at_once_one_stands(desk: Desk) -> None:
    ctx, terminal = desk.rig.ctx, desk.terminal()
    tokens = [
        (await shift.sign_in(ctx, terminal, number, await desk.hire(number))).token
        for number in ("1001", "1002", "1003")
    ]
    got = await asyncio.gather(
        *(shift.open_shift(ctx, terminal, token, 0) for token in tokens), return_exceptions=True
    )
    assert sum(isinstance(one, Shift) for one in got) == 1
    assert all(isinstance(one, Shift | ShiftAlreadyOpen) for one in got)


async def test_a_difference_needs_words_and_a_closed_shift_takes_nothing(desk: Desk) -> None:
    drawer = await desk.drawer("1001", 100_00)
    row = await desk.presettled(100_00)
    await drawer.take(row, amount_fen=30_00)
    with pytest.raises(ShiftDifferenceUnexplained) as refused:
        await drawer.close(129_00)
    assert refused.value.extensions["expected_cash_fen"] == 130_00
    with pytest.raises(ShiftDifferenceUnexplained):
        await drawer.close(130_00, pos_fen=1)
    report = await drawer.close(129_00, words="少找一元")
    assert (report.shift.state, report.shift.explanation) == (ShiftState.CLOSED, "少找一元")
    assert (report.shift.expected_cash_fen, report.shift.counted_cash_fen) == (130_00, 129_00)
    with pytest.raises(NoOpenShift):
        await drawer.take(row, amount_fen=1_00)
    with pytest.raises(NoOpenShift):
        await drawer.close(129_00)
    ctx = desk.rig.ctx
    text = ctx.public_ids.text(report.shift.institution_id, report.shift.shift_id)
    kept = await shift.report(ctx, drawer.terminal, drawer.token, text)
    assert rules.sums_of(kept.entries, Tender.CASH).net_fen == 30_00
    stranger = await desk.drawer("1002")
    with pytest.raises(NotFound):
        await shift.report(ctx, stranger.terminal, stranger.token, text)


async def test_taking_and_closing_at_once_agree(desk: Desk) -> None:
    drawer = await desk.drawer("1001")
    row = await desk.presettled(100_00)
    took, closed = await asyncio.gather(
        drawer.take(row, amount_fen=15_00),
        drawer.close(0, words="盘点"),
        return_exceptions=True,
    )
    assert not isinstance(took, BaseException) or isinstance(took, Problem), took
    if isinstance(closed, BaseException):
        assert isinstance(closed, ShiftInDoubt)
        closed = await drawer.close(0, words="盘点")
    paid = (await desk.rig.read(row)).paid_fen
    assert closed.shift.expected_cash_fen == paid == await desk.in_ledger(Tender.CASH)
    assert paid == (0 if isinstance(took, BaseException) else 15_00)


async def test_a_hand_over_closes_and_opens_in_one_step(desk: Desk) -> None:
    ctx, drawer = desk.rig.ctx, await desk.drawer("1001", 100_00)
    row = await desk.presettled(100_00)
    await drawer.take(row, amount_fen=30_00)
    following = ("1002", await desk.hire("1002"))

    async def hand_over(cash_fen: int, float_fen: int, pin: str | None = None) -> SignedIn:
        _, after = await shift.hand_over(
            ctx,
            drawer.terminal,
            drawer.token,
            counted(cash_fen),
            ("1002", pin or following[1]),
            float_fen,
        )
        return after

    with pytest.raises(ShiftDifferenceUnexplained):
        await hand_over(120_00, 120_00)
    with pytest.raises(DrawerTooSmall):
        await hand_over(130_00, 130_01)
    with pytest.raises(StaffSignInRefused):
        await hand_over(130_00, 100_00, "99999999" if following[1] != "99999999" else "88888888")
    assert (await drawer.report()).shift.state is ShiftState.OPEN
    after = await hand_over(130_00, 100_00)
    assert after.shift is not None
    work = await shift.working(ctx, drawer.terminal, after.token)
    assert (work.staff.staff_no, work.shift.float_fen) == ("1002", 100_00)
    with pytest.raises(NoOpenShift):
        await drawer.take(row, amount_fen=1_00)
    since = desk.rig.clock.now() - timedelta(days=1)
    listed = await shift.list_reports(ctx, desk.rig.place.institution_id, since)
    closed = next(one for one in listed if one.staff.staff_no == "1001")
    assert closed.shift.next_shift_id == work.shift.shift_id


async def test_a_hand_over_to_a_cashier_who_works_elsewhere_changes_nothing(desk: Desk) -> None:
    drawer = await desk.drawer("1001", 100_00)
    await desk.drawer("1002")
    with pytest.raises(ShiftAlreadyOpen):
        await shift.hand_over(
            desk.rig.ctx,
            drawer.terminal,
            drawer.token,
            counted(100_00),
            ("1002", desk.pins["1002"]),
            0,
        )
    assert (await drawer.report()).shift.state is ShiftState.OPEN


async def test_the_database_keeps_one_open_shift_and_words_for_a_difference(desk: Desk) -> None:
    """The last line, without the checks in front of it."""
    drawer = await desk.drawer("1001", 100_00)
    ctx, row = desk.rig.ctx, (await drawer.report()).shift
    async with connection(ctx.pool) as conn:
        twin = rows.sign(ctx, rows.next_version(ctx, row, shift_id=ctx.ids.new()))
        assert not await store.insert_shift(conn, twin)
        closed = rows.next_version(
            ctx,
            row,
            state=ShiftState.CLOSED,
            closed_at=row.opened_at,
            expected_cash_fen=1,
            counted_cash_fen=2,
            expected_pos_fen=0,
            counted_pos_fen=0,
        )
        with pytest.raises(asyncpg.CheckViolationError):
            await store.save_shift(conn, closed)
        await conn.execute("update staff set session_until = session_until + interval '1 day'")
    with pytest.raises(RowTampered):
        await drawer.report()
