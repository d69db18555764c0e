"""Due work of health codes: revocation lists. Expired rows and the trust list go with the sweep."""

from datetime import datetime, timedelta
from typing import Any

from service.healthcode.actions import lists
from service.healthcode.model_lists import DueList
from service.kernel.claims import ClaimSource
from service.kernel.context import Context

LOOK_EVERY = timedelta(seconds=5)
"""A list is due at most every two minutes; the loop turns twice a second."""


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """One loop. It needs no lease: putting a list in its place is one compare-and-set."""

    looked_at: datetime | None = None

    async def list_due(now: datetime, _limit: int) -> list[DueList]:
        nonlocal looked_at
        if looked_at is not None and now - looked_at < LOOK_EVERY:
            return []
        looked_at = now
        return await lists.list_due(ctx)

    async def claim(_due: DueList, _now: datetime, _until: datetime) -> bool:
        return True

    async def work(due: DueList) -> None:
        await lists.make_list(ctx, due)

    return [
        ClaimSource(
            "code-lists",
            list_due=list_due,
            claim=claim,
            work=work,
            concurrency=2,
            lease=ctx.policy.lease,
        )
    ]
