"""Differences and unusable files as work items: opened once, closed with the reason.

The difference row is the intent: an item that a crash kept from being opened is opened by the next
run. Amounts and our own numbers go into the evidence, nothing personal.
"""

from datetime import date

from service.casework import actions as casework
from service.casework.model import Evidence, ItemsOf, NewItem
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.reconcile import store
from service.reconcile.model import Account, Class, Difference, OpenPair, Pair, StatementFile

KIND = "statement"
ITEMS_MAX = 1000
"""Of one account at a time; what is beyond stays a row until the first are worked off."""
REVIEWED_MAX = 20_000


def evidence_of(pair: Pair, file: StatementFile) -> Evidence:
    """Both sides, and the line by its file's digest and number."""
    return {
        "provider": file.provider,
        "account_name": file.account_name,
        "day": file.day.isoformat(),
        "number": pair.own_no,
        "about": pair.kind,
        "there_fen": pair.there_fen,
        "there_state": pair.there_state,
        "there_at": _text(pair.there_at),
        "there_ref": pair.there_ref,
        "here_fen": pair.here_fen,
        "here_state": pair.here_state,
        "here_at": _text(pair.here_at),
        "booked_fen": pair.booked_fen,
        "listed_on": _text(pair.elsewhere),
        "file": file.file_digest.hex(),
        "file_version": file.version,
        "line_no": pair.line_no,
    }


def _text(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def reason_of(found: Class) -> str:
    """The work item's word for a class."""
    return f"statement-{found.value.lower().replace('_', '-')}"


async def open_items(ctx: Context, account: Account) -> None:
    """A work item for each open difference that has none, within the bound."""
    async with connection(ctx.pool) as conn:
        room = ITEMS_MAX - await store.count_items(conn, account)
        waiting = await store.list_without_item(conn, account, room) if room > 0 else []
    for row in waiting:
        async with transaction(ctx.pool) as conn:
            reason = reason_of(row.held_class)
            await casework.close_items_of(conn, ctx, _items_of(row, reason), "class-changed")
            await casework.open_item(
                conn,
                ctx,
                NewItem(
                    record_id=row.record_id,
                    kind=KIND,
                    subject_id=row.difference_id,
                    institution_id=row.institution_id,
                    reason=reason,
                    evidence=row.evidence,
                ),
            )
        async with connection(ctx.pool) as conn:
            await store.mark_item(conn, row, ctx.clock.now())


def _items_of(row: Difference, but_reason: str) -> ItemsOf:
    return ItemsOf(
        record_id=row.record_id, kind=KIND, subject_id=row.difference_id, but_reason=but_reason
    )


async def close_item(ctx: Context, pair: OpenPair, record_ids: set[int], closing: str) -> None:
    """Close a difference's item, under whichever record it was opened."""
    for record_id in sorted(record_ids):
        of = ItemsOf(record_id=record_id, kind=KIND, subject_id=pair.difference_id)
        async with transaction(ctx.pool) as conn:
            await casework.close_items_of(conn, ctx, of, closing)


async def open_file_item(ctx: Context, file: StatementFile) -> None:
    """A statement is missing, or nothing of it may be used."""
    item = NewItem(
        record_id=0,
        kind=KIND,
        subject_id=file.file_id,
        institution_id=None,
        reason=f"statement-{file.reason}",
        evidence={
            "provider": file.provider,
            "account_name": file.account_name,
            "day": file.day.isoformat(),
            "file": file.file_digest.hex(),
        },
    )
    async with transaction(ctx.pool) as conn:
        await casework.open_item(conn, ctx, item)


async def close_file_items(ctx: Context, account: Account, day: date) -> None:
    """A usable statement of the day came: nobody need look for it any more."""
    async with connection(ctx.pool) as conn:
        refused = await store.list_refused(conn, account, day)
    for file_id in refused:
        of = ItemsOf(record_id=0, kind=KIND, subject_id=file_id)
        async with transaction(ctx.pool) as conn:
            await casework.close_items_of(conn, ctx, of, "usable-file-came")
