"""What a cashier takes and gives: written before the money counts, ended when that is known.

INTENDED is written while the shift's row is held, so that a shift is closed either before it, and
then it is refused, or after it is ended.
"""

from datetime import datetime

from msgspec.structs import replace

from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import IdempotencyKeyReused
from service.payment import actions as payment
from service.payment.model import RowKey, TakenAtCounter
from service.payment.states import AttemptState, RefundState
from service.shift import rules, store
from service.shift.actions import rows
from service.shift.model import (
    CounterRefund,
    CounterTender,
    Direction,
    Entry,
    NewEntry,
    Shift,
    Tender,
    Work,
)
from service.shift.problems import (
    DrawerTooSmall,
    NoOpenShift,
    RefundNotWaiting,
    SlipUsed,
    TenderNotTaken,
)
from service.shift.states import ENTRY, EntryEvent, EntryState, ShiftState

DOUBTS_MAX = 100


async def set_tenders(ctx: Context, institution_id: int, taken: frozenset[Tender]) -> None:
    """Say what the institution's counters take, and nothing else."""
    async with rows.noting(ctx) as conn:
        for tender in Tender:
            if tender not in taken:
                await store.delete_tender(conn, institution_id, tender)
                continue
            row = CounterTender(
                institution_id=institution_id,
                tender=tender.value,
                set_at=ctx.clock.now(),
                row_mac=b"",
            )
            await store.insert_tender(conn, rows.sign(ctx, row))
        facts: dict[str, str | int | bool | None] = {"taken": " ".join(sorted(taken))}
        await rows.note(conn, ctx, "counter.tenders-set", institution_id, 0, facts)


async def list_tenders(ctx: Context, institution_id: int) -> list[Tender]:
    """What the institution's counters take."""
    async with connection(ctx.pool) as conn:
        found = await store.list_tenders(conn, institution_id)
    return [Tender(rows.check(ctx, one).tender) for one in found]


async def check_taken(ctx: Context, institution_id: int, tender: Tender) -> None:
    """Raises ``TenderNotTaken``."""
    if tender not in await list_tenders(ctx, institution_id):
        raise TenderNotTaken


async def find_requested(ctx: Context, work: Work, request_key: str) -> Entry | None:
    """What the same request made before it was cut off."""
    async with connection(ctx.pool) as conn:
        found = await store.find_requested(
            conn, work.shift.institution_id, work.shift.shift_id, request_key
        )
    return None if found is None else rows.check(ctx, found)


async def intend(ctx: Context, work: Work, new: NewEntry) -> Entry:
    """Write down that money is about to move in the cashier's open shift.

    The same request again gives its entry. Raises ``NoOpenShift``, ``SlipUsed``,
    ``RefundNotWaiting``, ``DrawerTooSmall``, ``IdempotencyKeyReused``.
    """
    row = _entry(ctx, work, new)
    async with transaction(ctx.pool) as conn:
        shift = await store.lock_shift(conn, row.institution_id, row.shift_id)
        if shift is None or rows.check(ctx, shift).state is not ShiftState.OPEN:
            raise NoOpenShift
        standing = await store.find_requested(
            conn, row.institution_id, row.shift_id, row.request_key
        )
        if standing is not None:
            return _same(rows.check(ctx, standing), row)
        if row.direction is Direction.GIVE and row.tender is Tender.CASH:
            listed = await rows.list_entries(conn, ctx, shift)
            if rules.drawer_fen(shift.float_fen, listed) < row.amount_fen:
                raise DrawerTooSmall
        if not await store.insert_entry(conn, row):
            if row.slip_no is not None and await store.is_slip_used(conn, row):
                raise SlipUsed
            raise RefundNotWaiting
    return row


def _entry(ctx: Context, work: Work, new: NewEntry) -> Entry:
    now, slip = ctx.clock.now(), new.slip
    return rows.sign(
        ctx,
        Entry(
            institution_id=work.shift.institution_id,
            entry_id=ctx.ids.new(),
            shift_id=work.shift.shift_id,
            staff_id=work.staff.staff_id,
            direction=Direction.TAKE if new.refund_id is None else Direction.GIVE,
            tender=new.tender,
            amount_fen=new.amount_fen,
            tendered_fen=new.tendered_fen,
            record_id=new.record_id,
            settlement_id=new.settlement_id,
            attempt_id=new.attempt_id,
            refund_id=new.refund_id,
            refund_version=new.refund_version,
            slip_no=slip.slip_no if slip is not None else None,
            slip_ref=slip.slip_ref if slip is not None else None,
            slip_day=business_day(now) if slip is not None else None,
            request_key=new.request_key,
            state=ENTRY.start,
            made_at=now,
            ended_at=None,
            row_mac=b"",
        ),
    )


def _same(standing: Entry, asked: Entry) -> Entry:
    wanted = (asked.tender, asked.direction, asked.settlement_id, asked.refund_id, asked.slip_no)
    if wanted != (
        standing.tender,
        standing.direction,
        standing.settlement_id,
        standing.refund_id,
        standing.slip_no,
    ):
        raise IdempotencyKeyReused
    return standing


def number_of(ctx: Context, entry: Entry) -> str:
    """The provider's number of the money: the slip's, or the entry's own for cash."""
    if entry.slip_no is not None:
        return f"{entry.slip_no}/{entry.slip_ref}"
    return ctx.public_ids.text(entry.institution_id, entry.entry_id)


def taken_of(ctx: Context, entry: Entry) -> TakenAtCounter:
    """The payment that an entry is about; the settlement says what it is for."""
    return TakenAtCounter(
        record_id=entry.record_id,
        attempt_id=entry.attempt_id,
        settlement_id=entry.settlement_id,
        institution_id=entry.institution_id,
        provider=entry.tender.value,
        purpose="MAIN",
        amount_fen=entry.amount_fen,
        provider_ref=number_of(ctx, entry),
    )


async def end(ctx: Context, entry: Entry, event: EntryEvent) -> Entry:
    """The payment is written, or surely is not and will not be. Again changes nothing."""
    ended = rows.sign(
        ctx,
        replace(entry, state=ENTRY.advance(entry.state, event), ended_at=ctx.clock.now()),
    )
    async with transaction(ctx.pool) as conn:
        if not await store.end_entry(conn, ended):
            return await _get(conn, ctx, (entry.institution_id, entry.entry_id))
        if ended.direction is Direction.GIVE and ended.state is EntryState.DONE:
            await _put_given(conn, ctx, ended, ctx.clock.now())
    return ended


async def _put_given(conn: Connection, ctx: Context, entry: Entry, now: datetime) -> None:
    """As it waited, or anew where the event that shows it at the counter is still on its way."""
    key = (entry.institution_id, entry.refund_id or 0)
    waiting = await store.find_refund(conn, *key)
    given = CounterRefund(
        institution_id=key[0],
        refund_id=key[1],
        record_id=entry.record_id,
        settlement_id=entry.settlement_id,
        tender=entry.tender,
        amount_fen=entry.amount_fen,
        asked_at=entry.made_at,
        given_at=now,
        row_mac=b"",
    )
    if waiting is not None:
        given = replace(rows.check(ctx, waiting), given_at=now)
    await store.put_given(conn, rows.sign(ctx, given))


async def _get(conn: Connection, ctx: Context, key: tuple[int, int]) -> Entry:
    found = await store.get_entry(conn, *key)
    if found is None:
        raise NoOpenShift
    return rows.check(ctx, found)


async def clear_up(ctx: Context, institution_id: int, entry_id: int) -> Entry:
    """End an entry that its request left, by what stands with the record: either the money is
    there, or it can never come under this entry any more."""
    async with connection(ctx.pool) as conn:
        entry = await _get(conn, ctx, (institution_id, entry_id))
    if entry.state is not EntryState.INTENDED:
        return entry
    if entry.refund_id is None:
        attempt = await payment.hold_taken(ctx, taken_of(ctx, entry))
        is_done = attempt.state is AttemptState.PAID
    else:
        key = RowKey(entry.record_id, entry.refund_id)
        refund = await payment.hold_given(ctx, key, entry.refund_version or 0)
        is_done = refund.state is RefundState.REFUNDED and refund.provider_ref == number_of(
            ctx, entry
        )
    return await end(ctx, entry, EntryEvent.END if is_done else EntryEvent.GIVE_UP)


async def clear_up_shift(ctx: Context, shift: Shift) -> None:
    """End whatever requests of a shift left."""
    async with connection(ctx.pool) as conn:
        listed = await rows.list_entries(conn, ctx, shift)
    for entry in listed:
        if entry.state is EntryState.INTENDED:
            await clear_up(ctx, entry.institution_id, entry.entry_id)


async def list_in_doubt(ctx: Context, now: datetime, limit: int) -> list[tuple[int, int]]:
    """Entries that dead processes left."""
    async with connection(ctx.pool) as conn:
        return await store.list_in_doubt(conn, now - rules.DOUBT_AFTER, min(limit, DOUBTS_MAX))
