"""An institution's books: its days, each account's opening, movements and closing.

Sums of open days are added up when they are asked for, from the last closed day on; those of a
closed day were fixed with it. Nothing here changes anything.
"""

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec

from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import NotFound
from service.ledger import rules, store_books, store_days
from service.ledger.feeding import ENTRY_TABLE, is_sound
from service.ledger.model import DayBooks, DayState, LedgerDay, Sums
from service.ledger.store_days import DayKey

DAY_TABLE = "ledger_day"


def sign_day(ctx: Context, row: LedgerDay) -> LedgerDay:
    """The row with its MAC."""
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac(DAY_TABLE, row.mac_parts()))


async def find_day(conn: Connection, ctx: Context, key: DayKey) -> LedgerDay | None:
    """The closing of a day. Raises ``RowTampered``."""
    return _checked(ctx, await store_days.find_day(conn, key))


def _checked(ctx: Context, row: LedgerDay | None) -> LedgerDay | None:
    if row is not None:
        ctx.sealer.check_mac(DAY_TABLE, row.mac_parts(), row.row_mac)
    return row


async def read_day(ctx: Context, institution_id: int, day: date) -> DayBooks:
    """A day as it stands. Raises ``NotFound`` for one that has not begun, ``RowTampered``."""
    if day > business_day(ctx.clock.now()):
        raise NotFound(f"{day} has not begun")
    key = (institution_id, day)
    async with connection(ctx.pool) as conn:
        row = await find_day(conn, ctx, key)
        if row is not None and row.sums is not None:
            sums, count = row.sums, row.postings or 0
        else:
            opening = await opening_sums(conn, ctx, key)
            before = day - timedelta(days=1)
            found = await store_books.sum_entries(conn, institution_id, before, day)
            moves = [(one.account, one.debit_fen, one.credit_fen) for one in found]
            sums, count = rules.add_up(moves, opening), sum(one.postings for one in found)
        late = await store_books.list_late(conn, institution_id, day)
    return DayBooks(
        institution_id=institution_id,
        day=day,
        state=DayState.OPEN if row is None else row.state,
        asked_by=None if row is None else row.asked_by,
        closed_at=None if row is None else row.closed_at,
        postings=count,
        sums=dict(sorted(sums.items())),
        late=late,
    )


async def opening_sums(conn: Connection, ctx: Context, key: DayKey) -> dict[str, int]:
    """What each account held when the day began: the last closing, and open days since."""
    institution_id, day = key
    before = day - timedelta(days=1)
    closed = _checked(ctx, await store_days.last_closed(conn, institution_id, before))
    held: dict[str, int] = {}
    if closed is not None:
        held = {account: one.closing_fen for account, one in (closed.sums or {}).items()}
    after = date.min if closed is None else closed.day
    for one in await store_books.sum_entries(conn, institution_id, after, before):
        held[one.account] = held.get(one.account, 0) + one.debit_fen - one.credit_fen
    return held


async def sum_sound_entries(conn: Connection, ctx: Context, key: DayKey) -> tuple[Sums, int]:
    """A day's movements by account and the number of its entries, for which each MAC holds.

    An entry that was changed from outside is not counted, so that its accounts differ.
    """
    moved: dict[str, tuple[int, int]] = {}
    place, count = (-1, -1), 0
    while page := await store_books.page_of_day(conn, *key, place):
        place = (page[-1].record_id, page[-1].posting_id)
        for entry in page:
            if not is_sound(ctx, ENTRY_TABLE, entry):
                continue
            count += 1
            received, given = moved.get(entry.debit, (0, 0))
            moved[entry.debit] = (received + entry.amount_fen, given)
            received, given = moved.get(entry.credit, (0, 0))
            moved[entry.credit] = (received, given + entry.amount_fen)
    return rules.add_up(_flat(moved), {}), count


def _flat(moved: dict[str, tuple[int, int]]) -> Iterable[tuple[str, int, int]]:
    return ((account, received, given) for account, (received, given) in moved.items())
