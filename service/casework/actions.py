"""Open and close work items."""

from service.casework import store
from service.casework.model import ItemsOf, NewItem, WorkItem
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.logs import get_logger

_log = get_logger("casework")


async def open_item(conn: Connection, ctx: Context, item: NewItem) -> None:
    """Open an item inside the caller's transaction; while it is open a repeat adds nothing."""
    if await store.insert_item(conn, item, ctx.ids.new(), ctx.clock.now()):
        ctx.metrics.alarms.labels(item.reason).inc()
        _log.warning("work_item.opened", kind=item.kind, reason=item.reason)


async def list_open(ctx: Context, limit: int) -> list[WorkItem]:
    """The oldest open items."""
    async with connection(ctx.pool) as conn:
        return await store.list_open(conn, limit)


async def close_item(ctx: Context, record_id: int, item_id: int, closing: str) -> bool:
    """Close an item with the word of what was done."""
    async with connection(ctx.pool) as conn:
        return await store.close_item(conn, record_id, item_id, ctx.clock.now(), closing)


async def close_items_of(conn: Connection, ctx: Context, of: ItemsOf, closing: str) -> int:
    """Close what is open about a subject, inside the caller's transaction; gives how many."""
    return await store.close_of(conn, of, ctx.clock.now(), closing)
