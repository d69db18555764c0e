"""The worker's part: due settlements, and what payments tell."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.ports.partners import PartnerUnknown
from service.kernel.claims import ClaimSource, OldestDue
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE, Connection, claiming, connection
from service.kernel.logs import get_logger
from service.kernel.outbox import Event
from service.kernel.problems import InvariantBroken
from service.settlement import door, store, tender
from service.settlement.insurance import calls
from service.settlement.model import InsuranceCall, Settlement
from service.settlement.states import SettlementState
from service.settlement.steps import (
    finishing,
    presettling,
    recalling,
    reversing,
    settling,
    waiting,
)

STEPS_MAX = 32
"""Of one settlement in one claim; the rest is due again at once."""

_S = SettlementState
_log = get_logger("settlement")

STEPS: Mapping[SettlementState, Callable[[Context, Settlement], Awaitable[Settlement | None]]] = {
    _S.PRESETTLING: presettling.step,
    _S.PRESETTLED: waiting.step,
    _S.AWAITING_PAYER: waiting.step,
    _S.COLLECTING: waiting.step,
    _S.PAID: settling.begin,
    _S.SETTLING: settling.step,
    _S.SETTLED: finishing.show,
    _S.POSTING: finishing.remind,
    _S.RECALLING: recalling.step,
    _S.REVERSING: reversing.step,
}
"""One step a working state; the other states rest. A step gives the settlement as it left it, or
None: then it must be read."""


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """Due settlements."""
    token = ctx.ids.token()

    async def list_due(now: datetime, limit: int) -> Sequence[door.Key]:
        async with connection(ctx.pool) as conn:
            return await store.list_due(conn, now, limit)

    async def claim(key: door.Key, now: datetime, until: datetime) -> bool:
        async with claiming(ctx.pool) as conn:
            return await store.claim_settlement(conn, key, token, now, until)

    async def work(key: door.Key) -> None:
        await work_off(ctx, key)
        async with claiming(ctx.pool) as conn:
            await store.release_settlement(conn, key, token)

    return [
        ClaimSource(
            "settlement",
            list_due=list_due,
            claim=claim,
            work=work,
            lease=ctx.policy.lease,
        ).lagging_by(OldestDue(store.OLDEST_DUE))
    ]


async def work_off(ctx: Context, key: door.Key) -> None:
    """Step while something is due, at most for a quarter of the lease. Needs the lease."""
    began = ctx.clock.now()
    known: Settlement | None = None
    for _ in range(STEPS_MAX):
        row, left_open = (known, None) if known is not None else await calls.read(ctx, key)
        now = ctx.clock.now()
        if row.due_at is None or row.due_at > now or now - began > ctx.policy.lease / 4:
            return
        try:
            known = await _step(ctx, row, left_open)
        except door.LostRace:
            known = None


async def _step(
    ctx: Context, row: Settlement, left_open: InsuranceCall | None
) -> Settlement | None:
    """A fault of ours or of the settings counts as a try, so that it ends before a person."""
    try:
        if left_open is not None:
            await calls.finish_open(ctx, row, left_open)
            return None
        return await STEPS[row.state](ctx, row)
    except (*UNAVAILABLE, InvariantBroken, door.LostRace):
        raise
    except Exception as fault:  # noqa: BLE001 - one bad settlement must not be due for ever
        known = isinstance(fault, PartnerUnknown)
        _log.error("settlement.step_failed", state=row.state.value, fault=fault, known=known)
        await _postpone(ctx, row)
        return None


async def _postpone(ctx: Context, row: Settlement) -> None:
    async def decide(conn: Connection, fresh: Settlement) -> None:
        if fresh.version == row.version:
            await calls.postpone(conn, ctx, fresh, None)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)


async def on_payment(ctx: Context, event: Event) -> None:
    """A payment or refund moved: look at its rows."""
    await tender.sync_now(ctx, (event.record_id, event.subject_id))


HANDLERS: Mapping[str, Callable[[Context, Event], Awaitable[None]]] = {
    "payment.paid": on_payment,
    "payment.failed": on_payment,
    "payment.closed": on_payment,
    "payment.review": on_payment,
    "refund.done": on_payment,
    "refund.stuck": on_payment,
}
