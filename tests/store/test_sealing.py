"""Sealed columns open only at their place; a row changed by SQL is refused."""

from collections.abc import AsyncIterator

import pytest

from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.problems import InvariantBroken, NotFound, RowTampered
from service.kernel.short_memory import LIFE
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.patients import name_patient


@pytest.fixture
async def ctx(fresh_database: str) -> AsyncIterator[Context]:
    async with a_context(fresh_database) as ctx:
        yield ctx


async def test_a_column_opens_only_at_its_place(ctx: Context) -> None:
    async with transaction(ctx.pool) as conn:
        key = await ctx.sealer.new_record_key(conn, 21, ctx.clock.now())
    sealed = ctx.sealer.seal(key, "bill", "sealed", 5, b"lines")
    assert ctx.sealer.open(key, "bill", "sealed", 5, sealed) == b"lines"
    for table, column, row in (("bill", "sealed", 6), ("bill", "other", 5), ("scan", "sealed", 5)):
        with pytest.raises(RowTampered):
            ctx.sealer.open(key, table, column, row, sealed)


async def test_a_record_has_one_key_and_without_it_nothing_opens(ctx: Context) -> None:
    async with transaction(ctx.pool) as conn:
        await ctx.sealer.new_record_key(conn, 22, ctx.clock.now())
    with pytest.raises(InvariantBroken):
        async with transaction(ctx.pool) as conn:
            await ctx.sealer.new_record_key(conn, 22, ctx.clock.now())
    async with connection(ctx.pool) as conn:
        with pytest.raises(NotFound):
            await ctx.sealer.record_key(conn, 23)


async def test_an_institution_changed_by_sql_is_refused(ctx: Context) -> None:
    row = await institution.enrol_institution(
        ctx,
        NewInstitution(
            code="H99000100077",
            name="测试医院",
            insurance_region="990001",
            level=2,
            moved_amounts=MovedAmounts.UNDO,
        ),
    )
    assert (await institution.get_institution(ctx, row.institution_id)).level == 2
    async with connection(ctx.pool) as conn:
        await conn.execute(
            "update institution set level = 3 where institution_id = $1", row.institution_id
        )
    # What is kept for two seconds is what was checked before the change.
    assert (await institution.get_institution(ctx, row.institution_id)).level == 2
    assert isinstance(ctx.clock, FakeClock)
    ctx.clock.advance(LIFE)
    with pytest.raises(RowTampered):
        await institution.get_institution(ctx, row.institution_id)


async def test_each_institution_has_its_own_name_for_a_record(ctx: Context) -> None:
    async with transaction(ctx.pool) as conn:
        mine = await name_patient(conn, ctx, 1, 99)
        theirs = await name_patient(conn, ctx, 2, 99)
    assert mine != theirs
    assert await institution.find_patient(ctx, 1, mine) == 99
    for foreign in (theirs, "zz", "00" * 16):
        with pytest.raises(NotFound):
            await institution.find_patient(ctx, 1, foreign)


async def test_message_numbers_are_never_given_twice(ctx: Context) -> None:
    async with connection(ctx.pool) as conn:
        taken = [await institution.take_message_no(conn, ctx, "H99000100077") for _ in range(300)]
    assert len(set(taken)) == 300
    assert all(len(number) == 30 and number.startswith("H99000100077") for number in taken)
