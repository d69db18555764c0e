"""What a transaction writes goes in one statement where that is atomic, and is no less guarded."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from integrations.ports.outcalls import transaction_open
from service.kernel.database import (
    UNAVAILABLE,
    connection,
    execute,
    open_pool,
    transaction,
    write,
)
from service.kernel.transactions import Pending, Transaction, grouped
from tests.support.counted import CountedPool

DROP = "drop table if exists one, other, third"
MADE = (
    "create table one (id bigint, place int, says text, primary key (id, place))",
    "create table other (id bigint primary key, says text)",
    "create table third (id bigint primary key)",
)
INSERT_ONE = "insert into one (id, place, says) values ($1, $2, $3) on conflict do nothing"
INSERT_OTHER = "insert into other (id, says) values ($1, $2)"
SAY = "update one set says = $3 where id = $1 and place = $2"
SAY_OF = "update one set says = $3 where id = $1 and place = $2 and says = $4"
SAY_OTHER = "update other set says = $2 where id = $1 and says = $3"
INSERT_THIRD = "insert into third (id) values ($1) on conflict do nothing"
ONE = "select says from one where id = $1 order by place"
OTHERS = "select id, says from other order by id"


class Lost(Exception):
    """Somebody was faster."""


@pytest.fixture
async def pool(fresh_database: str) -> AsyncIterator[Any]:
    bare = await open_pool(fresh_database, size=2, application="test")
    async with bare.acquire() as conn:
        for sql in (DROP, *MADE):
            await conn.execute(sql)
    yield CountedPool(bare)
    async with bare.acquire() as conn:
        await conn.execute(DROP)
    await bare.close()


async def _said(pool: Any, number: int = 1) -> list[str]:
    async with pool.acquire() as conn:
        return [row["says"] for row in await conn.fetch(ONE, number)]


@pytest.mark.parametrize("verb", [write, execute])
async def test_a_block_that_stood_still_for_too_long_writes_nothing(pool: Any, verb: Any) -> None:
    """The server ends an idle transaction of its own; of a block that only read it knows none."""

    async def stand_still() -> None:
        async with Transaction(connection(pool), quiet_s=0.05) as conn:
            await conn.fetch(ONE, 1)
            await asyncio.sleep(0.1)
            await verb(conn, INSERT_ONE, 1, 1, "a")

    with pytest.raises(UNAVAILABLE):
        await stand_still()
    assert await _said(pool) == []


async def test_what_is_only_written_goes_in_one_statement(pool: Any) -> None:
    async with transaction(pool) as conn:
        assert transaction_open.get()
        await write(conn, INSERT_ONE, 1, 1, "a", otherwise=Lost())
        await write(conn, INSERT_ONE, 1, 2, "b")
        assert [row["id"] for row in await conn.fetch(OTHERS)] == []
        await write(conn, INSERT_OTHER, 1, "c")
    assert not transaction_open.get()
    assert pool.verbs == ["select", "with"]
    assert await _said(pool) == ["a", "b"]


async def test_one_write_goes_as_it_is(pool: Any) -> None:
    async with transaction(pool) as conn:
        await write(conn, INSERT_ONE, 1, 1, "a", otherwise=Lost())
    assert pool.verbs == ["insert"]


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize("begun", [False, True])
async def test_a_guard_that_touches_nothing_undoes_all_of_it(
    pool: Any, lost: int, *, begun: bool
) -> None:
    async with pool.acquire() as conn:
        await conn.execute(INSERT_ONE, 1, 1, "a")
        await conn.execute(INSERT_OTHER, 1, "a")
        if lost == 2:
            await conn.execute(INSERT_THIRD, 1)
    faults = [Lost(str(number)) for number in range(3)]

    async def change() -> None:
        async with transaction(pool) as conn:
            if begun:
                assert await execute(conn, INSERT_ONE, 1, 2, "x") == 1
            await write(conn, SAY_OF, 1, 1, "new", "b" if lost == 0 else "a", otherwise=faults[0])
            was = "b" if lost == 1 else "a"
            await write(conn, SAY_OTHER, 1, "new", was, otherwise=faults[1])
            await write(conn, INSERT_THIRD, 1, otherwise=faults[2])

    pool.sent.clear()
    with pytest.raises(Lost) as caught:
        await change()
    assert caught.value is faults[lost]
    assert pool.verbs == (["begin", "insert", "with", "rollback"] if begun else ["with"])
    assert await _said(pool) == ["a"]
    async with pool.acquire() as conn:
        assert [row["says"] for row in await conn.fetch(OTHERS)] == ["a"]


async def test_a_block_sees_what_it_wrote(pool: Any) -> None:
    async with transaction(pool) as conn:
        await write(conn, INSERT_ONE, 1, 1, "a")
        assert [row["says"] for row in await conn.fetch(ONE, 1)] == ["a"]
        await write(conn, SAY, 1, 1, "b")
        await write(conn, SAY, 1, 1, "c", otherwise=Lost())
    assert pool.verbs == ["begin", "insert", "select", "update", "update", "commit"]
    assert await _said(pool) == ["c"]


async def test_a_lock_is_held_until_the_end(pool: Any) -> None:
    async with pool.acquire() as conn:
        await conn.execute(INSERT_ONE, 1, 1, "a")
    pool.sent.clear()
    async with transaction(pool) as conn:
        await conn.fetchrow("select says from one where id = $1 for update", 1)
        await write(conn, SAY, 1, 1, "b")
        async with pool.acquire() as other:
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other.fetchrow("select says from one where id = $1 for update nowait", 1)
    assert pool.verbs == ["begin", "select", "select", "update", "commit"]


@pytest.mark.parametrize("sql", [ONE, "select says from one where id = $1 for share"])
async def test_a_fault_in_the_block_writes_nothing(pool: Any, sql: str) -> None:
    async def fail() -> None:
        async with transaction(pool) as conn:
            await write(conn, INSERT_ONE, 1, 1, "a")
            await conn.fetch(sql, 1)
            await write(conn, INSERT_OTHER, 1, "x")
            raise Lost

    with pytest.raises(Lost):
        await fail()
    assert await _said(pool) == []


def test_no_row_twice_and_one_distribution_key_in_a_statement() -> None:
    def shapes(*writes: tuple[str, int]) -> list[list[str]]:
        made = grouped([Pending(sql, (key,), None) for sql, key in writes])
        return [[one.sql for one in group] for group in made]

    assert shapes((SAY, 1), (INSERT_OTHER, 2), (INSERT_OTHER, 1)) == [
        [SAY, INSERT_OTHER],
        [INSERT_OTHER],
    ]
    assert shapes((INSERT_ONE, 1), (INSERT_ONE, 1), (SAY, 1)) == [[INSERT_ONE, INSERT_ONE], [SAY]]
    assert shapes((SAY, 1), (SAY, 1)) == [[SAY], [SAY]]
    assert shapes((SAY, 1), (INSERT_ONE, 1)) == [[SAY], [INSERT_ONE]]


KEEP_ONE = "create unique index one_live on one (id) where says <> 'over'"


async def test_a_new_row_takes_the_place_that_a_guarded_change_leaves(pool: Any) -> None:
    async with pool.acquire() as conn:
        await conn.execute(KEEP_ONE)
        await conn.execute("insert into one (id, place, says) values (1, 1, 'live')")

    async def replace(place: int, was: str, now: str) -> None:
        async with transaction(pool) as conn:
            await write(conn, SAY_OF, 1, place, now, was, otherwise=Lost())
            await write(conn, INSERT_ONE, 1, place + 1, "live", otherwise=LookupError())

    pool.sent.clear()
    await replace(1, "live", "over")
    assert pool.verbs == ["with"]
    assert await _said(pool) == ["over", "live"]
    with pytest.raises(Lost):
        await replace(1, "live", "over")
    with pytest.raises(LookupError):
        await replace(2, "live", "still live")
    assert await _said(pool) == ["over", "live"]


@pytest.mark.parametrize("sql", ["select 1", SAY + " returning 1", "with x as (select 1) " + SAY])
def test_only_plain_changes_are_put_together(sql: str) -> None:
    with pytest.raises(ValueError, match="insert, update or delete"):
        grouped([Pending(SAY, (1,), None), Pending(sql, (1,), None)])
