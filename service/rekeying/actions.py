"""Work a table off page by page, and say what still needs a key."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from crypto.keyring import KeyKind
from service.casework.actions import open_item
from service.casework.model import NewItem
from service.kernel.clock import CLOCKS_APART
from service.kernel.context import Context
from service.kernel.database import connection, to_struct, transaction
from service.kernel.problems import RowTampered
from service.kernel.rekeying import KeyedRows, Rekeyed
from service.rekeying import store
from service.rekeying.model import Job, JobKey, JobState, Remaining

KINDS = (KeyKind.COLUMN, KeyKind.BLIND_INDEX, KeyKind.ROW_MAC)
"""The kinds whose use is stored in rows; others are not re-keyed but run out."""
PAGE = 200
PAGES_A_TURN = 20
WAIT_FOR_ENDING = timedelta(minutes=10)
COUNT_TIMEOUT_S = 900.0
JOBS_MAX = 1000

_REFUSED = "refused"


async def start_jobs(ctx: Context, tables: Sequence[KeyedRows]) -> list[JobKey]:
    """Jobs to the present versions, for every kind of which the ring holds an older one.

    Idempotent. A job to an older version ends where it is: the newer one does its work.
    """
    now = ctx.clock.now()
    wanted = []
    for kind in KINDS:
        target = ctx.ring.current(kind, now).version
        if any(key.kind is kind and key.version < target for key in ctx.ring.keys):
            async with connection(ctx.pool) as conn:
                await store.supersede(conn, kind, target, now)
            wanted += [
                JobKey(table_name=rows.table, kind=kind, target_version=target)
                for rows in tables
                if rows.kind is kind
            ]
    async with connection(ctx.pool) as conn:
        for key in wanted:
            await store.insert_job(conn, key, now)
    return wanted


async def pursue(ctx: Context, rows: KeyedRows, key: JobKey, token: bytes, pause_s: float) -> None:
    """Do some pages of a job whose lease is held under ``token``; then give the lease up.

    The place is saved after each page, so that whoever comes next begins there. A row that was
    done twice because a holder died in between is current the second time.
    """
    stop_at = ctx.clock.now() + ctx.policy.lease / 2
    async with connection(ctx.pool) as conn:
        job = await store.find_held(conn, key, token)
    for _ in range(PAGES_A_TURN):
        if job is None or job.state is not JobState.RUNNING or job.due_at > ctx.clock.now():
            break
        job = await _page(ctx, rows, job)
        async with connection(ctx.pool) as conn:
            if not await store.save_held(conn, job, token):
                return
        if ctx.clock.now() >= stop_at:
            break
        await asyncio.sleep(pause_s)
    async with connection(ctx.pool) as conn:
        await store.release(conn, key, token)


async def remaining(
    ctx: Context, tables: Sequence[KeyedRows], kind: KeyKind, version: int
) -> Remaining:
    """Whether any row still needs ``version`` of ``kind``: to be asked before it is destroyed.

    Reads whole tables. A finished job that left rows behind (a backup was restored, a program
    with an old ring wrote) runs once more.
    """
    now = ctx.clock.now()
    left: dict[str, int] = {}
    async with connection(ctx.pool) as conn:
        for rows in tables:
            if rows.kind is kind:
                count = await conn.fetchval(rows.count, bytes([version]), timeout=COUNT_TIMEOUT_S)
                if count:
                    left[rows.table] = left.get(rows.table, 0) + int(count)
        jobs = await store.list_jobs(conn, kind, JOBS_MAX)
        newest = max((job.target_version for job in jobs), default=0)
        refused = {
            job.table_name: job.refused
            for job in jobs
            if job.target_version == newest and job.refused
        }
        for job in jobs:
            if job.target_version == newest and left.get(job.table_name, 0) > job.refused:
                await store.reopen(conn, job, now)
    in_use = any(
        key.kind is kind and key.version == version and _may_be_used(key.use_until, now)
        for key in ctx.ring.keys
    )
    return Remaining(rows=left, refused=refused, in_use=in_use)


async def progress(ctx: Context, kind: KeyKind) -> list[Job]:
    """Every job of a kind, for people."""
    async with connection(ctx.pool) as conn:
        return await store.list_jobs(conn, kind, JOBS_MAX)


def _may_be_used(use_until: datetime, now: datetime) -> bool:
    return now < use_until + CLOCKS_APART


async def _page(ctx: Context, rows: KeyedRows, job: Job) -> Job:
    """The job after one page more, or after its round."""
    place = rows.first() if job.place is None else rows.read_place(job.place)
    async with connection(ctx.pool) as conn:
        found = await conn.fetch(rows.page, *place, PAGE)
    counts = Counter([await _one(ctx, rows, job, row) for row in found])
    job = msgspec.structs.replace(
        job,
        changed=job.changed + counts[Rekeyed.CHANGED],
        seen=job.seen + len(found),
        lost=job.lost + counts[Rekeyed.LOST],
        waiting=job.waiting + counts[Rekeyed.WAITING],
        refused=job.refused + counts[_REFUSED],
    )
    if len(found) == PAGE:
        last = tuple(found[-1][name] for name in rows.key)
        return msgspec.structs.replace(job, place=rows.write_place(last))
    return _round_over(ctx, job)


async def _one(ctx: Context, rows: KeyedRows, job: Job, found: asyncpg.Record) -> str:
    try:
        row = to_struct(found, rows.row)
        return await rows.rekey(ctx, row)
    except (RowTampered, msgspec.ValidationError):
        await _report(ctx, rows, job, found)
        return _REFUSED


async def _report(ctx: Context, rows: KeyedRows, job: Job, found: asyncpg.Record) -> None:
    """A work item about a row that does not hold. The row stays: whoever reads it is refused."""
    record_id, subject_id = rows.belongs(_Columns(found))
    async with transaction(ctx.pool) as conn:
        await open_item(
            conn,
            ctx,
            NewItem(
                record_id=record_id,
                kind=rows.table,
                subject_id=subject_id,
                institution_id=None,
                reason="row-tampered",
                evidence={
                    "table": rows.table,
                    "row": ctx.public_ids.text(record_id, subject_id),
                    "found_by": f"re-keying to {job.kind} {job.target_version}",
                },
            ),
        )


class _Columns:
    """A row whose values may be anything, by name."""

    def __init__(self, found: asyncpg.Record) -> None:
        self._found = found

    def __getattr__(self, name: str) -> object:
        return self._found[name]


def _round_over(ctx: Context, job: Job) -> Job:
    """Done, if nothing was left and no process wrote under an older key since the round began."""
    now = ctx.clock.now()
    kind = KeyKind(job.kind)
    older = [
        key.use_until + CLOCKS_APART
        for key in ctx.ring.keys
        if key.kind is kind and key.version < job.target_version
    ]
    settled_at = max(older, default=job.round_at)
    if job.round_at >= settled_at and not job.lost and not job.waiting:
        return msgspec.structs.replace(job, state=JobState.DONE, done_at=now, place=None)
    due_at = settled_at if job.round_at < settled_at else now
    if job.waiting and not job.lost:
        due_at = max(due_at, now + WAIT_FOR_ENDING)
    due_at = max(due_at, now)
    return msgspec.structs.replace(
        job, place=None, seen=0, lost=0, waiting=0, refused=0, round_at=due_at, due_at=due_at
    )
