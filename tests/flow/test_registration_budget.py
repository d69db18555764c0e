"""What one registration sends to the database: a budget, so that it cannot creep back.

Every statement, begin and commit counts, the claim on its keys among them.
"""

import msgspec

from service.kernel.context import Context
from service.kernel.database import connection
from service.person import actions
from service.person.model import Registration, Source
from tests.support.app import a_context
from tests.support.counted import CountedPool
from tests.support.fakes_identity import POLICY

NEW, KNOWN = 9, 16


def _registration(name: str, born: str, phone: str) -> Registration:
    return Registration(
        source=Source.WINDOW,
        institution_id=1,
        name=name,
        id_type="01",
        id_no=None,
        sex="1",
        birth_date=born,
        phone=phone,
    )


async def _sent(ctx: Context, registration: Registration) -> list[str]:
    """What registering sends, by a process that opened no key of the records before."""
    pool = CountedPool(ctx.pool)
    await actions.register(msgspec.structs.replace(ctx, pool=pool), registration)
    return pool.sent


async def test_a_registration_keeps_to_its_budget(fresh_database: str) -> None:
    async with a_context(fresh_database, policy=POLICY) as ctx:
        first = _registration("测试甲", "1980-05-01", "13900000001")
        sent = await _sent(ctx, first)
        assert len(sent) <= NEW, sent
        sent = await _sent(ctx, first)
        assert len(sent) <= KNOWN, sent
        async with connection(ctx.pool) as conn:
            assert await conn.fetchval("select count(*) from person") == 1


async def test_the_records_that_it_meets_cost_no_statement_each(fresh_database: str) -> None:
    async with a_context(fresh_database, policy=POLICY) as ctx:
        again = _registration("测试乙", "1975-02-03", "13900000002")
        for _ in range(5):
            await actions.register(ctx, again)
    async with a_context(fresh_database, policy=POLICY, ring=ctx.ring) as ctx:
        sent = await _sent(ctx, again)
        assert len(sent) <= KNOWN, sent
