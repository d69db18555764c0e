"""The worker's part: postings into the books, and days to close."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service.kernel.claims import EASY, SELDOM, ClaimSource, OldestDue
from service.kernel.context import Context
from service.kernel.database import connection
from service.ledger import closing, feeding, store_books, store_days
from service.ledger.store_books import FeedKey
from service.ledger.store_days import DayKey


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """Feeding needs no lease: two workers that take the same batch come to the same end."""

    async def list_fed(_now: datetime, _limit: int) -> Sequence[tuple[FeedKey, ...]]:
        return await feeding.list_batches(ctx)

    async def claim_fed(_keys: tuple[FeedKey, ...], _now: datetime, _until: datetime) -> bool:
        return True

    async def work_fed(keys: tuple[FeedKey, ...]) -> None:
        await feeding.take_batch(ctx, keys)

    async def list_days(now: datetime, limit: int) -> Sequence[DayKey]:
        async with connection(ctx.pool) as conn:
            return await store_days.list_due(conn, now, limit)

    async def claim_day(key: DayKey, now: datetime, until: datetime) -> bool:
        async with connection(ctx.pool) as conn:
            return await store_days.claim_day(conn, key, now, until)

    async def work_day(key: DayKey) -> None:
        await closing.close(ctx, key)

    lease = ctx.policy.lease
    return [
        # Books are asked about at the end of a day: what comes within a second goes in one batch.
        ClaimSource(
            "ledger-feed",
            list_due=list_fed,
            claim=claim_fed,
            work=work_fed,
            lease=lease,
            pace_s=EASY,
        ).lagging_by(OldestDue(store_books.OLDEST_FED)),
        ClaimSource(
            "ledger-days",
            list_due=list_days,
            claim=claim_day,
            work=work_day,
            lease=lease,
            pace_s=SELDOM,
        ).lagging_by(OldestDue(store_days.OLDEST_DUE)),
    ]
