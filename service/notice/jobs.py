"""The worker's part: what settlements tell is written down, and what is due is sent."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from service.kernel.claims import ClaimSource, OldestDue
from service.kernel.context import Context
from service.kernel.database import claiming, connection
from service.kernel.outbox import Event
from service.kernel.problems import RowTampered
from service.notice import actions, delivering, store

LEASE = timedelta(seconds=30)
"""Longer than a claim lasts: ten seconds to begin rounds, and a round of 64 sends, four at once,
that ends with its first unanswered one."""
INSTITUTIONS_AT_ONCE = 32


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """Institutions with due events, each by itself: a silent one holds up no other."""
    token = ctx.ids.token()

    async def list_due(now: datetime, limit: int) -> list[int]:
        async with connection(ctx.pool) as conn:
            return await store.list_due_institutions(conn, now, limit)

    async def claim(institution_id: int, now: datetime, until: datetime) -> bool:
        async with claiming(ctx.pool) as conn:
            return await store.claim_endpoint(conn, institution_id, token, now, until)

    async def work(institution_id: int) -> None:
        try:
            await delivering.deliver(ctx, institution_id)
        except RowTampered:
            # The endpoint's own row. Its lease is left to run out.
            ctx.metrics.alarms.labels("row-tampered").inc()
            raise
        async with claiming(ctx.pool) as conn:
            await store.release_endpoint(conn, institution_id, token)

    return [
        ClaimSource(
            "events-out",
            list_due=list_due,
            claim=claim,
            work=work,
            concurrency=INSTITUTIONS_AT_ONCE,
            lease=LEASE,
            in_batches=False,
        ).lagging_by(OldestDue(store.OLDEST_DUE_EVENT))
    ]


HANDLERS: Mapping[str, Callable[[Context, Event], Awaitable[None]]] = {
    "settlement.settled": actions.write_down,
    "settlement.corrected": actions.write_down,
    "settlement.posted": actions.write_down,
    "settlement.reversed": actions.write_down,
    "person.merged": actions.write_down_person,
    "person.unmerged": actions.write_down_person,
}
