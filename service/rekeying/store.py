"""SQL of the re-keying job's progress."""

from datetime import datetime

from service.kernel.database import Connection, execute, insert_new, list_rows
from service.rekeying.model import Job, JobKey, JobState

INSERT_JOB = """
insert into rekeying (
  table_name, kind, target_version, state, changed, seen, lost, waiting, refused,
  started_at, round_at, due_at
)
values ($1, $2, $3, 'RUNNING', 0, 0, 0, 0, 0, $4, $4, $4)
on conflict (table_name, kind, target_version) do nothing
"""
SUPERSEDE = """
update rekeying
set state = 'SUPERSEDED', done_at = $3, lease_token = null, lease_until = null
where kind = $1 and target_version < $2 and state = 'RUNNING'
"""
LIST_DUE_JOBS = """
select table_name, kind, target_version, state, place, changed, seen, lost, waiting, refused,
  started_at, round_at, due_at, done_at
from rekeying
where state = 'RUNNING' and due_at <= $1 and (lease_until is null or lease_until <= $1)
order by due_at
limit $2
"""
OLDEST_DUE_JOB = """
select min(due_at) from rekeying where state = 'RUNNING' and due_at <= $1
"""
CLAIM_JOB = """
update rekeying
set lease_token = $5, lease_until = $6
where table_name = $1 and kind = $2 and target_version = $3 and state = 'RUNNING'
  and (lease_until is null or lease_until <= $4)
"""
GET_HELD = """
select table_name, kind, target_version, state, place, changed, seen, lost, waiting, refused,
  started_at, round_at, due_at, done_at
from rekeying
where table_name = $1 and kind = $2 and target_version = $3 and lease_token = $4
"""
SAVE_HELD = """
update rekeying
set state = $5, place = $6, changed = $7, seen = $8, lost = $9, waiting = $10, refused = $11,
  round_at = $12, due_at = $13, done_at = $14
where table_name = $1 and kind = $2 and target_version = $3 and lease_token = $4
"""
RELEASE_JOB = """
update rekeying
set lease_token = null, lease_until = null
where table_name = $1 and kind = $2 and target_version = $3 and lease_token = $4
"""
LIST_JOBS = """
select table_name, kind, target_version, state, place, changed, seen, lost, waiting, refused,
  started_at, round_at, due_at, done_at
from rekeying
where kind = $1
order by target_version, table_name
limit $2
"""
REOPEN_JOB = """
update rekeying
set state = 'RUNNING', done_at = null, place = null, seen = 0, lost = 0, waiting = 0, refused = 0,
  round_at = $4, due_at = $4
where table_name = $1 and kind = $2 and target_version = $3 and state = 'DONE'
"""


async def insert_job(conn: Connection, key: JobKey, now: datetime) -> bool:
    """False when it is there already."""
    return await insert_new(conn, INSERT_JOB, key.table_name, key.kind, key.target_version, now)


async def supersede(conn: Connection, kind: str, target_version: int, now: datetime) -> int:
    """End the jobs to versions before ``target_version``."""
    return await execute(conn, SUPERSEDE, kind, target_version, now)


async def list_due(conn: Connection, now: datetime, limit: int) -> list[Job]:
    """Jobs that nobody holds, the longest due first."""
    return await list_rows(conn, Job, LIST_DUE_JOBS, now, limit)


async def claim(
    conn: Connection, key: JobKey, token: bytes, now: datetime, until: datetime
) -> bool:
    """Hold the job until ``until``; False while somebody else's hold lasts."""
    found = await execute(
        conn, CLAIM_JOB, key.table_name, key.kind, key.target_version, now, token, until
    )
    return found == 1


async def find_held(conn: Connection, key: JobKey, token: bytes) -> Job | None:
    """The job as it stands, while the hold lasts."""
    held = await list_rows(conn, Job, GET_HELD, key.table_name, key.kind, key.target_version, token)
    return held[0] if held else None


async def save_held(conn: Connection, job: Job, token: bytes) -> bool:
    """Keep the progress; False when the hold was lost."""
    done = await execute(
        conn,
        SAVE_HELD,
        job.table_name,
        job.kind,
        job.target_version,
        token,
        job.state,
        job.place,
        job.changed,
        job.seen,
        job.lost,
        job.waiting,
        job.refused,
        job.round_at,
        job.due_at,
        job.done_at,
    )
    return done == 1


async def release(conn: Connection, key: JobKey, token: bytes) -> None:
    """Give the hold up."""
    await execute(conn, RELEASE_JOB, key.table_name, key.kind, key.target_version, token)


async def list_jobs(conn: Connection, kind: str, limit: int) -> list[Job]:
    """Every job of a kind, by version."""
    return await list_rows(conn, Job, LIST_JOBS, kind, limit)


async def reopen(conn: Connection, job: Job, now: datetime) -> bool:
    """Run a finished job once more; False when it is running."""
    if job.state is not JobState.DONE:
        return False
    return await execute(conn, REOPEN_JOB, job.table_name, job.kind, job.target_version, now) == 1
