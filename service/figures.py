"""The worker's metrics over HTTP, and the figures among them that stand in the database.

They are read at fixed times and not when somebody asks, so that no watcher can load the database.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prometheus_client import start_http_server

from service.casework import actions as casework
from service.healthcode import actions as healthcode
from service.institution.watching import observe_certificates
from service.kernel import outbox
from service.kernel.claims import ClaimSource
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE, connection
from service.kernel.logs import get_logger
from service.kernel.metrics import Metrics

EVERY_S = 15.0

_log = get_logger("figures")


@contextmanager
def served(metrics: Metrics, host: str, port: int | None) -> Iterator[None]:
    """``/metrics`` on ``port`` while the block runs; None: nowhere. Raises ``OSError``."""
    if port is None:
        yield
        return
    server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def keep_observed(
    ctx: Context, sources: Sequence[ClaimSource[Any]], stop: asyncio.Event
) -> None:
    """Read the figures again and again until ``stop``."""
    while not stop.is_set():
        try:
            await observe(ctx, sources)
        except UNAVAILABLE as fault:
            _log.warning("figures.postponed", fault=fault)
        except Exception as fault:  # noqa: BLE001 - a figure must not end the work
            _log.error("figures.failed", fault=fault)
        try:
            async with asyncio.timeout(EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue


async def observe(ctx: Context, sources: Sequence[ClaimSource[Any]]) -> None:
    """Read every figure once."""
    for source in sources:
        await _observe_lag(ctx, source)
    await _observe_outbox(ctx)
    await _observe_items(ctx)
    await observe_certificates(ctx)
    await healthcode.trust_state(ctx)
    await healthcode.observe_lists(ctx)
    ctx.metrics.stored.observed_at.set(ctx.clock.now().timestamp())


async def _observe_lag(ctx: Context, source: ClaimSource[Any]) -> None:
    """Zero where nothing is due."""
    if source.oldest_due is None:
        return
    before = ctx.clock.now() - source.oldest_due.after
    async with connection(ctx.pool) as conn:
        oldest = await conn.fetchval(source.oldest_due.sql, before)
    lag_s = 0.0 if oldest is None else (before - oldest).total_seconds()
    ctx.metrics.oldest_due_s.labels(source.name).set(lag_s)


async def _observe_outbox(ctx: Context) -> None:
    async with connection(ctx.pool) as conn:
        found = await outbox.count_waiting(conn)
    gauge = ctx.metrics.stored.outbox
    gauge.labels("waiting").set(found.waiting)
    gauge.labels("failing").set(found.failing)
    gauge.labels("most_attempts").set(found.most_attempts)


async def _observe_items(ctx: Context) -> None:
    """A kind and reason of which none is open any more goes on to be told, as zero."""
    found = {(one.kind, one.reason): one for one in await casework.count_open(ctx)}
    stored = ctx.metrics.stored
    stored.known_items |= found.keys()
    for kind, reason in stored.known_items:
        one = found.get((kind, reason))
        age_s = 0.0 if one is None else (ctx.clock.now() - one.oldest_at).total_seconds()
        stored.open_items.labels(kind, reason).set(0 if one is None else one.count)
        stored.oldest_item_s.labels(kind, reason).set(age_s)
