"""The worker: one claim loop a kind of due work, plus the relay of the outbox."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from service import features
from service.casework import actions as casework
from service.casework.model import ItemsOf, NewItem
from service.figures import keep_observed
from service.kernel import idempotency, outbox
from service.kernel.claims import ClaimSource, OldestDue, run_loop
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE, claiming, connection, execute, transaction
from service.kernel.logs import get_logger

Handler = Callable[[Context, outbox.Event], Awaitable[None]]
EVENT = "event"
TRIES_MAX = 50
"""After so many a person is told; the tries go on."""
SWEEP_EVERY_S = 60.0
POSTPONE_MAX = timedelta(minutes=10)

_log = get_logger("worker")


def outbox_source(
    ctx: Context, handlers: Mapping[str, Handler] | None = None
) -> ClaimSource[outbox.Event]:
    """Delivers events to their handler; postpones a failing one, and tells a person after many
    tries, which go on. ``handlers``: of all features unless given."""
    handlers = features.handlers() if handlers is None else handlers
    token = ctx.ids.token()

    async def list_due(now: datetime, limit: int) -> list[outbox.Event]:
        async with connection(ctx.pool) as conn:
            return await outbox.list_due(conn, now, limit)

    async def claim(event: outbox.Event, _now: datetime, until: datetime) -> bool:
        async with claiming(ctx.pool) as conn:
            return (
                await execute(
                    conn,
                    outbox.CLAIM_EVENT,
                    event.record_id,
                    event.event_id,
                    event.attempts,
                    token,
                    until,
                )
                == 1
            )

    async def work(event: outbox.Event) -> None:
        handler = handlers.get(event.topic)
        try:
            if handler is not None:
                await handler(ctx, event)
        except UNAVAILABLE:
            raise
        except Exception:
            await _postpone(ctx, event, token)
            raise
        if event.attempts >= TRIES_MAX:
            await _heard_at_last(ctx, event)
        async with claiming(ctx.pool) as conn:
            # Handlers may hear an event twice, so this need not last either.
            await execute(
                conn,
                outbox.FINISH_EVENT,
                event.record_id,
                event.event_id,
                token,
                ctx.clock.now(),
            )

    return ClaimSource(
        "outbox",
        list_due=list_due,
        claim=claim,
        work=work,
        lease=ctx.policy.lease,
    ).lagging_by(OldestDue(outbox.OLDEST_DUE))


async def _postpone(ctx: Context, event: outbox.Event, token: bytes) -> None:
    wait = min(ctx.policy.retry_after * 2 ** min(event.attempts, 8), POSTPONE_MAX)
    due_at = ctx.clock.now() + wait
    async with transaction(ctx.pool) as conn:
        await execute(conn, outbox.POSTPONE_EVENT, event.record_id, event.event_id, token, due_at)
        if event.attempts + 1 >= TRIES_MAX:
            await casework.open_item(conn, ctx, _not_heard(event))


def _not_heard(event: outbox.Event) -> NewItem:
    return NewItem(
        record_id=event.record_id,
        kind=EVENT,
        subject_id=event.event_id,
        institution_id=None,
        reason="event-not-heard",
        evidence={
            "topic": event.topic,
            "subject_id": event.subject_id,
            "attempts": event.attempts + 1,
        },
    )


async def _heard_at_last(ctx: Context, event: outbox.Event) -> None:
    items = ItemsOf(record_id=event.record_id, kind=EVENT, subject_id=event.event_id)
    async with transaction(ctx.pool) as conn:
        await casework.close_items_of(conn, ctx, items, "heard")


async def sweep(ctx: Context, stop: asyncio.Event) -> None:
    """Forget what protects nothing any more, and look at what must not run out unseen."""
    while not stop.is_set():
        try:
            for sweeping in features.SWEEPS:
                await sweeping(ctx)
            async with connection(ctx.pool) as conn:
                await idempotency.delete_old(conn, ctx.clock.now())
        except UNAVAILABLE as fault:
            _log.warning("sweep.postponed", fault=fault)
        try:
            async with asyncio.timeout(SWEEP_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue


def all_sources(ctx: Context) -> list[ClaimSource[Any]]:
    """Every loop of the worker; tests run them by hand."""
    return [outbox_source(ctx), *features.sources(ctx)]


async def work(ctx: Context, stop: asyncio.Event) -> None:
    """Run all loops until ``stop``."""
    sources = all_sources(ctx)
    async with asyncio.TaskGroup() as group:
        group.create_task(sweep(ctx, stop))
        group.create_task(keep_observed(ctx, sources, stop))
        for source in sources:
            group.create_task(run_loop(source, ctx.clock, ctx.metrics, stop))
    _log.info("worker.stopped")
