"""Due work of payment: live attempts and refunds on their way."""

from datetime import datetime
from typing import Any

from service.kernel.claims import BRISK, ClaimSource, OldestDue
from service.kernel.context import Context
from service.payment import store
from service.payment.actions import attempts, pursuing, refunds
from service.payment.model import RowKey


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """Two loops: attempts to place, ask about or close; refunds to send or ask about."""
    return [_attempts(ctx), _refunds(ctx)]


def _attempts(ctx: Context) -> ClaimSource[RowKey]:
    async def list_due(now: datetime, limit: int) -> list[RowKey]:
        return await attempts.list_due(ctx, now, limit)

    async def claim(key: RowKey, now: datetime, until: datetime) -> bool:
        return await attempts.claim(ctx, key, now, until)

    async def work(key: RowKey) -> None:
        try:
            await pursuing.pursue(ctx, key)
        finally:
            await attempts.release(ctx, key)

    return ClaimSource(
        "payment-attempts",
        list_due=list_due,
        claim=claim,
        work=work,
        lease=ctx.policy.lease,
        pace_s=BRISK,
    ).lagging_by(OldestDue(store.OLDEST_DUE_ATTEMPT))


def _refunds(ctx: Context) -> ClaimSource[RowKey]:
    async def list_due(now: datetime, limit: int) -> list[RowKey]:
        return await refunds.list_due(ctx, now, limit)

    async def claim(key: RowKey, now: datetime, until: datetime) -> bool:
        return await refunds.claim(ctx, key, now, until)

    async def work(key: RowKey) -> None:
        try:
            await refunds.pursue_refund(ctx, key)
        finally:
            await refunds.release(ctx, key)

    return ClaimSource(
        "payment-refunds",
        list_due=list_due,
        claim=claim,
        work=work,
        lease=ctx.policy.lease,
    ).lagging_by(OldestDue(store.OLDEST_DUE_REFUND))
