"""One effect and one answer for each idempotency key.

The key is claimed first, in a row of its own (its hash is its shard key), with a digest of the
input; then the work runs; then the answer is kept, sealed, and replayed byte for byte. A holder
that dies leaves a claim whose lease ends: the next caller with the key runs the work again, which
is why the work itself goes through compare-and-set on rows that carry the same key.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from crypto.sm3 import sm3
from service.kernel.clock import Clock
from service.kernel.database import Connection, claiming, connection, execute, find_row, insert_new
from service.kernel.pool import Pool
from service.kernel.problems import (
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    MalformedRequest,
    Problem,
    RequestInProgress,
)
from service.kernel.sealing import Sealer

LEASE = timedelta(seconds=30)
KEY_LENGTH_MAX = 64
KEEP = timedelta(days=7)

INSERT_CLAIM = """
insert into idempotency (key_hash, input_hash, lease_until, created_at)
values ($1, $2, $3, $4)
on conflict (key_hash) do nothing
"""
GET_CLAIM = """
select input_hash, lease_until, status, answer
from idempotency
where key_hash = $1
"""
TAKE_OVER = """
update idempotency
set lease_until = $2
where key_hash = $1 and status is null and lease_until = $3
"""
STORE_ANSWER = """
update idempotency
set status = $2, answer = $3
where key_hash = $1
"""
RELEASE = """
delete from idempotency
where key_hash = $1 and status is null and lease_until = $2
"""
DELETE_OLD = """
delete from idempotency
where created_at < $1
"""


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer as it is kept."""

    status: int
    body: bytes


class _Claim(msgspec.Struct, frozen=True):
    input_hash: bytes
    lease_until: datetime
    status: int | None
    answer: bytes | None


async def answer_once(
    pool: Pool,
    sealer: Sealer,
    clock: Clock,
    *,
    caller: str,
    operation: str,
    key: str | None,
    given: bytes,
    run: Callable[[], Awaitable[Answer]],
) -> Answer:
    """Run ``run`` once for (caller, operation, key) and give everybody its answer.

    Answers and final problems (not retryable, below 500) are kept for seven days; after a
    retryable problem or a fault the key is free again. Raises ``IdempotencyKeyMissing``,
    ``IdempotencyKeyReused`` (other ``given`` bytes) and ``RequestInProgress``.
    """
    key_hash = _key_hash(caller, operation, key)
    now = clock.now()
    found = await _claim(pool, now, key_hash, sm3(given))
    if found is not None:
        return Answer(found.status, sealer.open_local("idempotency", key_hash, found.body))
    try:
        answer = await run()
    except Problem as problem:
        if problem.retryable or problem.status >= 500:
            await _release(pool, key_hash, now + LEASE)
            raise
        kept = Answer(problem.status, msgspec.json.encode(problem.body("replayed")))
        await _store(pool, sealer, key_hash, kept)
        raise
    except BaseException:
        await _release(pool, key_hash, now + LEASE)
        raise
    await _store(pool, sealer, key_hash, answer)
    return answer


def checked_key(key: str | None) -> str:
    """The key as sent. Raises ``IdempotencyKeyMissing``, ``MalformedRequest``."""
    if not key:
        raise IdempotencyKeyMissing
    if len(key) > KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        raise MalformedRequest("Idempotency-Key: 1 to 64 printable ASCII characters")
    return key


def _key_hash(caller: str, operation: str, key: str | None) -> bytes:
    parts = [caller, operation, checked_key(key)]
    return sm3(b"\0".join(part.encode() for part in parts))


async def _claim(pool: Pool, now: datetime, key_hash: bytes, input_hash: bytes) -> Answer | None:
    """None when the caller now holds the key; the sealed answer when there is one."""
    async with claiming(pool) as conn:
        if await insert_new(conn, INSERT_CLAIM, key_hash, input_hash, now + LEASE, now):
            return None
        claim = await find_row(conn, _Claim, GET_CLAIM, key_hash)
        if claim is None:
            raise RequestInProgress(retry_after_s=1)
        if claim.input_hash != input_hash:
            raise IdempotencyKeyReused
        if claim.status is not None and claim.answer is not None:
            return Answer(claim.status, claim.answer)
        if claim.lease_until > now:
            raise RequestInProgress(retry_after_s=1)
        if await execute(conn, TAKE_OVER, key_hash, now + LEASE, claim.lease_until) != 1:
            raise RequestInProgress(retry_after_s=1)
        return None


async def _store(pool: Pool, sealer: Sealer, key_hash: bytes, answer: Answer) -> None:
    sealed = sealer.seal_local("idempotency", key_hash, answer.body)
    async with connection(pool) as conn:
        await execute(conn, STORE_ANSWER, key_hash, answer.status, sealed)


async def _release(pool: Pool, key_hash: bytes, lease_until: datetime) -> None:
    """Free the key, unless somebody took it over meanwhile."""
    async with claiming(pool) as conn:
        await execute(conn, RELEASE, key_hash, lease_until)


async def delete_old(conn: Connection, now: datetime) -> int:
    """Forget keys older than seven days."""
    return await execute(conn, DELETE_OLD, now - KEEP)
