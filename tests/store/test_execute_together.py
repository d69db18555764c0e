"""Reads and writes of several tables in one round trip: parameters keep to their own; writes all
or none."""

import asyncpg
import pytest

from service.kernel.database import Write, execute_together
from service.kernel.joined_reads import Read, read_together

MADE = (
    "create temporary table one (id int primary key, says text)",
    "create temporary table other (id int primary key, says text)",
)
INSERT_ONE = "insert into one (id, says) values ($1, $2) on conflict (id) do nothing"
INSERT_OTHER = "insert into other (id, says) values ($1, $2)"
INSERT_CHOSEN = """
with chosen as (
  select $1::int as id
)
insert into one (id, says)
select id, $2 from chosen
"""


@pytest.fixture
async def conn(connection: asyncpg.Connection) -> asyncpg.Connection:
    for statement in MADE:
        await connection.execute(statement)
    return connection


async def _said(conn: asyncpg.Connection) -> list[tuple[str, ...]]:
    return [tuple(row) for row in await conn.fetch("select 1 as at, id, says from one union all "
        "select 2, id, says from other order by 1, 2")]  # fmt: skip


@pytest.mark.parametrize("first", [INSERT_ONE, INSERT_CHOSEN])
async def test_each_statement_has_its_own_parameters(conn: asyncpg.Connection, first: str) -> None:
    others = (Write(INSERT_OTHER, (2, "b")), Write(INSERT_OTHER, (3, "c")))
    assert await execute_together(conn, Write(first, (1, "a")), *others) == 1
    assert await _said(conn) == [(1, 1, "a"), (2, 2, "b"), (2, 3, "c")]


async def test_more_than_nine_parameters_are_moved_whole(conn: asyncpg.Connection) -> None:
    many = "insert into one (id, says) select $10, concat($1::text, $2::text, $3::text, $4::text, "
    many += "$5::text, $6::text, $7::text, $8::text, $9::text, $11::text)"
    own = Write(many, (*"abcdefghi", 10, "k"))
    moved = Write(many.replace("into one", "into other"), (*"ABCDEFGHI", 20, "K"))
    assert await execute_together(conn, own, moved) == 1
    assert await _said(conn) == [(1, 10, "abcdefghik"), (2, 20, "ABCDEFGHIK")]


async def test_it_tells_how_many_rows_the_first_touched(conn: asyncpg.Connection) -> None:
    await execute_together(conn, Write(INSERT_ONE, (1, "a")), Write(INSERT_OTHER, (1, "b")))
    again = Write(INSERT_ONE, (1, "again"))
    assert await execute_together(conn, again, Write(INSERT_OTHER, (2, "c"))) == 0


async def test_what_one_of_them_may_not_write_none_writes(conn: asyncpg.Connection) -> None:
    await conn.execute(INSERT_OTHER, 7, "there")
    with pytest.raises(asyncpg.UniqueViolationError):
        async with conn.transaction():
            await execute_together(conn, Write(INSERT_ONE, (1, "a")), Write(INSERT_OTHER, (7, "b")))
    assert await _said(conn) == [(2, 7, "there")]


READ_ONE = "select id, says from one where id = $1 and says <> $2"
READ_BOTH = """
select one.id, other.id from one
left join other on other.id = one.id and other.says = $3 where one.id = $1 and one.says <> $2
"""
READ_MANY = "select other.id, says from other where other.id >= $1 and says < $2 order by other.id"


async def test_reads_keep_to_their_own_parameters_and_rows(conn: asyncpg.Connection) -> None:
    await conn.execute("insert into one (id, says) values (1, 'a')")
    await conn.execute("insert into other (id, says) values (1, 'b'), (2, 'c'), (3, 'z')")
    both, many = Read(READ_BOTH, (1, "x", "none"), 2), Read(READ_MANY, (1, "d"), 2, many=True)
    found = await read_together(conn, Read(READ_ONE, (1, "x"), 2), both, many)
    assert found == [[(1, "a")], [(1, None)], [(1, "b"), (2, "c")]]
    nothing = Read(READ_ONE, (1, "a"), 2)
    assert await read_together(conn, Read(READ_ONE, (1, "x"), 2), nothing) == [[(1, "a")], []]
    assert await read_together(conn, nothing, many) == [[], []]
