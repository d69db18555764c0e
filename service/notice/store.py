"""SQL of events out. Every statement stays in one institution, but for the search for due ones."""

from collections.abc import Sequence
from datetime import datetime

from service.kernel.database import Connection, execute, find_row, insert_new, list_rows
from service.notice.model import Endpoint, EndpointHealth, EventRow, GivenUp, Telling

GET_ENDPOINT = """
select institution_id, url, application_id, set_at, row_mac
from notice_endpoint
where institution_id = $1
"""
PUT_ENDPOINT = """
insert into notice_endpoint (institution_id, url, application_id, set_at, row_mac, failures)
values ($1, $2, $3, $4, $5, 0)
on conflict (institution_id) do update
set url = $2, application_id = $3, set_at = $4, row_mac = $5, failures = 0, paused_until = null
"""
DELETE_ENDPOINT = """
delete from notice_endpoint where institution_id = $1
"""
GET_HEALTH = """
select p.failures, p.paused_until,
  (select count(*) from institution_event e
    where e.institution_id = $1 and e.state = 'DUE') as due,
  (select count(*) from institution_event e
    where e.institution_id = $1 and e.state = 'STUCK') as stuck
from notice_endpoint p
where p.institution_id = $1
"""
GET_FAILURES = """
select failures from notice_endpoint where institution_id = $1
"""
TAKE_NUMBER = """
insert into institution_event_number (institution_id, last_no)
values ($1, 1)
on conflict (institution_id) do update set last_no = institution_event_number.last_no + 1
returning last_no
"""
GET_TELLING = """
select
  exists (
    select 1 from institution_event
    where institution_id = $1 and settlement_id = $2 and version = $3
  ) as is_told,
  exists (select 1 from notice_endpoint where institution_id = $1) as has_endpoint
"""
INSERT_EVENT = """
insert into institution_event (
  institution_id, event_id, event_no, record_id, settlement_id, version, sequence, topic, body,
  occurred_at, created_at, row_mac, state, due_at, tries
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $11, 0)
on conflict (institution_id, settlement_id, version) do nothing
"""
GET_EVENT = """
select institution_id, event_id, event_no, record_id, settlement_id, version, sequence, topic, body,
  occurred_at, created_at, row_mac, state, tries
from institution_event
where institution_id = $1 and event_id = $2
"""
LIST_AFTER = """
select institution_id, event_id, event_no, record_id, settlement_id, version, sequence, topic, body,
  occurred_at, created_at, row_mac, state, tries
from institution_event
where institution_id = $1 and event_no > $2 and topic = any($3::text[])
order by event_no
limit $4
"""
LIST_DUE_INSTITUTIONS = """
select p.institution_id
from notice_endpoint p
where (p.paused_until is null or p.paused_until <= $1)
  and (p.lease_until is null or p.lease_until < $1)
  and exists (
    select 1 from institution_event e
    where e.institution_id = p.institution_id and e.state = 'DUE' and e.due_at <= $1
      and e.sequence - 1 = (
        select count(*) from institution_event f
        where f.institution_id = e.institution_id and f.settlement_id = e.settlement_id
          and f.sequence < e.sequence and f.state in ('TAKEN', 'KEPT')
      )
  )
order by p.claimed_at nulls first
limit $2
"""
OLDEST_DUE_EVENT = """
select min(due_at) from institution_event where state = 'DUE' and due_at <= $1
"""
CLAIM_ENDPOINT = """
update notice_endpoint
set lease_token = $2, lease_until = $4, claimed_at = $3
where institution_id = $1 and (lease_until is null or lease_until < $3)
"""
RELEASE_ENDPOINT = """
update notice_endpoint
set lease_token = null, lease_until = null
where institution_id = $1 and lease_token = $2
"""
LIST_HEADS = """
select institution_id, event_id, event_no, record_id, settlement_id, version, sequence, topic, body,
  occurred_at, created_at, row_mac, state, tries
from institution_event e
where e.institution_id = $1 and e.state = 'DUE' and e.due_at <= $2
  and e.sequence - 1 = (
    select count(*) from institution_event f
    where f.institution_id = $1 and f.settlement_id = e.settlement_id
      and f.sequence < e.sequence and f.state in ('TAKEN', 'KEPT')
  )
order by e.due_at, e.event_no
limit $3
"""
SAVE_TAKEN = """
update institution_event
set state = 'TAKEN', taken_at = $4, tries = tries + 1, failure = null
where institution_id = $1 and event_id = $2 and state = 'DUE' and tries = $3
"""
SAVE_FAILED = """
update institution_event
set tries = tries + 1, due_at = $4, failure = $5
where institution_id = $1 and event_id = $2 and state = 'DUE' and tries = $3
"""
SAVE_STUCK = """
update institution_event
set state = 'STUCK', tries = tries + 1, failure = $4
where institution_id = $1 and event_id = $2 and state = 'DUE' and tries = $3
"""
COUNT_UNANSWERED = """
update notice_endpoint
set failures = failures + 1
where institution_id = $1
returning failures
"""
PAUSE = """
update notice_endpoint set paused_until = $2 where institution_id = $1
"""
END_PAUSE = """
update notice_endpoint
set failures = 0, paused_until = null
where institution_id = $1 and failures > 0
"""
HURRY = """
update institution_event
set due_at = $2
where institution_id = $1 and state = 'DUE' and due_at > $2 and failure not like 'status-%'
"""
HURRY_ALL = """
update institution_event
set due_at = $2
where institution_id = $1 and state = 'DUE' and due_at > $2
"""
KEEP_ALL = """
update institution_event
set state = 'KEPT'
where institution_id = $1 and state in ('DUE', 'STUCK')
"""
LIST_GIVEN_UP = """
select record_id, event_id, topic, occurred_at, tries, failure
from institution_event
where institution_id = $1 and state = 'STUCK'
  and ($2::bigint is null or event_id = $2)
  and ($3::timestamptz is null or occurred_at >= $3)
order by event_no
limit $4
"""
REPLAY_ONE = """
update institution_event
set state = 'DUE', due_at = $3, tries = 0, failure = null
where institution_id = $1 and event_id = $2
"""
REPLAY_SINCE = """
update institution_event
set state = 'DUE', due_at = $3, tries = 0, failure = null
where institution_id = $1 and occurred_at >= $2
"""


async def find_endpoint(conn: Connection, institution_id: int) -> Endpoint | None:
    """Where the institution wants its events, or None."""
    return await find_row(conn, Endpoint, GET_ENDPOINT, institution_id)


async def find_health(conn: Connection, institution_id: int) -> EndpointHealth | None:
    """How sending goes, or None without an endpoint."""
    return await find_row(conn, EndpointHealth, GET_HEALTH, institution_id)


async def count_failures(conn: Connection, institution_id: int) -> int:
    """Unanswered in a row; 0 where the endpoint is gone."""
    count: int | None = await conn.fetchval(GET_FAILURES, institution_id)
    return count or 0


async def put_endpoint(conn: Connection, row: Endpoint) -> None:
    """Set or replace; a rest is over."""
    await execute(
        conn,
        PUT_ENDPOINT,
        row.institution_id,
        row.url,
        row.application_id,
        row.set_at,
        row.row_mac,
    )
    await execute(conn, HURRY_ALL, row.institution_id, row.set_at)


async def delete_endpoint(conn: Connection, institution_id: int) -> bool:
    """False when there was none. What was not taken is kept for pulling."""
    await execute(conn, KEEP_ALL, institution_id)
    return await execute(conn, DELETE_ENDPOINT, institution_id) == 1


async def take_number(conn: Connection, institution_id: int) -> int:
    """The next number of the institution; others wait until this transaction ends."""
    number: int = await conn.fetchval(TAKE_NUMBER, institution_id)
    return number


async def find_telling(
    conn: Connection, institution_id: int, settlement_id: int, version: int
) -> Telling:
    """Whether this version of the settlement was told, and whether anybody listens."""
    (found,) = await list_rows(conn, Telling, GET_TELLING, institution_id, settlement_id, version)
    return found


async def insert_event(conn: Connection, row: EventRow) -> bool:
    """False when this version of the settlement was told."""
    return await insert_new(
        conn,
        INSERT_EVENT,
        row.institution_id,
        row.event_id,
        row.event_no,
        row.record_id,
        row.settlement_id,
        row.version,
        row.sequence,
        row.topic,
        row.body,
        row.occurred_at,
        row.created_at,
        row.row_mac,
        row.state.value,
    )


async def find_event(conn: Connection, institution_id: int, event_id: int) -> EventRow | None:
    """One event."""
    return await find_row(conn, EventRow, GET_EVENT, institution_id, event_id)


async def list_after(
    conn: Connection, institution_id: int, event_no: int, topics: Sequence[str], limit: int
) -> list[EventRow]:
    """Events in the order of their numbers."""
    return await list_rows(
        conn, EventRow, LIST_AFTER, institution_id, event_no, list(topics), limit
    )


async def list_due_institutions(conn: Connection, now: datetime, limit: int) -> list[int]:
    """Institutions to which something can be sent now, those longest not served first."""
    return [row[0] for row in await conn.fetch(LIST_DUE_INSTITUTIONS, now, limit)]


async def claim_endpoint(
    conn: Connection, institution_id: int, token: bytes, now: datetime, until: datetime
) -> bool:
    """False when another holder was faster."""
    return await execute(conn, CLAIM_ENDPOINT, institution_id, token, now, until) == 1


async def release_endpoint(conn: Connection, institution_id: int, token: bytes) -> None:
    """Give the lease back, if it is still ours."""
    await execute(conn, RELEASE_ENDPOINT, institution_id, token)


async def list_heads(
    conn: Connection, institution_id: int, now: datetime, limit: int
) -> list[EventRow]:
    """Due events whose predecessors are all done: at most one of each settlement."""
    return await list_rows(conn, EventRow, LIST_HEADS, institution_id, now, limit)


async def save_taken(conn: Connection, row: EventRow, now: datetime) -> bool:
    """False when it was changed meanwhile."""
    key = (row.institution_id, row.event_id, row.tries)
    return await execute(conn, SAVE_TAKEN, *key, now) == 1


async def save_failed(conn: Connection, row: EventRow, due_at: datetime, why: str) -> bool:
    """To be tried again; False when it was changed meanwhile."""
    key = (row.institution_id, row.event_id, row.tries)
    return await execute(conn, SAVE_FAILED, *key, due_at, why) == 1


async def save_stuck(conn: Connection, row: EventRow, why: str) -> bool:
    """Given up; False when it was changed meanwhile."""
    key = (row.institution_id, row.event_id, row.tries)
    return await execute(conn, SAVE_STUCK, *key, why) == 1


async def count_unanswered(conn: Connection, institution_id: int) -> int:
    """One more in a row; 0 where the endpoint is gone."""
    count: int | None = await conn.fetchval(COUNT_UNANSWERED, institution_id)
    return count or 0


async def pause(conn: Connection, institution_id: int, until: datetime) -> None:
    """Let the endpoint rest."""
    await execute(conn, PAUSE, institution_id, until)


async def end_pause(conn: Connection, institution_id: int, now: datetime) -> None:
    """It answers again: what nobody answered before is due at once."""
    if await execute(conn, END_PAUSE, institution_id):
        await execute(conn, HURRY, institution_id, now)


async def list_given_up(
    conn: Connection,
    institution_id: int,
    *,
    event_id: int | None,
    since: datetime | None,
    limit: int,
) -> list[GivenUp]:
    """Those that were given up, oldest first: the one event, or all since; None: all."""
    which = (institution_id, event_id, since)
    return await list_rows(conn, GivenUp, LIST_GIVEN_UP, *which, limit)


async def replay_one(conn: Connection, institution_id: int, event_id: int, now: datetime) -> int:
    """Due again; gives 1, or 0 for an unknown event."""
    return await execute(conn, REPLAY_ONE, institution_id, event_id, now)


async def replay_since(
    conn: Connection, institution_id: int, since: datetime, now: datetime
) -> int:
    """All that happened since are due again; gives how many."""
    return await execute(conn, REPLAY_SINCE, institution_id, since, now)
