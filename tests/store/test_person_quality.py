"""What the matcher is worth by stewards' rulings, and what it asks them, by source."""

from collections.abc import AsyncIterator

import pytest

from service.commands.person_quality import described
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import RowTampered
from service.person import merging, quality
from service.person.model import Source
from tests.support.app import a_context
from tests.support.database import DatabaseServer
from tests.support.fakes_identity import POLICY
from tests.support.index_steps import BY, register, tick

WINDOW, LEGACY, READER = Source.WINDOW, Source.LEGACY, Source.READER


@pytest.fixture
async def ctx(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Context]:
    """Over a database of this test alone: all of the index counts."""
    async with postgres.database(migrated) as dsn, a_context(dsn, policy=POLICY) as opened:
        yield opened


async def test_an_empty_index_has_figures_too(ctx: Context) -> None:
    found = await quality.measure(ctx)
    assert (found.pairs, found.loads) == ({}, [])
    assert "none" in described(found)


async def test_ruled_pairs_are_judged_again_as_if_nobody_had_ruled(ctx: Context) -> None:
    known = await register(ctx, 1)
    again = await register(ctx, 1, source=LEGACY)  # the matcher's own match
    asked = await register(ctx, 1, "王某人", READER)  # one number, two names: asked
    other = await register(ctx, 2, "李某人")  # somebody else
    await merging.say_same(ctx, known.record_id, again.record_id, BY)
    await merging.say_same(ctx, known.record_id, asked.record_id, BY)
    await merging.keep_apart(ctx, again.record_id, other.record_id, BY)
    far = await register(ctx, 3, "赵某人")
    await merging.say_same(ctx, known.record_id, far.record_id, BY)  # a steward who errs
    found = await quality.measure(ctx)
    assert found.pairs == {
        (LEGACY, WINDOW): quality.Tally(same_matched=1, different_apart=1),
        (READER, WINDOW): quality.Tally(same_asked=1),
        (WINDOW, WINDOW): quality.Tally(same_missed=1),
    }
    legacy = found.pairs[LEGACY, WINDOW]
    assert (legacy.precision, legacy.recall, legacy.matched_or_asked) == (1, 1, 1)
    reader = found.pairs[READER, WINDOW]
    assert (reader.precision, reader.recall, reader.matched_or_asked) == (None, 0, 1)
    assert {one.source: (one.registrations, one.asked) for one in found.loads} == {
        LEGACY: (1, 0),
        READER: (1, 1),
        WINDOW: (3, 0),
    }
    assert "王" not in described(found)


async def test_a_withdrawn_ruling_does_not_count_and_a_forged_one_is_refused(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 1, source=LEGACY)
    await merging.say_same(ctx, one.record_id, two.record_id, BY)
    await merging.withdraw_ruling(ctx, one.record_id, two.record_id, BY)
    assert (await quality.measure(ctx)).pairs == {}
    tick(ctx)
    await merging.say_same(ctx, one.record_id, two.record_id, BY)
    async with connection(ctx.pool) as conn:
        await conn.execute("update assertion set verdict = 'DIFFERENT' where withdrawn_at is null")
    with pytest.raises(RowTampered):
        await quality.measure(ctx)


async def test_every_page_of_rulings_is_read(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "RULINGS_EACH", 2)
    one = await register(ctx, 1)
    for _ in range(5):
        await merging.say_same(
            ctx, one.record_id, (await register(ctx, 1, source=LEGACY)).record_id, BY
        )
    assert (await quality.measure(ctx)).pairs == {(LEGACY, WINDOW): quality.Tally(same_matched=5)}
