"""From postings to their institutions' books: at least once, in any order, taken up where it broke.

An entry is inserted once by its posting's id, so a batch that two workers take, or that one takes
again after a crash, changes nothing. A posting that was changed from outside never enters: a
person is told, and the day's check goes on saying so.
"""

from collections.abc import Sequence
from datetime import date

import msgspec

from service.casework import actions as casework
from service.casework.model import NewItem
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.problems import RowTampered
from service.ledger import store_books
from service.ledger.model import Entry, Posting
from service.ledger.store_books import FeedKey

POSTING_TABLE = "posting"
ENTRY_TABLE = "ledger_entry"
ITEM_KIND = "ledger"


async def list_batches(ctx: Context) -> list[tuple[FeedKey, ...]]:
    """What is to be entered, as one batch."""
    async with connection(ctx.pool) as conn:
        keys = await store_books.list_fed(conn)
    return [tuple(keys)] if keys else []


async def take_batch(ctx: Context, keys: Sequence[FeedKey]) -> None:
    """Enter the postings of feed rows."""
    async with connection(ctx.pool) as conn:
        postings = await store_books.list_postings(conn, keys)
    await _enter(ctx, postings, keys)


async def _enter(ctx: Context, postings: Sequence[Posting], keys: Sequence[FeedKey]) -> None:
    """The books first: a crash in between is made good by the next holder of the feed rows."""
    entries: list[Entry] = []
    for row in postings:
        if is_sound(ctx, POSTING_TABLE, row):
            entries.append(_entry(ctx, row))
        else:
            await _report(ctx, row)
    async with connection(ctx.pool) as conn:
        await store_books.insert_entries(conn, entries)
    async with connection(ctx.pool) as conn:
        await store_books.delete_fed(conn, keys)


def is_sound(ctx: Context, table: str, row: Posting | Entry) -> bool:
    """Whether a row is what this program wrote."""
    try:
        ctx.sealer.check_mac(table, row.mac_parts(), row.row_mac)
    except RowTampered:
        return False
    return True


async def _report(ctx: Context, row: Posting) -> None:
    item = NewItem(
        record_id=row.record_id,
        kind=ITEM_KIND,
        subject_id=row.posting_id,
        institution_id=row.institution_id,
        reason="ledger-posting-changed",
        evidence={
            "settlement_id": row.settlement_id,
            "cause": row.cause,
            "debit": row.debit,
            "credit": row.credit,
            "amount_fen": row.amount_fen,
            "day": row.day.isoformat(),
        },
    )
    async with transaction(ctx.pool) as conn:
        await casework.open_item(conn, ctx, item)


def _entry(ctx: Context, row: Posting) -> Entry:
    unsigned = Entry(
        institution_id=row.institution_id,
        record_id=row.record_id,
        posting_id=row.posting_id,
        settlement_id=row.settlement_id,
        day=row.day,
        value_day=row.value_day,
        debit=row.debit,
        credit=row.credit,
        amount_fen=row.amount_fen,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac(ENTRY_TABLE, unsigned.mac_parts())
    return msgspec.structs.replace(unsigned, row_mac=mac)


async def take_in_day(ctx: Context, institution_id: int, day: date) -> None:
    """Enter whatever an institution's day still has in the feed."""
    while True:
        async with connection(ctx.pool) as conn:
            waiting = await store_books.list_fed_of_day(conn, institution_id, day)
        if not waiting:
            return
        await _enter(ctx, waiting, [(row.record_id, row.posting_id) for row in waiting])


async def feed_again(ctx: Context, institution_id: int, day: date) -> int:
    """Feed a day once more, where books lost something; gives the number of its postings."""
    async with connection(ctx.pool) as conn:
        fed = await store_books.feed_again(conn, institution_id, day)
    await take_in_day(ctx, institution_id, day)
    return fed
