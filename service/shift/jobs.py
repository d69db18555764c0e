"""The worker's part: entries that dead processes left, and refunds that wait for a cashier."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.kernel.claims import EASY, SELDOM, ClaimSource, OldestDue
from service.kernel.context import Context
from service.kernel.outbox import Event
from service.shift import actions, rules, store

Key = tuple[int, int]
"""(institution id, entry or refund id)."""


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """Entries in doubt, and money that nobody comes for. Two workers at the same one come to the
    same end."""

    async def list_due(now: datetime, limit: int) -> Sequence[Key]:
        return await actions.list_in_doubt(ctx, now, limit)

    async def claim(_key: Key, _now: datetime, _until: datetime) -> bool:
        return True

    async def work(key: Key) -> None:
        await actions.clear_up(ctx, *key)

    async def list_overdue(now: datetime, limit: int) -> Sequence[Key]:
        return await actions.list_overdue(ctx, now, limit)

    async def tell(key: Key) -> None:
        await actions.tell_overdue(ctx, *key)

    return [
        ClaimSource(
            "shift-entries",
            list_due=list_due,
            claim=claim,
            work=work,
            pace_s=EASY,
        ).lagging_by(OldestDue(store.OLDEST_IN_DOUBT, rules.DOUBT_AFTER)),
        ClaimSource(
            "counter-refunds",
            list_due=list_overdue,
            claim=claim,
            work=tell,
            pace_s=SELDOM,
        ).lagging_by(OldestDue(store.OLDEST_OVERDUE, ctx.policy.hand_out_within)),
    ]


async def on_refund_asked(ctx: Context, event: Event) -> None:
    """Show a promised refund at the institution's counters."""
    record_id, refund_id = ctx.public_ids.parse(str(event.body["refund_id"]))
    await actions.let_wait(ctx, record_id, refund_id)


HANDLERS: Mapping[str, Callable[[Context, Event], Awaitable[None]]] = {
    "refund.asked": on_refund_asked,
}
