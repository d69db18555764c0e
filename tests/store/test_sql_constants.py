"""Every SQL constant of the service is prepared against the migrated schema."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import asyncpg
import pytest

import service

_SQL = re.compile(r"\s*(select|insert|update|delete|with)\s", re.IGNORECASE)


def sql_constants() -> Iterator[tuple[str, str]]:
    """(module.NAME, text) of every upper-case SQL constant in stores and kernel modules."""
    for module in pkgutil.walk_packages(service.__path__, "service."):
        last = module.name.rpartition(".")[2]
        if not (last.startswith("store") or module.name.startswith("service.kernel.")):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.isupper() and isinstance(value, str) and _SQL.match(value):
                yield f"{module.name}.{name}", value


CONSTANTS = dict(sql_constants())


def test_there_are_constants_to_check() -> None:
    assert len(CONSTANTS) > 30


@pytest.mark.parametrize("name", sorted(CONSTANTS))
async def test_a_constant_fits_the_schema(name: str, fresh_database: str) -> None:
    conn = await asyncpg.connect(fresh_database)
    try:
        await conn.prepare(CONSTANTS[name])
    finally:
        await conn.close()
