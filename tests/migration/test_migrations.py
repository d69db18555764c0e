"""Migrations: from nothing to the newest schema, once; changed or foreign files are refused."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.kernel.migrate import MIGRATIONS, MigrationRefused, migrate, read_migrations
from tests.support.clock import FakeClock
from tests.support.database import DatabaseServer


@pytest.fixture
async def empty(postgres: DatabaseServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database without any table."""
    async with postgres.database() as dsn:
        conn = await asyncpg.connect(dsn)
        yield conn
        await conn.close()


async def test_an_empty_database_gets_everything_and_a_second_run_nothing(
    empty: asyncpg.Connection,
) -> None:
    assert await migrate(empty, FakeClock()) == len(read_migrations())
    assert await migrate(empty, FakeClock()) == 0
    tables = await empty.fetchval(
        "select count(*) from information_schema.tables where table_schema = 'public'"
    )
    assert tables > 30


async def test_a_file_changed_after_it_was_applied_is_refused(
    empty: asyncpg.Connection, tmp_path: Path
) -> None:
    first = tmp_path / "0001_first.sql"
    first.write_text("create table a (id bigint primary key)\n")
    await migrate(empty, FakeClock(), tmp_path)
    first.write_text("create table b (id bigint primary key)\n")
    with pytest.raises(MigrationRefused, match="changed after"):
        await migrate(empty, FakeClock(), tmp_path)


async def test_a_database_newer_than_the_program_is_refused(
    empty: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "0001_first.sql").write_text("create table a (id bigint primary key)\n")
    (tmp_path / "0002_second.sql").write_text("create table b (id bigint primary key)\n")
    await migrate(empty, FakeClock(), tmp_path)
    (tmp_path / "0002_second.sql").unlink()
    with pytest.raises(MigrationRefused, match="newer than this program"):
        await migrate(empty, FakeClock(), tmp_path)


async def test_a_failing_file_leaves_nothing_behind(
    empty: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "0001_first.sql").write_text(
        "create table a (id bigint primary key)\n-- ;;\ncreate table a (id bigint primary key)\n"
    )
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(empty, FakeClock(), tmp_path)
    assert await empty.fetchval("select to_regclass('a')") is None


@pytest.mark.parametrize("name", ["1_first.sql", "0002_second.sql", "0001-first.sql"])
def test_badly_named_files_and_gaps_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("select 1\n")
    with pytest.raises(MigrationRefused):
        read_migrations(tmp_path)


def test_every_file_says_why_it_is_there() -> None:
    for path in sorted(MIGRATIONS.glob("*.sql")):
        assert path.read_text("utf-8").startswith("-- "), path.name
