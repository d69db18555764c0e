"""The one way to change a settlement: compare-and-set on its version, with all that belongs to it.

A state is never entered without its consequences (``consequences``), its history row and its next
due time. Whoever loses the race reads again; nothing here calls a partner.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from service.bill.states import BillKind
from service.kernel.context import Context
from service.kernel.database import Connection, transaction
from service.kernel.joined_reads import Cells, row_of
from service.kernel.problems import NotFound, StateConflict
from service.kernel.transactions import Repeated
from service.ledger.model import DEPOSIT, RELIEF
from service.settlement import consequences, endings, reliefs, store
from service.settlement.model import Progress, Settlement
from service.settlement.states import MACHINE, SettlementEvent, SettlementState
from service.settlement.stays import deposits

T = TypeVar("T")
Key = tuple[int, int]
"""(record id, settlement id)."""
Decide = Callable[[Connection, Settlement], Awaitable[T]]
"""What to do with the settlement as it stands, in the transaction."""

RACES_MAX = 5
_TABLE = "settlement"

_S = SettlementState
_PAYER = frozenset({_S.PRESETTLED, _S.AWAITING_PAYER, _S.COLLECTING})
_RESTING = frozenset({_S.POSTED, _S.REVERSED, _S.NEEDS_REVIEW})


class LostRace(Exception):
    """Somebody changed the settlement since it was read. Read again."""


async def through(ctx: Context, key: Key, decide: Decide[T], known: Settlement | None = None) -> T:
    """Run ``decide`` in a transaction over the settlement as it stands, again after a lost race.

    ``known``: as it stood a moment ago, so that it is not read where it still does; for what
    writes the row in any case, for only then the race shows.
    Raises ``NotFound``; ``StateConflict`` after five lost races.
    """
    hopeful = True
    for _ in range(RACES_MAX):
        try:
            async with transaction(ctx.pool, hopeful=hopeful) as conn:
                return await decide(conn, known or await read(conn, ctx, key))
        except LostRace:
            known = None
        except Repeated:
            hopeful = False
    raise StateConflict("the settlement is changing; try again")


async def read(conn: Connection, ctx: Context, key: Key) -> Settlement:
    """Raises ``NotFound``; ``RowTampered`` when the row was changed from outside."""
    row = await store.find_settlement(conn, *key)
    if row is None:
        raise NotFound
    return check(ctx, row)


def checked(ctx: Context, found: Sequence[Cells]) -> Settlement:
    """What ``store.settlement_read`` found. Raises ``NotFound``, ``RowTampered``."""
    if not found:
        raise NotFound
    return check(ctx, row_of(Settlement, found[0]))


def check(ctx: Context, row: Settlement) -> Settlement:
    """The row, proved to be what this program wrote. Raises ``RowTampered``."""
    ctx.sealer.check_mac(_TABLE, row.mac_parts(), row.row_mac)
    return row


async def progress_of(conn: Connection, ctx: Context, row: Settlement) -> Progress:
    """How far the settlement got with the bureau, opened."""
    key = await ctx.sealer.record_key(conn, row.record_id)
    text = ctx.sealer.open(key, _TABLE, "sealed", row.settlement_id, row.sealed)
    return msgspec.json.decode(text, type=Progress)


async def create(conn: Connection, ctx: Context, row: Settlement, progress: Progress) -> Settlement:
    """Store a new settlement. Raises ``StateConflict`` when the bill has one that is not undone."""
    row = await _sealed(conn, ctx, row, progress)
    await store.insert_settlement(conn, row, StateConflict("the bill is being settled"))
    await store.insert_event(conn, row, "started")
    ctx.metrics.transitions.labels(_TABLE, row.state.value).inc()
    return row


async def keep(
    conn: Connection, ctx: Context, row: Settlement, progress: Progress | None
) -> Settlement:
    """Write changed facts without an event; ``row`` carries the version it was read with.

    Raises ``LostRace``.
    """
    changed = replace(row, version=row.version + 1, updated_at=ctx.clock.now())
    changed = await _sealed(conn, ctx, changed, progress)
    await store.save_settlement(conn, changed, version=row.version, otherwise=LostRace())
    return changed


async def advance(
    conn: Connection,
    ctx: Context,
    row: Settlement,
    event: SettlementEvent,
    progress: Progress | None,
) -> Settlement:
    """Let ``event`` happen: the row as given, in its next state, with that state's consequences.

    Raises ``StateConflict`` where the machine has no such entry, ``LostRace``.
    """
    now = ctx.clock.now()
    state = MACHINE.advance(row.state, event)
    deadline = next_deadline(row, state, now, ctx)
    entered = replace(
        row, state=state, tries=0, deadline_at=deadline, due_at=next_due(state, deadline, now)
    )
    if entered.correcting and row.state is _S.PRESETTLING:
        # Whether anything has to be paid at all is decided at once.
        entered = replace(entered, due_at=now if state is _S.PRESETTLED else entered.due_at)
    # Rows are locked in the order bill, settlement, payment.
    await consequences.for_bill(conn, ctx, entered)
    saved = await keep(conn, ctx, entered, progress)
    known = progress if progress is not None else await progress_of(conn, ctx, saved)
    await endings.close(conn, ctx, row, saved, event)
    await consequences.for_others(conn, ctx, saved, known, event)
    await store.insert_event(conn, saved, event.value)
    if event is SettlementEvent.SPLIT and not saved.round_no:
        saved = await _count(conn, ctx, saved, known)
    ctx.metrics.transitions.labels(_TABLE, state.value).inc()
    return saved


async def _count(conn: Connection, ctx: Context, row: Settlement, progress: Progress) -> Settlement:
    """What counts as paid before anybody pays."""
    relief_fen = await reliefs.count(conn, ctx, row, progress)
    deposit_fen = 0
    if progress.kind is BillKind.DISCHARGE:
        deposit_fen = await deposits.count(conn, ctx, row, progress)
    if not relief_fen + deposit_fen:
        return row
    names = [name for name, fen in ((DEPOSIT, deposit_fen), (RELIEF, relief_fen)) if fen]
    paid_fen = row.paid_fen + relief_fen + deposit_fen
    return await keep(conn, ctx, replace(row, paid_fen=paid_fen, paid_by="+".join(names)), None)


async def _sealed(
    conn: Connection, ctx: Context, row: Settlement, progress: Progress | None
) -> Settlement:
    if progress is not None:
        key = await ctx.sealer.record_key(conn, row.record_id)
        text = msgspec.json.encode(progress)
        row = replace(row, sealed=ctx.sealer.seal(key, _TABLE, "sealed", row.settlement_id, text))
    return replace(row, row_mac=ctx.sealer.row_mac(_TABLE, row.mac_parts()))


def next_deadline(
    row: Settlement, state: SettlementState, now: datetime, ctx: Context
) -> datetime | None:
    """Until when the state may last; a payer who starts over gets no new time."""
    if state is _S.POSTING:
        return now + ctx.policy.post_within
    if state is _S.AWAITING_PAYER or (state is _S.PRESETTLED and row.state is _S.AWAITING_PAYER):
        return row.deadline_at
    return now + ctx.policy.pay_within if state in _PAYER else None


def next_due(state: SettlementState, deadline: datetime | None, now: datetime) -> datetime | None:
    """When the worker looks next: at the deadline where others act, never where all is over."""
    if state in _RESTING:
        return None
    return deadline if deadline is not None else now


def postponed(row: Settlement, now: datetime, wait: timedelta) -> Settlement:
    """The row, due again after ``wait``, with one try more."""
    return replace(row, tries=row.tries + 1, due_at=now + wait)
