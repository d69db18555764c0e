"""Money taken and given at a counter: the cashier's books and the settlement brought together.

They lie in two shards. The entry is written first, then payment and settlement in one transaction
with the record, then the entry is ended. Whatever is cut off in between is either gone on with by
the same request, or cleared up by what stands with the record (``shift.clear_up``).
"""

from collections.abc import Sequence

import msgspec

from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.principals import Terminal
from service.kernel.problems import Problem
from service.person import actions as person
from service.settlement import door, paying, rules, tender
from service.settlement.model import Settlement, TakePayment
from service.settlement.problems import SettlementNotPayable
from service.settlement.scans import place_of
from service.settlement.states import PAYABLE
from service.shift import actions as shift
from service.shift.model import CounterRefund, Entry, NewEntry, Slip, Tender, Work
from service.shift.problems import CashNotEnough, EntryGivenUp, SlipMissing
from service.shift.states import EntryEvent, EntryState


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a cashier took, and the settlement then."""

    entry: Entry
    settlement: Settlement

    @property
    def change_fen(self) -> int:
        """What goes back to the payer at once."""
        tendered = self.entry.tendered_fen
        return 0 if tendered is None else tendered - self.entry.amount_fen


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that waits at the counter, and the bill it is of."""

    refund: CounterRefund
    bill_no: str


async def take(ctx: Context, terminal: Terminal, token: str | None, command: TakePayment) -> Taken:
    """Take money for a settlement into the cashier's open shift.

    The same request again gives the same entry. On any problem the money goes back to the payer.
    Raises ``StaffNotSignedIn``, ``NoOpenShift``, ``TenderNotTaken``, ``SettlementNotPayable``,
    ``MoreThanOwed``, ``CashNotEnough``, ``SlipMissing``, ``SlipUsed``, ``PaymentStillOpen``,
    ``EntryGivenUp``, ``SettlementTakenOver``.
    """
    work = await shift.working(ctx, terminal, token)
    entry = await shift.find_requested(ctx, work, command.request_key)
    if entry is None:
        entry = await _intend(ctx, terminal, work, command)
    key = (command.record_id, command.settlement_id)
    place = place_of(terminal)
    if (entry.record_id, entry.settlement_id) != key or entry.state is EntryState.VOID:
        raise EntryGivenUp
    try:
        row = await door.through(ctx, key, paying.taking(ctx, shift.taken_of(ctx, entry), place))
    except Problem:
        # Rolled back, so nothing stands under the entry.
        await shift.end(ctx, entry, EntryEvent.GIVE_UP)
        raise
    if entry.state is EntryState.INTENDED:
        entry = await shift.end(ctx, entry, EntryEvent.END)
    return Taken(entry=entry, settlement=row)


async def _intend(ctx: Context, terminal: Terminal, work: Work, command: TakePayment) -> Entry:
    await shift.check_taken(ctx, work.shift.institution_id, command.tender)
    if (command.slip is not None) != (command.tender is Tender.POS):
        raise SlipMissing
    row = await tender.sync_now(ctx, (command.record_id, command.settlement_id))
    rules.check_place(row, place_of(terminal))
    paying.check_payable(ctx, row)
    async with connection(ctx.pool) as conn:
        standing = await tender.tender_of(conn, ctx, row)
    if standing.live is not None:
        row = await paying.end_standing(ctx, row)
        async with connection(ctx.pool) as conn:
            standing = await tender.tender_of(conn, ctx, row)
    if row.state not in PAYABLE:
        raise SettlementNotPayable
    return await shift.intend(
        ctx,
        work,
        NewEntry(
            tender=command.tender,
            amount_fen=_amount_fen(row, standing, command),
            tendered_fen=command.tendered_fen,
            slip=command.slip,
            record_id=command.record_id,
            settlement_id=command.settlement_id,
            attempt_id=ctx.ids.new(),
            request_key=command.request_key,
        ),
    )


def _amount_fen(row: Settlement, standing: tender.Tender, command: TakePayment) -> int:
    wanted = paying.wanted_fen(row, standing, command.amount_fen)
    if command.tender is Tender.POS:
        return wanted
    if command.tendered_fen is None:
        raise CashNotEnough
    amount = rules.cash_part_fen(wanted, command.tendered_fen, command.amount_fen)
    if amount > command.tendered_fen:
        raise CashNotEnough
    return amount


async def list_waiting(
    ctx: Context, institution_id: int, records: Sequence[int] | None
) -> list[Waiting]:
    """What waits at the institution's counters, oldest first."""
    found = await shift.list_waiting(ctx, institution_id, records)
    listed = []
    async with connection(ctx.pool) as conn:
        for one in found:
            row = await door.read(conn, ctx, (one.record_id, one.settlement_id))
            bill_no = (await door.progress_of(conn, ctx, row)).bill_no
            listed.append(Waiting(refund=one, bill_no=bill_no))
    return listed


async def list_waiting_for(ctx: Context, institution_id: int, record_id: int) -> list[Waiting]:
    """What waits for one person, whatever records he has."""
    records = {record_id, *await person.list_records(ctx, record_id)}
    return await list_waiting(ctx, institution_id, sorted(records))


async def give(
    ctx: Context,
    terminal: Terminal,
    token: str | None,
    key: tuple[int, int],
    slip: Slip | None,
    request_key: str,
) -> Entry:
    """Give a waiting refund (record, refund) back in the cashier's open shift. Raises
    ``StaffNotSignedIn``, ``NoOpenShift``, and as ``shift.give`` does."""
    work = await shift.working(ctx, terminal, token)
    return await shift.give(ctx, work, key, slip, request_key)
