"""How long the certificates of hospitals last, as metrics."""

from datetime import timedelta

from service.institution import store_certificates as store
from service.kernel.context import Context
from service.kernel.database import connection

SOON = timedelta(days=30)
"""So long before the end it counts as ending, and so long after it as ended."""


async def observe_certificates(ctx: Context) -> None:
    """Set the metrics, by kind of holder; of a renewed certificate the newer one counts."""
    now = ctx.clock.now()
    async with connection(ctx.pool) as conn:
        found = await store.count_holders(conn, now - SOON, now + SOON)
    for one in found:
        gauge, holder = ctx.metrics.stored.certificates, one.holder_kind.lower()
        gauge.labels(holder, "holders").set(one.holders)
        gauge.labels(holder, "ending").set(one.ending)
        gauge.labels(holder, "days_left").set((one.first_end - now) / timedelta(days=1))
