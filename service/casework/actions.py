"""Open and close work items."""

from collections.abc import Sequence
from datetime import datetime

from service.audit import actions as audit
from service.audit.model import AuditEntry, Decided
from service.casework import reasons, store
from service.casework.model import (
    DayCount,
    ItemsOf,
    NewItem,
    OpenCount,
    PageOf,
    Wanted,
    WorkItem,
)
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.logs import get_logger
from service.kernel.problems import NotFound, StateConflict

_log = get_logger("casework")


async def open_item(conn: Connection, ctx: Context, item: NewItem) -> None:
    """Open an item inside the caller's transaction; while it is open a repeat adds nothing."""
    if await store.insert_item(conn, item, ctx.ids.new(), ctx.clock.now()):
        ctx.metrics.alarms.labels(item.reason).inc()
        _log.warning("work_item.opened", kind=item.kind, reason=item.reason)


async def keep_standing(ctx: Context, kind: str, standing: Sequence[NewItem], closing: str) -> None:
    """Of a kind that is looked at again and again and concerns no record: open what stands, and
    close with ``closing`` what stood and does not any more."""
    async with transaction(ctx.pool) as conn:
        for item in standing:
            await open_item(conn, ctx, item)
        await store.close_others(conn, kind, list(standing), ctx.clock.now(), closing)


async def list_open(ctx: Context, limit: int) -> list[WorkItem]:
    """The oldest open items."""
    async with connection(ctx.pool) as conn:
        return await store.list_open(conn, limit)


async def list_wanted(ctx: Context, wanted: Wanted, limit: int) -> list[WorkItem]:
    """The oldest open items of those that are asked for."""
    async with connection(ctx.pool) as conn:
        return await store.list_wanted(conn, wanted, limit)


async def list_page(ctx: Context, page: PageOf) -> list[WorkItem]:
    """Open or closed items, page by page."""
    async with connection(ctx.pool) as conn:
        return await store.list_page(conn, page)


async def count_by_day(
    ctx: Context, kind: str, days: Sequence[tuple[datetime, datetime]]
) -> list[DayCount]:
    """What was opened and closed of a kind in each of these days, from an instant to another."""
    async with connection(ctx.pool) as conn:
        return await store.count_by_span(conn, kind, days)


async def count_open(ctx: Context) -> list[OpenCount]:
    """How many are open, by kind and reason."""
    async with connection(ctx.pool) as conn:
        return await store.count_open(conn)


async def read(ctx: Context, record_id: int, item_id: int) -> WorkItem:
    """Open or closed. Raises ``NotFound``."""
    async with connection(ctx.pool) as conn:
        found = await store.find_item(conn, record_id, item_id)
    if found is None:
        raise NotFound
    return found


async def close_by_hand(ctx: Context, record_id: int, item_id: int, decided: Decided) -> None:
    """An operator closes what nothing in the code ends.

    Raises ``NotFound``; ``StateConflict`` where it ends otherwise, or is closed.
    """
    item = await read(ctx, record_id, item_id)
    row = reasons.find(item.kind, item.reason)
    if row is not None and not (row.by_hand and item.evidence.get("state") not in row.but_in):
        raise StateConflict(f"it is not closed by hand; what ends it: {row.ending}")
    async with connection(ctx.pool) as conn:
        await ctx.sealer.platform_key(conn, ctx.clock.now())
    entry = AuditEntry(
        # About the item, not the person: rows of any record are closed in one way.
        record_id=0,
        action="work-item.closed",
        actor_kind="operator",
        actor_id=0,
        institution_id=item.institution_id,
        facts={
            "item": ctx.public_ids.text(record_id, item_id),
            "kind": item.kind,
            "reason": item.reason,
            **decided.facts(),
        },
    )
    async with transaction(ctx.pool) as conn:
        now = ctx.clock.now()
        if not await store.close_item(conn, item, now, decided.because, decided.by):
            raise StateConflict("it is closed")
        await audit.append(conn, ctx, entry)


async def is_open(conn: Connection, of: ItemsOf) -> bool:
    """Whether any of these is open."""
    return await store.is_open(conn, of)


async def close_items_of(conn: Connection, ctx: Context, of: ItemsOf, closing: str) -> None:
    """Close what is open about a subject, with what the caller's transaction writes."""
    await store.close_of(conn, of, ctx.clock.now(), closing)
