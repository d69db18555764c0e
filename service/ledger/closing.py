"""Close an institution's days, in order, each behind the last transaction that may post to it.

No posting waits for a close, and no lock is held. Which day a posting stands in follows from the
clock (``rules.book_on``). Long enough after a day took its last posting, every transaction that
chose the day has a number; the close takes the next free number for its horizon, waits until no
transaction below it goes on, and only then adds up. What nevertheless differs afterwards is found
by ``check_day`` and shown to a person.
"""

from datetime import date, timedelta

import msgspec

from service.casework import actions as casework
from service.casework.model import Evidence, ItemsOf, NewItem
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.logs import get_logger
from service.ledger import books, feeding, rules, store_books, store_days
from service.ledger.model import DayCheck, DayState, LedgerDay
from service.ledger.problems import LedgerDayNotOver
from service.ledger.store_days import DayKey

AGAIN = timedelta(seconds=10)
"""Before looking anew whether the last transactions have ended."""
AGAIN_DIFFERING = timedelta(minutes=10)
"""Before adding up anew what did not agree."""
DAYS_MAX = 400
"""Asked for at once."""
BY_WORKER = "worker"
PROJECTION_DIFFERS = "ledger-books-differ"
CLOSED_CHANGED = "ledger-closed-day-changed"
UNEVEN = "ledger-sums-uneven"

_log = get_logger("ledger")


async def ask(ctx: Context, institution_id: int, day: date, by: str) -> list[LedgerDay]:
    """Have a day closed, and every open day before it; gives those that were open.

    Without a posting there are no books, and nothing to close.

    Raises ``LedgerDayNotOver`` while the day may take postings.
    """
    now = ctx.clock.now()
    if now < rules.end_of_booking(day):
        until = rules.end_of_booking(day).isoformat(timespec="minutes")
        raise LedgerDayNotOver(f"{day} takes postings until {until}")
    async with connection(ctx.pool) as conn:
        last = await store_days.last_day(conn, institution_id, date.max)
        first = await store_books.first_day(conn, institution_id) if last is None else None
    begin = first if last is None else last.day + timedelta(days=1)
    if begin is None:
        return []
    count = min((day - begin).days + 1, DAYS_MAX)
    asked = [_asked(ctx, institution_id, begin + timedelta(days=n), by) for n in range(count)]
    async with connection(ctx.pool) as conn:
        return [row for row in asked if await store_days.insert_day(conn, row)]


def _asked(ctx: Context, institution_id: int, day: date, by: str) -> LedgerDay:
    now = ctx.clock.now()
    row = LedgerDay(
        institution_id=institution_id,
        day=day,
        close_id=ctx.ids.new(),
        state=DayState.CLOSING,
        asked_by=by,
        asked_at=now,
        due_at=max(now, rules.closes_at(day)),
        horizon=None,
        sums=None,
        postings=None,
        closed_at=None,
        row_mac=b"",
    )
    return books.sign_day(ctx, row)


async def ask_overdue(ctx: Context) -> int:
    """Ask for the next day of every institution that is open for too long; gives how many."""
    newest = rules.newest_to_close(ctx.clock.now())
    async with connection(ctx.pool) as conn:
        overdue = await store_days.list_overdue(conn, newest)
    for institution_id, day in overdue:
        await ask(ctx, institution_id, day, BY_WORKER)
    return len(overdue)


async def close(ctx: Context, key: DayKey) -> None:
    """Bring a day's closing as far as it comes now. Needs the claim."""
    async with connection(ctx.pool) as conn:
        row = await books.find_day(conn, ctx, key)
        if row is None or row.state is DayState.CLOSED:
            return
        is_next = await _is_next(conn, row)
        if not is_next or not await _is_behind_all(conn, ctx, row):
            await store_days.postpone_day(conn, key, ctx.clock.now() + AGAIN)
            return
    await feeding.take_in_day(ctx, *key)
    checked = await _compare(ctx, row)
    await _tell(ctx, row, checked)
    if checked.reason is not None:
        async with connection(ctx.pool) as conn:
            await store_days.postpone_day(conn, key, ctx.clock.now() + AGAIN_DIFFERING)
        return
    await _fix(ctx, key, checked)


async def _is_next(conn: Connection, row: LedgerDay) -> bool:
    """Days are closed in order: the closing sums of one are the opening sums of the next."""
    before = await store_days.last_day(conn, row.institution_id, row.day - timedelta(days=1))
    return before is None or before.state is DayState.CLOSED


async def _is_behind_all(conn: Connection, ctx: Context, row: LedgerDay) -> bool:
    """Whether no transaction goes on that may post to the day."""
    now = ctx.clock.now()
    if now < rules.closes_at(row.day):
        return False
    following = await store_days.next_transaction(conn)
    # On a server restored from a copy the numbers may begin lower: the horizon is taken anew.
    if row.horizon is None or row.horizon > following:
        fresh = books.sign_day(ctx, msgspec.structs.replace(row, horizon=following))
        if not await store_days.set_horizon(conn, fresh, row.row_mac):
            return False
        row = fresh
    return await store_days.oldest_transaction(conn) >= (row.horizon or 0)


async def _fix(ctx: Context, key: DayKey, checked: DayCheck) -> None:
    """Write down the sums, once."""
    async with transaction(ctx.pool) as conn:
        row = await books.find_day(conn, ctx, key)
        if row is None or row.state is DayState.CLOSED:
            return
        opening = await books.opening_sums(conn, ctx, key)
        moves = [(name, one.debit_fen, one.credit_fen) for name, one in checked.sums.items()]
        closed = msgspec.structs.replace(
            row,
            state=DayState.CLOSED,
            sums=rules.add_up(moves, opening),
            postings=checked.postings,
            closed_at=ctx.clock.now(),
            due_at=None,
        )
        if await store_days.close_day(conn, books.sign_day(ctx, closed), row.row_mac):
            _log.info("ledger.day_closed", day=row.day.isoformat(), postings=checked.postings)


async def check_day(ctx: Context, institution_id: int, day: date) -> DayCheck | None:
    """Add a closed day up anew; None for one that is not closed.

    A difference is a work item until a later check finds none. Raises ``RowTampered`` when the
    closing itself was changed from outside.
    """
    async with connection(ctx.pool) as conn:
        row = await books.find_day(conn, ctx, (institution_id, day))
    if row is None or row.state is not DayState.CLOSED:
        return None
    checked = await _compare(ctx, row)
    await _tell(ctx, row, checked)
    return checked


async def _compare(ctx: Context, row: LedgerDay) -> DayCheck:
    """A day's postings against the books and, where it is closed, against its closing."""
    async with connection(ctx.pool) as conn:
        posted = await store_books.sum_postings(conn, row.institution_id, row.day)
        entered, count = await books.sum_sound_entries(conn, ctx, (row.institution_id, row.day))
    moves = [(one.account, one.debit_fen, one.credit_fen) for one in posted]
    postings, reason = rules.add_up(moves, {}), None
    differing = rules.differing(postings, entered)
    if differing:
        reason = PROJECTION_DIFFERS
    elif not (rules.is_even(postings) and rules.is_even(entered)):
        reason = UNEVEN
    if row.sums is not None and (moved := rules.differing(postings, row.sums)):
        differing, reason = moved, CLOSED_CHANGED
    return DayCheck(
        institution_id=row.institution_id,
        day=row.day,
        postings=count,
        sums=entered,
        differing=differing,
        reason=reason,
    )


async def _tell(ctx: Context, row: LedgerDay, checked: DayCheck) -> None:
    """One work item a day and reason; those whose reason is gone are closed."""
    gone = ItemsOf(
        record_id=0,
        kind=feeding.ITEM_KIND,
        subject_id=row.close_id,
        but_reason=checked.reason or "",
    )
    async with transaction(ctx.pool) as conn:
        await casework.close_items_of(conn, ctx, gone, "agrees")
        if checked.reason is None:
            return
        item = NewItem(
            record_id=0,
            kind=feeding.ITEM_KIND,
            subject_id=row.close_id,
            institution_id=row.institution_id,
            reason=checked.reason,
            evidence=_evidence(row.day, checked),
        )
        await casework.open_item(conn, ctx, item)


def _evidence(day: date, checked: DayCheck) -> Evidence:
    """Both sides of the first account that differs, and how many do."""
    found: Evidence = {"day": day.isoformat(), "accounts": len(checked.differing)}
    for account, (posted, entered) in list(checked.differing.items())[:1]:
        found |= {
            "account": account,
            "posted_debit_fen": posted.debit_fen,
            "posted_credit_fen": posted.credit_fen,
            "held_debit_fen": entered.debit_fen,
            "held_credit_fen": entered.credit_fen,
        }
    return found
