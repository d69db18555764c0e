"""Fixtures every kind of test may use: one server a process, one database a module.

And how ``make test`` spreads a run over processes.
"""

import importlib
import importlib.util
import os
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.support.database import DatabaseServer, Migrate, database_server
from tests.support.spread import Spread, is_one_file, put_in_order

MORE_THAN_CORES = 2
"""Many tests wait for other processes and browsers; two more test processes use that time."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What ``-n auto`` means here."""
    return 0 if is_one_file(config.args) else (os.cpu_count() or 1) + MORE_THAN_CORES


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spread:
    """Our own spreading."""
    return Spread(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a spread run, the order in which files are handed out."""
    if hasattr(config, "workerinput"):
        put_in_order(items)


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[DatabaseServer]:
    """The PostgreSQL server of this process; started by the first test that needs it."""
    async with database_server(os.environ) as server:
        yield server


@pytest.fixture(scope="session")
async def migrated(postgres: DatabaseServer) -> AsyncIterator[str]:
    """The name of a template database with the whole schema."""
    if importlib.util.find_spec("service.kernel.migrate") is None:
        pytest.skip("service.kernel.migrate is not built yet")
    migrate: Migrate = importlib.import_module("service.kernel.migrate").migrate
    name = await postgres.make_template(migrate)
    yield name
    await postgres.drop(name)


@pytest.fixture(scope="module")
async def fresh_database(postgres: DatabaseServer, migrated: str) -> AsyncIterator[str]:
    """The address of a migrated database of this module alone."""
    async with postgres.database(migrated) as dsn:
        yield dsn


@pytest.fixture
async def connection(fresh_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that is rolled back after the test."""
    opened = await asyncpg.connect(fresh_database)
    transaction = opened.transaction()
    await transaction.start()
    try:
        yield opened
    finally:
        await transaction.rollback()
        await opened.close()
