"""The pool of connections: bounded, in line, and nothing broken is handed on."""

import asyncio

import asyncpg
import pytest

from service.kernel.database import UNAVAILABLE, claiming, open_pool, transaction
from service.kernel.pool import Pool


async def test_no_more_than_its_size_and_who_waits_too_long_is_told(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=2, application="test")
    async with pool.acquire() as one, pool.acquire() as other:
        assert one is not other
        with pytest.raises(TimeoutError):
            async with pool.acquire(timeout=0.05):
                pass
    async with pool.acquire(timeout=0.05) as again:
        assert again in {one, other}
    await pool.close()


async def test_who_waits_in_line_is_given_what_comes_back(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=1, application="test")

    async def ask() -> int:
        async with pool.acquire(timeout=5) as conn:
            return int(await conn.fetchval("select pg_backend_pid()"))

    assert len(set(await asyncio.gather(*(ask() for _ in range(20))))) == 1
    await pool.close()


async def test_a_connection_the_server_ended_is_not_given_out(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=2, application="test")
    async with pool.acquire() as one, pool.acquire() as other:
        ended = await one.fetchval("select pg_backend_pid()")
        await other.execute("select pg_terminate_backend($1)", ended)
        with pytest.raises(UNAVAILABLE):
            await one.execute("select 1")
    for _ in range(3):
        async with pool.acquire() as conn:
            assert await conn.fetchval("select pg_backend_pid()") != ended
    await pool.close()


async def test_a_connection_with_a_statement_given_up_is_closed(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=1, application="test")
    with pytest.raises(TimeoutError):
        async with pool.acquire() as slow, asyncio.timeout(0.05):
            await slow.execute("select pg_sleep(5)")
    assert slow.is_closed()
    async with pool.acquire(timeout=1) as conn:
        assert await conn.fetchval("select 1") == 1
    await pool.close()


async def test_a_transaction_left_open_is_never_inherited(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=1, application="test")
    async with pool.acquire() as careless:
        await careless.execute("begin")
    async with pool.acquire() as conn:
        assert not conn.is_in_transaction()
    await pool.close()


async def test_a_connection_serves_again_after_a_refused_transaction(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=1, application="test")
    async with pool.acquire() as conn:
        served = await conn.fetchval("select pg_backend_pid()")
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with transaction(pool) as refused:
            await refused.execute("select 1 / 0")
    async with pool.acquire() as same:
        assert await same.fetchval("select pg_backend_pid()") == served
        assert not same.is_in_transaction()
    await pool.close()


async def test_a_place_is_free_again_when_the_server_cannot_be_reached(
    fresh_database: str,
) -> None:
    away = True

    async def connect(_durable: bool) -> asyncpg.Connection:
        if away:
            raise ConnectionRefusedError
        return await asyncpg.connect(fresh_database)

    pool = Pool(connect, 1)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            async with pool.acquire(timeout=0.05):
                pass
    away = False
    async with pool.acquire(timeout=0.05) as conn:
        assert await conn.fetchval("select 1") == 1
    await pool.close()


async def _waiting(dsn: str, wanted: int) -> bool:
    """Whether so many statements wait for a lock, now or within two seconds."""
    asked = (
        "select count(*) from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )
    conn = await asyncpg.connect(dsn)
    try:
        for _ in range(200):
            if await conn.fetchval(asked) == wanted:
                return True
            await asyncio.sleep(0.01)
        return False
    finally:
        await conn.close()


@pytest.mark.parametrize("way", ["cancelled", "timeout"])
async def test_what_was_told_to_have_failed_stays_undone(fresh_database: str, way: str) -> None:
    pool = await open_pool(fresh_database, size=3, application="test")
    async with pool.acquire() as conn:
        await conn.execute("drop table if exists counted; create table counted (n int)")
        await conn.execute("insert into counted values (0)")

    async def count(timeout_s: float | None) -> None:
        async with pool.acquire() as conn:
            await conn.execute("update counted set n = n + 1", timeout=timeout_s)

    async with transaction(pool) as holder:
        await holder.execute("update counted set n = n")
        for _ in range(4):
            if way == "timeout":
                with pytest.raises(TimeoutError):
                    await count(0.2)
            else:
                task = asyncio.create_task(count(None))
                assert await _waiting(fresh_database, 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await _waiting(fresh_database, 0)
    async with pool.acquire() as conn:
        assert await conn.fetchval("select n from counted") == 0
    await pool.close()


async def test_the_server_ends_a_statement_by_itself(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=1, application="test")
    async with pool.acquire() as conn:
        assert await conn.fetchval("show statement_timeout") == "20s"
    await pool.close()


async def test_a_commit_waits_for_the_disk_unless_it_only_claims(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=2, application="test")
    for _ in range(2):
        async with pool.acquire() as durable, claiming(pool) as claim:
            assert await durable.fetchval("show synchronous_commit") == "on"
            assert await claim.fetchval("show synchronous_commit") == "off"
    await pool.close()


async def test_a_crowd_of_claims_and_work_opens_each_connection_once(fresh_database: str) -> None:
    """Under one bound for both kinds each would close the other's connections to open its own."""
    pool = await open_pool(fresh_database, size=4, application="bounded")
    served: set[int] = set()

    async def claim_then_work() -> None:
        for _ in range(20):
            async with claiming(pool) as claim:
                served.add(await claim.fetchval("select pg_backend_pid()"))
            async with pool.acquire() as conn:
                served.add(await conn.fetchval("select pg_backend_pid()"))

    await asyncio.gather(*(claim_then_work() for _ in range(12)))
    assert len(served) <= 4 + 1
    await pool.close()


async def test_each_kind_has_its_bound(fresh_database: str) -> None:
    pool = await open_pool(fresh_database, size=2, application="bounded")
    async with pool.acquire(), pool.acquire(), claiming(pool):
        for durable in (True, False):
            with pytest.raises(TimeoutError):
                async with pool.acquire(timeout=0.05, durable=durable):
                    pass
    await pool.close()
