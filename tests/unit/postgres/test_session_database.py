"""The databases tests get: migrated copies, apart from each other, gone afterwards."""

import asyncpg

from tests.support.database import DatabaseServer


async def _schema(connection: asyncpg.Connection) -> None:
    await connection.execute("create table marker (n bigint primary key)")
    await connection.execute("insert into marker values (7)")


async def test_copies_of_a_template_are_apart(postgres: DatabaseServer) -> None:
    template = await postgres.make_template(_schema)
    try:
        async with postgres.database(template) as one, postgres.database(template) as other:
            first, second = await asyncpg.connect(one), await asyncpg.connect(other)
            await first.execute("delete from marker")
            assert await first.fetchval("select count(*) from marker") == 0
            assert await second.fetchval("select n from marker") == 7
            # Left open on purpose: dropping ends the sessions of a failed test.
            await first.close()
            second.terminate()
    finally:
        await postgres.drop(template)


async def test_a_database_is_gone_afterwards(postgres: DatabaseServer) -> None:
    async with postgres.database() as dsn:
        await (await asyncpg.connect(dsn)).close()
    name = dsn.partition("@/")[2].partition("?")[0]
    admin = await asyncpg.connect(postgres.admin_dsn)
    known = await admin.fetchval("select count(*) from pg_database where datname = $1", name)
    await admin.close()
    assert known == 0
