"""Events between features: written with the change that causes them, delivered at least once.

A handler must be idempotent: it acts through compare-and-set on its own rows.
"""

from datetime import datetime

import msgspec

from service.kernel.database import Connection, list_rows, write
from service.kernel.ids import IdSource

INSERT_EVENT = """
insert into outbox (record_id, event_id, topic, subject_id, body, created_at, due_at, attempts)
values ($1, $2, $3, $4, $5, $6, $6, 0)
"""
LIST_DUE = """
select record_id, event_id, topic, subject_id, body, attempts
from outbox
where done_at is null and due_at <= $1
  and (lease_until is null or lease_until < $1)
order by due_at
limit $2
"""
OLDEST_DUE = """
select min(due_at) from outbox where done_at is null and due_at <= $1
"""
COUNT_WAITING = """
select count(*) as waiting, count(*) filter (where attempts > 1) as failing,
  coalesce(max(attempts), 0) as most_attempts
from outbox
where done_at is null
"""
CLAIM_EVENT = """
update outbox
set lease_token = $4, lease_until = $5, attempts = attempts + 1
where record_id = $1 and event_id = $2 and attempts = $3 and done_at is null
"""
FINISH_EVENT = """
update outbox
set done_at = $4, lease_token = null, lease_until = null
where record_id = $1 and event_id = $2 and lease_token = $3
"""
POSTPONE_EVENT = """
update outbox
set due_at = $4, lease_token = null, lease_until = null
where record_id = $1 and event_id = $2 and lease_token = $3
"""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to ``subject_id``, a row of the shard ``record_id``."""

    record_id: int
    event_id: int
    topic: str
    subject_id: int
    body: dict[str, str | int | bool | None]
    attempts: int


class Waiting(msgspec.Struct, frozen=True):
    """Events that no handler has taken yet; ``failing`` were tried before."""

    waiting: int
    failing: int
    most_attempts: int


async def count_waiting(conn: Connection) -> Waiting:
    """How far the hearing lags behind the telling."""
    (found,) = await list_rows(conn, Waiting, COUNT_WAITING)
    return found


async def append(
    conn: Connection,
    ids: IdSource,
    now: datetime,
    *,
    record_id: int,
    topic: str,
    subject_id: int,
    body: dict[str, str | int | bool | None],
) -> None:
    """Write an event inside the caller's transaction. ``body`` never holds personal data."""
    await write(conn, INSERT_EVENT, record_id, ids.new(), topic, subject_id, body, now)


async def list_due(conn: Connection, now: datetime, limit: int) -> list[Event]:
    """Events that nobody holds and that are due."""
    return await list_rows(conn, Event, LIST_DUE, now, limit)
