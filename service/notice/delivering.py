"""Send an institution's due events: signed, a few at a time, each settlement's in its order.

One worker holds an institution at a time, by the lease on its endpoint, so nothing is sent twice at
once and the bound on concurrent sends holds over all workers. A row that was written and never sent
is due as any other: whoever comes next finds it.
"""

import asyncio
import secrets
from datetime import timedelta

import msgspec

from crypto.keyring import KeyKind
from integrations.ports.events_out import Posted, host_and_target
from service.casework import actions as casework
from service.casework.model import NewItem
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.logs import get_logger
from service.kernel.problems import RowTampered
from service.kernel.signed_requests import SCHEME_APPLICATION, authorization, text_to_sign
from service.kernel.signing import sign_message
from service.notice import actions, rules, store
from service.notice.model import Endpoint, EventRow
from service.notice.schemas import EventName

AT_ONCE = 4
"""Sends to one institution."""
HEADS = 64
ROUNDS_MAX = 16
BEGIN_WITHIN = timedelta(seconds=10)
"""No round begins later in a claim: with the last answers waited for, the lease still holds."""

_log = get_logger("notice")


class Round:
    """What the sends of one round know of each other."""

    def __init__(self, endpoint: Endpoint, failures: int) -> None:
        self.endpoint = endpoint
        self.failures = failures
        """Unanswered in a row."""
        self.silent = False
        """Somebody got no answer in this round: nothing more is begun."""


async def deliver(ctx: Context, institution_id: int) -> None:
    """Send what is due, until nothing is, nobody answers, or the time is over. Needs the lease."""
    began = ctx.clock.now()
    for _ in range(ROUNDS_MAX):
        now = ctx.clock.now()
        if now - began > BEGIN_WITHIN:
            return
        async with connection(ctx.pool) as conn:
            endpoint = await actions.read_endpoint(conn, ctx, institution_id)
            if endpoint is None:
                return
            failures = await store.count_failures(conn, institution_id)
            # After a rest, one event finds out whether anybody is there again.
            limit = 1 if failures >= rules.BREAK_AT else HEADS
            rows = await store.list_heads(conn, institution_id, now, limit)
        if not rows:
            return
        current = Round(endpoint, failures)
        slots = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_in_slot(ctx, current, slots, row) for row in rows))
        if current.silent:
            return


async def _in_slot(ctx: Context, current: Round, slots: asyncio.Semaphore, row: EventRow) -> None:
    async with slots:
        if not current.silent:
            await _send(ctx, current, row)


async def _send(ctx: Context, current: Round, row: EventRow) -> None:
    try:
        actions.check(ctx, row)
    except RowTampered as fault:
        ctx.metrics.alarms.labels("row-tampered").inc()
        _log.error("notice.row_tampered", fault=fault)
        await _give_up(ctx, row, "row-tampered")
        return
    posted = await post(ctx, current.endpoint, row)
    ctx.metrics.outcomes.labels("hospital", "event", posted.why or "taken").inc()
    if not posted.answered:
        current.silent = True
    elif current.failures:
        current.failures = 0
        async with connection(ctx.pool) as conn:
            await store.end_pause(conn, row.institution_id, ctx.clock.now())
    await _record(ctx, row, posted)


async def post(ctx: Context, endpoint: Endpoint, row: EventRow) -> Posted:
    """Sign and send once, as docs/integration.md says. Raises ``SignerUnavailable``."""
    event_id = msgspec.json.decode(row.body, type=EventName).event_id
    host, target = host_and_target(endpoint.url)
    now = ctx.clock.now()
    key = ctx.ring.current(KeyKind.TRANSPORT, now)
    name, nonce, timestamp = f"transport-{key.version}", secrets.token_hex(16), int(now.timestamp())
    text = text_to_sign(
        caller_id=name,
        method="POST",
        host=host,
        target=target,
        timestamp=timestamp,
        nonce=nonce,
        idempotency_key=event_id,
        body=row.body,
    )
    signature = await sign_message(ctx, key, text)
    headers = {
        "authorization": authorization(SCHEME_APPLICATION, name, timestamp, nonce, signature),
        "content-type": "application/json",
        "idempotency-key": event_id,
        "user-agent": "yimatong",
    }
    return await ctx.courier.post(endpoint.url, headers, row.body)


async def _record(ctx: Context, row: EventRow, posted: Posted) -> None:
    now = ctx.clock.now()
    if posted.is_taken:
        async with connection(ctx.pool) as conn:
            await store.save_taken(conn, row, now)
        return
    why = posted.why or "unknown"
    _log.warning("notice.not_taken", why=why, tries=row.tries + 1)
    gap = rules.gap_after(row.tries + 1)
    if gap is None:
        await _give_up(ctx, row, why)
    else:
        async with connection(ctx.pool) as conn:
            await store.save_failed(conn, row, now + gap, why)
    if not posted.answered:
        async with transaction(ctx.pool) as conn:
            failures = await store.count_unanswered(conn, row.institution_id)
            if (rest := rules.pause_after(failures)) is not None:
                await store.pause(conn, row.institution_id, now + rest)


async def _give_up(ctx: Context, row: EventRow, why: str) -> None:
    """A work item first, in the record's shard; a crash in between opens it again at no cost."""
    async with transaction(ctx.pool) as conn:
        await casework.open_item(
            conn,
            ctx,
            NewItem(
                record_id=row.record_id,
                kind="event",
                subject_id=row.event_id,
                institution_id=row.institution_id,
                reason=actions.NOT_TAKEN,
                evidence={
                    "settlement_id": row.settlement_id,
                    "sequence": row.sequence,
                    "topic": row.topic,
                    "tries": row.tries + 1,
                    "why": why,
                },
            ),
        )
    async with connection(ctx.pool) as conn:
        await store.save_stuck(conn, row, why)
