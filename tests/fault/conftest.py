"""What simulated worlds stand on."""

from collections.abc import AsyncIterator

import pytest

from service.kernel.database import open_pool
from service.simulate.world import Grounds, make_grounds


@pytest.fixture
async def grounds(fresh_database: str) -> AsyncIterator[Grounds]:
    pool = await open_pool(fresh_database, size=16, application="simulate")
    try:
        yield make_grounds(pool)
    finally:
        await pool.close()
