"""Cashiers: enrol, sign in by number and PIN at one terminal, sign out.

Each try is counted before the PIN is looked at, so that tries side by side are not more tries.
"""

import hmac
import secrets
from typing import Any

from crypto.sm3 import sm3
from service.kernel import passwords
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.principals import Terminal
from service.kernel.problems import NotFound, StateConflict
from service.shift import rules, store
from service.shift.actions import rows
from service.shift.model import Shift, SignedIn, Staff, StaffState, Work
from service.shift.problems import (
    NoOpenShift,
    NotACounter,
    StaffLocked,
    StaffNotSignedIn,
    StaffNumberTaken,
    StaffSignInRefused,
)

PIN_DIGITS = 8
RACES_MAX = 8
LIST_MAX = 1000


async def _new_pin() -> tuple[str, dict[str, Any]]:
    """A PIN and the columns that hold it."""
    pin = "".join(secrets.choice("0123456789") for _ in range(PIN_DIGITS))
    kept = await passwords.stretch(pin)
    return pin, {"pin_salt": kept.salt, "pin_hash": kept.hashed}


async def add_staff(ctx: Context, institution_id: int, staff_no: str) -> str:
    """Enrol a cashier; gives his PIN, which nobody can read again. Raises ``StaffNumberTaken``,
    ``ValueError`` for a number that is not 1 to 20 letters and digits."""
    if rules.NUMBER_FORM.fullmatch(staff_no) is None:
        raise ValueError("a staff number is 1 to 20 letters and digits")
    pin, columns = await _new_pin()
    row = Staff(
        institution_id=institution_id,
        staff_id=ctx.ids.new(),
        staff_no=staff_no,
        state=StaffState.ACTIVE,
        failures=0,
        locked_until=None,
        session_hash=None,
        session_terminal_id=None,
        session_until=None,
        created_at=ctx.clock.now(),
        version=1,
        row_mac=b"",
        **columns,
    )
    async with rows.noting(ctx) as conn:
        if not await store.insert_staff(conn, rows.sign(ctx, row)):
            raise StaffNumberTaken
        await rows.note(conn, ctx, "staff.added", row.institution_id, 0, {"staff_no": staff_no})
    return pin


async def new_pin(ctx: Context, institution_id: int, staff_no: str) -> str:
    """Another PIN; the old one and its sign-in end. Raises ``NotFound``."""
    pin, columns = await _new_pin()
    await _change(ctx, institution_id, staff_no, "staff.pin-changed", **columns, failures=0)
    return pin


async def set_state(ctx: Context, institution_id: int, staff_no: str, state: StaffState) -> None:
    """Let a cashier work, or not any more: his sign-in ends. Raises ``NotFound``."""
    action = f"staff.{state.value.lower()}"
    await _change(ctx, institution_id, staff_no, action, state=state)


async def _change(
    ctx: Context, institution_id: int, staff_no: str, action: str, **columns: Any
) -> None:
    """An operator's change, which ends the sign-in."""
    ended = {"session_hash": None, "session_terminal_id": None, "session_until": None}
    for _ in range(RACES_MAX):
        async with rows.noting(ctx) as conn:
            row = await store.find_staff(conn, institution_id, staff_no)
            if row is None:
                raise NotFound(f"no cashier has the number {staff_no}")
            rows.check(ctx, row)
            changed = rows.next_version(ctx, row, locked_until=None, **ended, **columns)
            if await store.save_staff(conn, changed):
                facts: dict[str, str | int | bool | None] = {"staff_no": staff_no}
                await rows.note(conn, ctx, action, institution_id, 0, facts)
                return
    raise StateConflict("the cashier is changing; try again")


async def list_staff(ctx: Context, institution_id: int) -> list[Staff]:
    """By number, at most 1,000."""
    async with connection(ctx.pool) as conn:
        found = await store.list_staff(conn, institution_id, LIST_MAX)
    return [rows.check(ctx, one) for one in found]


async def sign_in(ctx: Context, terminal: Terminal, staff_no: str, pin: str) -> SignedIn:
    """Prove a cashier at a counter's terminal; an earlier sign-in of his ends.

    Raises ``NotACounter``, ``StaffSignInRefused``, ``StaffLocked``.
    """
    if terminal.public_place:
        raise NotACounter
    counted = await _count_try(ctx, terminal.institution_id, staff_no)
    kept = passwords.Stretched(counted.pin_salt, counted.pin_hash) if counted else None
    if not await passwords.is_same(pin, kept) or counted is None:
        raise StaffSignInRefused
    return await _begin_session(ctx, terminal, counted)


async def _count_try(ctx: Context, institution_id: int, staff_no: str) -> Staff | None:
    """The cashier with one try more; None when there is none who may sign in."""
    for _ in range(RACES_MAX):
        now = ctx.clock.now()
        async with connection(ctx.pool) as conn:
            row = await store.find_staff(conn, institution_id, staff_no)
            if row is None or rows.check(ctx, row).state is not StaffState.ACTIVE:
                return None
            if row.locked_until is not None and rules.is_locked(row, now):
                wait = int((row.locked_until - now).total_seconds()) + 1
                raise StaffLocked(retry_after_s=wait)
            failures = row.failures + 1
            locked = rules.lock_after(failures, now)
            tried: Staff = rows.next_version(ctx, row, failures=failures, locked_until=locked)
            if await store.save_staff(conn, tried):
                return tried
    raise StaffLocked(retry_after_s=1)


async def _begin_session(ctx: Context, terminal: Terminal, proved: Staff) -> SignedIn:
    secret = ctx.ids.token() + ctx.ids.token()
    for _ in range(RACES_MAX):
        async with connection(ctx.pool) as conn:
            row = await rows.get_staff(conn, ctx, proved.institution_id, proved.staff_id)
            if (row.pin_hash, row.state) != (proved.pin_hash, StaffState.ACTIVE):
                raise StaffSignInRefused
            begun = rows.next_version(
                ctx,
                row,
                failures=0,
                locked_until=None,
                session_hash=sm3(secret),
                session_terminal_id=terminal.terminal_id,
                session_until=ctx.clock.now() + rules.SESSION_LIFE,
            )
            if await store.save_staff(conn, begun):
                shift = await store.find_open_shift(conn, row.institution_id, row.staff_id)
                text = ctx.public_ids.text(row.institution_id, row.staff_id)
                return SignedIn(token=f"{text}.{secret.hex()}", staff=begun, shift=shift)
    raise StaffLocked(retry_after_s=1)


async def signed_in(ctx: Context, terminal: Terminal, token: str | None) -> Staff:
    """The cashier behind a token, at the terminal where he signed in.

    Raises ``StaffNotSignedIn``.
    """
    name, _, secret = (token or "").partition(".")
    try:
        institution_id, staff_id = ctx.public_ids.parse(name)
        given = sm3(bytes.fromhex(secret))
    except (NotFound, ValueError):
        raise StaffNotSignedIn from None
    if institution_id != terminal.institution_id:
        raise StaffNotSignedIn
    async with connection(ctx.pool) as conn:
        row = await store.get_staff(conn, institution_id, staff_id)
    if row is None or rows.check(ctx, row).state is not StaffState.ACTIVE:
        raise StaffNotSignedIn
    if row.session_hash is None or row.session_until is None:
        raise StaffNotSignedIn
    is_here = row.session_terminal_id == terminal.terminal_id
    if not is_here or row.session_until <= ctx.clock.now():
        raise StaffNotSignedIn
    if not hmac.compare_digest(row.session_hash, given):
        raise StaffNotSignedIn
    return row


async def sign_out(ctx: Context, terminal: Terminal, token: str | None) -> None:
    """End the sign-in; an open shift stays open. Raises ``StaffNotSignedIn``."""
    row = await signed_in(ctx, terminal, token)
    ended = rows.next_version(
        ctx, row, session_hash=None, session_terminal_id=None, session_until=None
    )
    async with connection(ctx.pool) as conn:
        await store.save_staff(conn, ended)


async def working(ctx: Context, terminal: Terminal, token: str | None) -> Work:
    """The cashier with his open shift at this terminal. Raises ``StaffNotSignedIn``,
    ``NoOpenShift``."""
    staff = await signed_in(ctx, terminal, token)
    shift = await open_shift_of(ctx, staff)
    if shift is None or shift.terminal_id != terminal.terminal_id:
        raise NoOpenShift
    return Work(staff=staff, shift=shift)


async def open_shift_of(ctx: Context, staff: Staff) -> Shift | None:
    """The cashier's open shift, wherever it is."""
    async with connection(ctx.pool) as conn:
        found = await store.find_open_shift(conn, staff.institution_id, staff.staff_id)
    return None if found is None else rows.check(ctx, found)
