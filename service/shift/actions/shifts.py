"""Shifts: opened with a float, closed over a count, handed to the next cashier in one step."""

from contextlib import suppress
from datetime import datetime

from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.principals import Terminal
from service.kernel.problems import NotFound
from service.shift import rules, store
from service.shift.actions import entries, rows, signing
from service.shift.model import Counted, Report, Shift, SignedIn, Staff, Tender, Work
from service.shift.problems import (
    DrawerTooSmall,
    NoOpenShift,
    ShiftAlreadyOpen,
    ShiftDifferenceUnexplained,
    ShiftInDoubt,
)
from service.shift.states import SHIFT, EntryState, ShiftEvent, ShiftState

LIST_MAX = 200
CLOSINGS_MAX = 3
"""Again, when a payment began between clearing up and closing."""


async def open_shift(ctx: Context, terminal: Terminal, token: str | None, float_fen: int) -> Shift:
    """Begin to work at this terminal's drawer. Raises ``StaffNotSignedIn``, ``ShiftAlreadyOpen``
    (here, or of this cashier elsewhere)."""
    staff = await signing.signed_in(ctx, terminal, token)
    row = _new(ctx, terminal, staff, float_fen)
    async with rows.noting(ctx) as conn:
        await _insert(conn, ctx, row)
    return row


def _new(ctx: Context, terminal: Terminal, staff: Staff, float_fen: int) -> Shift:
    return rows.sign(
        ctx,
        Shift(
            institution_id=staff.institution_id,
            shift_id=ctx.ids.new(),
            terminal_id=terminal.terminal_id,
            staff_id=staff.staff_id,
            state=SHIFT.start,
            float_fen=float_fen,
            opened_at=ctx.clock.now(),
            closed_at=None,
            expected_cash_fen=None,
            counted_cash_fen=None,
            expected_pos_fen=None,
            counted_pos_fen=None,
            explanation=None,
            next_shift_id=None,
            version=1,
            row_mac=b"",
        ),
    )


async def _insert(conn: Connection, ctx: Context, row: Shift) -> None:
    if not await store.insert_shift(conn, row):
        raise ShiftAlreadyOpen
    facts: dict[str, str | int | bool | None] = {
        "shift_id": row.shift_id,
        "terminal_id": row.terminal_id,
        "float_fen": row.float_fen,
    }
    await rows.note(conn, ctx, "shift.opened", row.institution_id, row.staff_id, facts)


async def close(ctx: Context, terminal: Terminal, token: str | None, counted: Counted) -> Report:
    """End the cashier's shift over what he counted.

    Raises ``StaffNotSignedIn``, ``NoOpenShift``, ``ShiftDifferenceUnexplained``, ``ShiftInDoubt``.
    """
    work = await signing.working(ctx, terminal, token)
    for _ in range(CLOSINGS_MAX):
        await entries.clear_up_shift(ctx, work.shift)
        with suppress(ShiftInDoubt):
            async with rows.noting(ctx) as conn:
                closed = await _close(conn, ctx, work, counted, None)
            return await _report(ctx, closed, work.staff)
    raise ShiftInDoubt(retry_after_s=1)


async def hand_over(
    ctx: Context,
    terminal: Terminal,
    token: str | None,
    counted: Counted,
    following: tuple[str, str],
    float_fen: int,
) -> tuple[Report, SignedIn]:
    """Close the shift and open the next cashier's at the same drawer, both or neither.

    ``following`` is his number and PIN; ``float_fen`` of the counted cash stays in the drawer.
    Raises as ``close`` and ``signing.sign_in`` do, ``ShiftAlreadyOpen``, ``DrawerTooSmall``.
    """
    work = await signing.working(ctx, terminal, token)
    if float_fen > counted.cash_fen:
        raise DrawerTooSmall
    await entries.clear_up_shift(ctx, work.shift)
    after = await signing.sign_in(ctx, terminal, *following)
    opened = _new(ctx, terminal, after.staff, float_fen)
    async with rows.noting(ctx) as conn:
        closed = await _close(conn, ctx, work, counted, opened.shift_id)
        await _insert(conn, ctx, opened)
    report = await _report(ctx, closed, work.staff)
    return report, replace(after, shift=opened)


async def _close(
    conn: Connection, ctx: Context, work: Work, counted: Counted, next_shift_id: int | None
) -> Shift:
    shift = await store.lock_shift(conn, work.shift.institution_id, work.shift.shift_id)
    if shift is None or rows.check(ctx, shift).state is not ShiftState.OPEN:
        raise NoOpenShift
    listed = await rows.list_entries(conn, ctx, shift)
    if any(one.state is EntryState.INTENDED for one in listed):
        raise ShiftInDoubt(retry_after_s=1)
    cash_fen = rules.drawer_fen(shift.float_fen, listed)
    pos_fen = rules.sums_of(listed, Tender.POS).net_fen
    if not rules.is_explained(counted, cash_fen, pos_fen):
        raise ShiftDifferenceUnexplained(
            expected_cash_fen=cash_fen,
            counted_cash_fen=counted.cash_fen,
            expected_pos_fen=pos_fen,
            counted_pos_fen=counted.pos_fen,
        )
    closed: Shift = rows.next_version(
        ctx,
        shift,
        state=SHIFT.advance(shift.state, ShiftEvent.CLOSE),
        closed_at=ctx.clock.now(),
        expected_cash_fen=cash_fen,
        counted_cash_fen=counted.cash_fen,
        expected_pos_fen=pos_fen,
        counted_pos_fen=counted.pos_fen,
        explanation=counted.explanation,
        next_shift_id=next_shift_id,
    )
    if not await store.save_shift(conn, closed):
        raise NoOpenShift
    facts: dict[str, str | int | bool | None] = {
        "shift_id": closed.shift_id,
        "cash_difference_fen": counted.cash_fen - cash_fen,
        "pos_difference_fen": counted.pos_fen - pos_fen,
    }
    await rows.note(conn, ctx, "shift.closed", closed.institution_id, closed.staff_id, facts)
    return closed


async def report(
    ctx: Context, terminal: Terminal, token: str | None, shift_id_text: str | None
) -> Report:
    """One of the cashier's own shifts; without an id the open one.

    Raises ``StaffNotSignedIn``, ``NoOpenShift``, ``NotFound``.
    """
    staff = await signing.signed_in(ctx, terminal, token)
    if shift_id_text is None:
        found = await signing.open_shift_of(ctx, staff)
        if found is None:
            raise NoOpenShift
        return await _report(ctx, found, staff)
    institution_id, shift_id = ctx.public_ids.parse(shift_id_text)
    async with connection(ctx.pool) as conn:
        found = await store.get_shift(conn, staff.institution_id, shift_id)
    if found is None or (found.institution_id, found.staff_id) != (institution_id, staff.staff_id):
        raise NotFound
    return await _report(ctx, rows.check(ctx, found), staff)


async def _report(ctx: Context, shift: Shift, staff: Staff) -> Report:
    async with connection(ctx.pool) as conn:
        return Report(shift=shift, staff=staff, entries=await rows.list_entries(conn, ctx, shift))


async def list_reports(ctx: Context, institution_id: int, since: datetime) -> list[Report]:
    """The institution's shifts opened since, newest first, at most 200."""
    async with connection(ctx.pool) as conn:
        found = await store.list_shifts(conn, institution_id, LIST_MAX)
        recent = [rows.check(ctx, one) for one in found if one.opened_at >= since]
        staff = [await rows.get_staff(conn, ctx, institution_id, one.staff_id) for one in recent]
    return [await _report(ctx, one, whose) for one, whose in zip(recent, staff, strict=True)]
