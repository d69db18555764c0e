"""Due work of bills: those nobody paid in time end."""

from datetime import datetime
from typing import Any

from service.bill import actions, store
from service.bill.store import BillKey
from service.kernel.claims import SELDOM, ClaimSource, OldestDue
from service.kernel.context import Context


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """One loop: expiry. It needs no lease, for ending a bill is one compare-and-set."""

    async def list_due(now: datetime, limit: int) -> list[BillKey]:
        return await actions.list_overdue(ctx, now, limit)

    async def claim(_key: BillKey, _now: datetime, _until: datetime) -> bool:
        return True

    async def work(key: BillKey) -> None:
        await actions.expire(ctx, key)

    return [
        ClaimSource(
            "bill-expiry",
            list_due=list_due,
            claim=claim,
            work=work,
            lease=ctx.policy.lease,
            pace_s=SELDOM,
        ).lagging_by(OldestDue(store.OLDEST_OVERDUE))
    ]
