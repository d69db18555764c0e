"""The worker's part: entries that dead processes left, and refunds that wait for a cashier."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.kernel.claims import EASY, ClaimSource
from service.kernel.context import Context
from service.kernel.outbox import Event
from service.shift import actions

Key = tuple[int, int]
"""(institution id, entry id)."""


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """Entries in doubt. Two workers clearing up the same one come to the same end."""

    async def list_due(now: datetime, limit: int) -> Sequence[Key]:
        return await actions.list_in_doubt(ctx, now, limit)

    async def claim(_key: Key, _now: datetime, _until: datetime) -> bool:
        return True

    async def work(key: Key) -> None:
        await actions.clear_up(ctx, *key)

    return [ClaimSource("shift-entries", list_due=list_due, claim=claim, work=work, pace_s=EASY)]


async def on_refund_asked(ctx: Context, event: Event) -> None:
    """Show a promised refund at the institution's counters."""
    record_id, refund_id = ctx.public_ids.parse(str(event.body["refund_id"]))
    await actions.let_wait(ctx, record_id, refund_id)


HANDLERS: Mapping[str, Callable[[Context, Event], Awaitable[None]]] = {
    "refund.asked": on_refund_asked,
}
