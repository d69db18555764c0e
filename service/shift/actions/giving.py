"""Money that waits at the counter: seen there, given by a cashier in his shift, once."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import NotFound
from service.payment import actions as payment
from service.payment.model import Refund, RowKey
from service.payment.problems import PaymentNotRefundable
from service.payment.rules import AT_COUNTER
from service.payment.states import RefundState
from service.shift import store
from service.shift.actions import entries, rows
from service.shift.model import CounterRefund, Entry, NewEntry, Slip, Tender, Work
from service.shift.problems import EntryGivenUp, RefundNotWaiting, SlipMissing
from service.shift.states import EntryEvent, EntryState

LIST_MAX = 200


async def let_wait(ctx: Context, record_id: int, refund_id: int) -> None:
    """A refund was promised that only a cashier can give. Again changes nothing."""
    refund = await payment.read_refund(ctx, record_id, refund_id)
    if not _waits(refund):
        return
    row = CounterRefund(
        institution_id=refund.institution_id,
        refund_id=refund_id,
        record_id=record_id,
        settlement_id=refund.settlement_id,
        tender=Tender(refund.provider),
        amount_fen=refund.amount_fen,
        asked_at=refund.created_at,
        given_at=None,
        row_mac=b"",
    )
    async with connection(ctx.pool) as conn:
        await store.insert_refund(conn, rows.sign(ctx, row))


def _waits(refund: Refund) -> bool:
    return refund.provider in AT_COUNTER and refund.state is RefundState.CREATED


async def list_waiting(
    ctx: Context, institution_id: int, records: Sequence[int] | None
) -> list[CounterRefund]:
    """What waits at the institution's counters, oldest first; of some records, or of everybody."""
    async with connection(ctx.pool) as conn:
        if records is None:
            found = await store.list_waiting(conn, institution_id, LIST_MAX)
        else:
            found = await store.list_waiting_of(conn, institution_id, records, LIST_MAX)
    return [rows.check(ctx, one) for one in found]


async def list_overdue(ctx: Context, now: datetime, limit: int) -> list[tuple[int, int]]:
    """(institution, refund) of what nobody came for in time, and nobody was told of."""
    async with connection(ctx.pool) as conn:
        return await store.list_overdue(conn, now - ctx.policy.hand_out_within, limit)


async def tell_overdue(ctx: Context, institution_id: int, refund_id: int) -> None:
    """Open a work item about money that nobody came for. Again changes nothing."""
    async with connection(ctx.pool) as conn:
        found = await store.find_refund(conn, institution_id, refund_id)
    if found is None or found.given_at is not None or found.overdue_at is not None:
        return
    row = rows.check(ctx, found)
    await payment.report_not_fetched(ctx, RowKey(row.record_id, refund_id))
    told = rows.sign(ctx, replace(row, overdue_at=ctx.clock.now()))
    async with connection(ctx.pool) as conn:
        await store.save_overdue(conn, told, row)


async def give(
    ctx: Context, work: Work, key: tuple[int, int], slip: Slip | None, request_key: str
) -> Entry:
    """The cashier gives a waiting refund back, by the way it was paid. Again with the same request
    gives the same entry; only when this returns may he hand the money out.

    Raises ``RefundNotWaiting``, ``SlipUsed``, ``SlipMissing``, ``DrawerTooSmall``, ``NoOpenShift``,
    ``EntryGivenUp``.
    """
    entry = await entries.find_requested(ctx, work, request_key)
    if entry is None:
        entry = await _intend(ctx, work, key, slip, request_key)
    if (entry.record_id, entry.refund_id) != key:
        raise RefundNotWaiting
    if entry.state is EntryState.VOID:
        raise EntryGivenUp
    if entry.state is EntryState.DONE:
        return entry
    number = entries.number_of(ctx, entry)
    try:
        await payment.give_at_counter(ctx, RowKey(*key), entry.refund_version or 0, number)
    except PaymentNotRefundable:
        await entries.end(ctx, entry, EntryEvent.GIVE_UP)
        raise RefundNotWaiting from None
    return await entries.end(ctx, entry, EntryEvent.END)


async def _intend(
    ctx: Context, work: Work, key: tuple[int, int], slip: Slip | None, request_key: str
) -> Entry:
    try:
        refund = await payment.read_refund(ctx, *key)
    except NotFound:
        raise RefundNotWaiting from None
    is_ours = refund.institution_id == work.shift.institution_id
    if not is_ours or not _waits(refund):
        raise RefundNotWaiting
    tender = Tender(refund.provider)
    if (slip is not None) != (tender is Tender.POS):
        raise SlipMissing
    return await entries.intend(
        ctx,
        work,
        NewEntry(
            tender=tender,
            amount_fen=refund.amount_fen,
            tendered_fen=None,
            slip=slip,
            record_id=refund.record_id,
            settlement_id=refund.settlement_id,
            attempt_id=refund.attempt_id,
            request_key=request_key,
            refund_id=refund.refund_id,
            refund_version=refund.version,
        ),
    )
