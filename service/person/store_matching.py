"""SQL of match keys: claims on them, and the records that they lead to."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from service.kernel.database import Connection, execute

CLAIM = """
insert into match_claim (blind_key, token, until)
select asked.blind_key, $2::bytea, $3::timestamptz
from unnest($1::bytea[]) as asked (blind_key)
order by asked.blind_key
on conflict (blind_key) do update
set token = excluded.token, until = excluded.until
where match_claim.until < $4
"""
RELEASE_CLAIM = """
delete from match_claim
where blind_key = any($1::bytea[]) and token = $2
"""
LIST_MET = """
select met.record_id
from unnest($1::bytea[], $2::smallint[]) as asked (blind_key, kind)
join match_key_count as counted
  on counted.blind_key = asked.blind_key and counted.kind = asked.kind and counted.members <= $3
join match_key as met on met.blind_key = asked.blind_key and met.kind = asked.kind
group by met.record_id
order by bool_or(met.kind = $4) desc, count(*) desc, met.record_id
limit $5
"""
INSERT_KEYS = """
with added as (
  insert into match_key (blind_key, kind, key_version, record_id, created_at)
  select given.blind_key, given.kind, $3::smallint, $4::bigint, $5::timestamptz
  from unnest($1::bytea[], $2::smallint[]) as given (blind_key, kind)
  on conflict (blind_key, kind, record_id) do nothing
  returning blind_key, kind
)
insert into match_key_count (blind_key, kind, members)
select added.blind_key, added.kind, 1
from added
where not exists (
  select 1
  from match_key_count as crowded
  where crowded.blind_key = added.blind_key and crowded.kind = added.kind and crowded.members > $6
)
order by added.blind_key, added.kind
on conflict (blind_key, kind) do update
set members = match_key_count.members + 1
"""


class BlindKey(msgspec.Struct, frozen=True, order=True):
    """A match key as it is stored."""

    blind: bytes
    kind: int


async def claim(
    conn: Connection, blind_keys: Sequence[bytes], token: bytes, now: datetime, until: datetime
) -> bool:
    """Hold all of the keys until ``until``; False while somebody else holds one: then none is."""
    if await execute(conn, CLAIM, blind_keys, token, until, now) == len(blind_keys):
        return True
    await execute(conn, RELEASE_CLAIM, blind_keys, token)
    return False


async def release_claim(conn: Connection, blind_keys: Sequence[bytes], token: bytes) -> bool:
    """Give the hold up; False when any was lost to somebody else meanwhile."""
    return await execute(conn, RELEASE_CLAIM, blind_keys, token) == len(blind_keys)


async def list_met(
    conn: Connection, keys: Sequence[BlindKey], *, shared_max: int, best_kind: int, limit: int
) -> list[int]:
    """Records with one of these keys: those of ``best_kind`` first, then those that share most. A
    key of more than ``shared_max`` records leads to none; the others go on."""
    rows = await conn.fetch(LIST_MET, *_columns(keys), shared_max, best_kind, limit)
    return [row["record_id"] for row in rows]


async def insert_keys(
    conn: Connection,
    keys: Sequence[BlindKey],
    *,
    key_version: int,
    record_id: int,
    shared_max: int,
    now: datetime,
) -> None:
    """A record's match keys, counted. What leads nowhere any more is not counted on, so that those
    who share it do not wait for each other."""
    await execute(conn, INSERT_KEYS, *_columns(keys), key_version, record_id, now, shared_max)


def _columns(keys: Sequence[BlindKey]) -> tuple[list[bytes], list[int]]:
    return [one.blind for one in keys], [one.kind for one in keys]
