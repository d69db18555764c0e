"""Due work of re-keying: the tables that are not yet under the present keys."""

from collections.abc import Sequence
from datetime import datetime

from service.kernel.claims import EASY, ClaimSource, OldestDue
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.rekeying import KeyedRows
from service.rekeying import actions, store
from service.rekeying.model import Job

PAUSE_S = 0.1
"""Between two pages of 200 rows: business comes first."""
AT_ONCE = 2


def source(
    ctx: Context, tables: Sequence[KeyedRows], *, pause_s: float = PAUSE_S
) -> ClaimSource[Job]:
    """One loop over all tables; several workers share them, a table has one holder at a time."""
    by_key = {(rows.table, rows.kind.value): rows for rows in tables}
    token = ctx.ids.token()
    started_for: object = None

    async def list_due(now: datetime, limit: int) -> list[Job]:
        nonlocal started_for
        targets = tuple(ctx.ring.current(kind, now).version for kind in actions.KINDS)
        if targets != started_for:
            await actions.start_jobs(ctx, tables)
            started_for = targets
        async with connection(ctx.pool) as conn:
            due = await store.list_due(conn, now, limit)
        return [job for job in due if (job.table_name, job.kind) in by_key]

    async def claim(job: Job, now: datetime, until: datetime) -> bool:
        async with connection(ctx.pool) as conn:
            return await store.claim(conn, job.key, token, now, until)

    async def work(job: Job) -> None:
        await actions.pursue(ctx, by_key[job.table_name, job.kind], job.key, token, pause_s)

    return ClaimSource(
        "rekeying",
        list_due=list_due,
        claim=claim,
        work=work,
        concurrency=AT_ONCE,
        lease=ctx.policy.lease,
        pace_s=EASY,
    ).lagging_by(OldestDue(store.OLDEST_DUE_JOB))
