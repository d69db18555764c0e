"""Persons merged, un-merged, kept apart, said to be the same; and all of it undone."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.problems import NotFound, RowTampered, StateConflict
from service.person import actions, history, merging, moving, rules, store
from service.person.model import DecisionKind, Source
from service.person.model_merging import SYSTEM, Grounds, RulingVerdict
from tests.support.app import a_context
from tests.support.database import DatabaseServer
from tests.support.fakes_identity import POLICY
from tests.support.index_state import State, check_invariants, state_of
from tests.support.index_steps import BY, register, tick

RULED = Grounds(actor=BY.by, reason=BY.because, model=merging.STEWARD, bits={})
ALONE = Grounds(actor=SYSTEM, reason="test", model="test-1", bits={})


@pytest.fixture
async def ctx(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Context]:
    """Over a database of this test alone: its whole state is looked at."""
    async with postgres.database(migrated) as dsn, a_context(dsn, policy=POLICY) as opened:
        yield opened


async def checked(ctx: Context) -> State:
    """The state of the index, all of whose invariants hold; a moment later."""
    tick(ctx)
    await check_invariants(ctx)
    return await state_of(ctx)


async def test_merge_moves_every_record_and_un_merge_brings_each_back(ctx: Context) -> None:
    one = await register(ctx, 1, phone="13912345678")
    two = await register(ctx, None, "测试乙", Source.READER)
    three = await register(ctx, 1, "测试甲", Source.LEGACY)
    before = await checked(ctx)
    change = await merging.merge(ctx, one.person_id, two.person_id, BY)
    assert (change.kind, change.person_id) == (DecisionKind.MERGE, one.person_id)
    assert set(await actions.list_records(ctx, two.record_id)) == {
        one.record_id,
        two.record_id,
        three.record_id,
    }
    whole = await actions.golden(ctx, two.person_id)
    assert whole == await actions.golden(ctx, one.person_id)
    assert whole.facts.name == "测试乙"
    assert [former.text for former in whole.former_names] == ["测试甲"]
    during = await checked(ctx)
    assert during.links[two.record_id] == one.person_id
    await merging.undo(ctx, change.person_id, change.change_id, BY)
    assert await checked(ctx) == before


async def test_un_merge_says_that_they_are_different(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, None, "测试乙")
    before = await checked(ctx)
    await merging.merge(ctx, one.person_id, two.person_id, BY)
    tick(ctx)
    parted = await merging.unmerge(ctx, two.person_id, BY)
    after = await checked(ctx)
    assert (after.links, after.golden) == (before.links, before.golden)
    pair = (
        (one.record_id, two.record_id)
        if one.record_id < two.record_id
        else (
            two.record_id,
            one.record_id,
        )
    )
    assert after.rulings == {(*pair, RulingVerdict.DIFFERENT)}
    with pytest.raises(StateConflict, match="ruled them different"):
        await merging.merge(ctx, one.person_id, two.person_id, BY)
    await merging.undo(ctx, parted.person_id, parted.change_id, BY)
    again = await checked(ctx)
    assert again.links[two.record_id] == one.person_id
    assert again.rulings == {(*pair, RulingVerdict.SAME)}
    with pytest.raises(NotFound):
        await merging.unmerge(ctx, one.person_id, BY)


async def test_what_came_after_a_merge_goes_by_its_number(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 2, "测试乙")
    three = await register(ctx, 3, "测试丙")
    await merging.merge(ctx, one.person_id, two.person_id, BY)
    mine, his = await register(ctx, 1), await register(ctx, 2, "测试乙")
    assert {mine.person_id, his.person_id} == {one.person_id}
    tick(ctx)
    await merging.merge(ctx, three.person_id, one.person_id, BY)
    last = await register(ctx, 2, "测试乙")
    assert last.person_id == three.person_id
    tick(ctx)
    parted = await merging.unmerge(ctx, two.person_id, BY)
    links = (await checked(ctx)).links
    theirs = {two.record_id, his.record_id, last.record_id}
    assert {record for record, person in links.items() if person == two.person_id} == theirs
    assert links[mine.record_id] == three.person_id
    await merging.undo(ctx, parted.person_id, parted.change_id, BY)
    assert set((await checked(ctx)).links.values()) == {three.person_id}


async def test_a_merge_inside_a_merge_is_undone_by_itself(ctx: Context) -> None:
    a, b, c = [await register(ctx, serial) for serial in (1, 2, 3)]
    before = await checked(ctx)
    inner = await merging.merge(ctx, a.person_id, b.person_id, BY)
    tick(ctx)
    outer = await merging.merge(ctx, c.person_id, a.person_id, BY)
    await checked(ctx)
    await merging.undo(ctx, inner.person_id, inner.change_id, BY)
    links = (await checked(ctx)).links
    assert [links[one.record_id] for one in (a, b, c)] == [c.person_id, b.person_id, c.person_id]
    await merging.undo(ctx, outer.person_id, outer.change_id, BY)
    assert await checked(ctx) == before
    with pytest.raises(StateConflict):
        await merging.undo(ctx, outer.person_id, outer.change_id, BY)


async def test_a_frozen_part_freezes_the_whole_and_nothing_after(ctx: Context) -> None:
    a, b, c = [await register(ctx, serial) for serial in (1, 2, 3)]
    await actions.freeze(ctx, b.person_id, "reported-lost")
    before = await checked(ctx)
    inner = await merging.merge(ctx, a.person_id, b.person_id, BY)
    tick(ctx)
    outer = await merging.merge(ctx, c.person_id, a.person_id, BY)
    assert (await actions.read(ctx, c.record_id)).frozen
    await checked(ctx)
    await merging.undo(ctx, inner.person_id, inner.change_id, BY)
    assert not (await actions.read(ctx, a.record_id)).frozen
    assert (await actions.read(ctx, b.record_id)).frozen
    tick(ctx)
    await merging.undo(ctx, outer.person_id, outer.change_id, BY)
    assert await checked(ctx) == before


async def test_what_is_done_to_the_whole_is_done_to_each_part(ctx: Context) -> None:
    a, b = [await register(ctx, serial) for serial in (1, 2)]
    await actions.freeze(ctx, b.person_id, "reported-lost")
    change = await merging.merge(ctx, a.person_id, b.person_id, BY)
    await actions.unfreeze(ctx, b.person_id)
    assert not (await actions.read(ctx, a.record_id)).frozen
    await actions.freeze(ctx, a.person_id, "asked-for")
    await checked(ctx)
    await merging.undo(ctx, change.person_id, change.change_id, BY)
    await checked(ctx)
    assert (await actions.read(ctx, a.record_id)).frozen
    assert (await actions.read(ctx, b.record_id)).frozen
    await actions.unfreeze(ctx, b.person_id)
    assert (await actions.read(ctx, a.record_id)).frozen


async def test_a_merge_hidden_from_the_freeze_is_seen(ctx: Context) -> None:
    a, b = [await register(ctx, serial) for serial in (1, 2)]
    await actions.freeze(ctx, b.person_id, "reported-lost")
    await merging.merge(ctx, a.person_id, b.person_id, BY)
    async with connection(ctx.pool) as conn:
        await conn.execute("update person set frozen_parts = 0")
    with pytest.raises(RowTampered):
        await actions.read(ctx, a.record_id)


async def test_say_same_answers_the_question_and_undo_asks_it_again(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 1, "王某人")
    before = await checked(ctx)
    assert len(before.questions) == 1
    await merging.say_same(ctx, one.record_id, two.record_id, BY)
    after = await checked(ctx)
    assert (after.questions, after.items) == (frozenset(), frozenset())
    assert after.links[two.record_id] == one.person_id
    change = await last_change(ctx, one.person_id)
    await merging.undo(ctx, one.person_id, change, BY)
    assert await checked(ctx) == before


async def last_change(ctx: Context, person_id: int) -> int:
    async with connection(ctx.pool) as conn:
        found = await conn.fetchval(
            "select change_id from person_change where person_id = $1"
            " order by changed_at desc limit 1",
            person_id,
        )
    return int(found)


async def test_keep_apart_answers_the_question_and_withdrawing_asks_it_again(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 1, "王某人")
    before = await checked(ctx)
    await merging.keep_apart(ctx, one.record_id, two.record_id, BY)
    after = await checked(ctx)
    assert (after.questions, after.items, after.links) == (frozenset(), frozenset(), before.links)
    with pytest.raises(StateConflict, match="stands"):
        await merging.say_same(ctx, two.record_id, one.record_id, BY)
    with pytest.raises(StateConflict, match="stands"):
        await merging.keep_apart(ctx, two.record_id, one.record_id, BY)
    await merging.withdraw_ruling(ctx, two.record_id, one.record_id, BY)
    assert await checked(ctx) == before
    with pytest.raises(NotFound):
        await merging.withdraw_ruling(ctx, two.record_id, one.record_id, BY)


async def test_keep_apart_undoes_the_merge_that_brought_them_together(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 2)
    more = await register(ctx, 2, source=Source.LEGACY)
    before = await checked(ctx)
    await merging.merge(ctx, one.person_id, two.person_id, BY)
    tick(ctx)
    with pytest.raises(StateConflict, match="stands"):
        await merging.keep_apart(ctx, two.record_id, one.record_id, BY)
    await merging.keep_apart(ctx, more.record_id, one.record_id, BY)
    after = await checked(ctx)
    assert after.links == before.links
    assert {verdict for _, _, verdict in after.rulings} == {RulingVerdict.DIFFERENT}


async def test_keep_apart_takes_along_what_says_the_same(ctx: Context) -> None:
    mine = [await register(ctx, 1), await register(ctx, 1)]
    other, named = await register(ctx, 2, "测试乙"), await register(ctx, None, "测试乙")
    async with transaction(ctx.pool) as conn:
        change = await moving.join_people(conn, ctx, other.person_id, named.person_id, ALONE)
    assert change.actor == SYSTEM
    tick(ctx)
    joined = await merging.merge(ctx, mine[0].person_id, other.person_id, BY)
    tick(ctx)
    with pytest.raises(StateConflict, match="it is one record"):
        await merging.keep_apart(ctx, other.record_id, other.record_id, BY)
    await merging.keep_apart(ctx, mine[1].record_id, named.record_id, BY)
    links = (await checked(ctx)).links
    assert links[named.record_id] != links[mine[0].record_id] == links[mine[1].record_id]
    assert joined.person_id == links[mine[0].record_id]


async def test_no_matcher_joins_two_own_numbers_or_what_is_ruled_apart(ctx: Context) -> None:
    one, two, three = await register(ctx, 1), await register(ctx, 2), await register(ctx, None)
    await merging.keep_apart(ctx, one.record_id, three.record_id, BY)
    before = await checked(ctx)
    for other, said in ((two, "different own numbers"), (three, "ruled them different")):
        with pytest.raises(StateConflict, match=said):
            async with transaction(ctx.pool) as conn:
                await moving.join_people(conn, ctx, one.person_id, other.person_id, ALONE)
    assert await checked(ctx) == before


async def test_of_two_stewards_at_once_one_is_told(ctx: Context) -> None:
    people = [await register(ctx, serial) for serial in (1, 2, 3)]
    a, b, c = (one.person_id for one in people)
    acts = [
        merging.merge(ctx, a, b, BY),
        merging.merge(ctx, b, a, BY),
        merging.merge(ctx, c, b, BY),
        merging.merge(ctx, b, c, BY),
    ]
    done = await asyncio.gather(*acts, return_exceptions=True)
    refused = [one for one in done if isinstance(one, BaseException)]
    assert all(isinstance(one, StateConflict) for one in refused)
    assert len(refused) in (2, 3)
    await checked(ctx)


async def test_a_registration_that_waits_for_a_merge_finds_the_person_of_today(
    ctx: Context,
) -> None:
    one, two = await register(ctx, 1), await register(ctx, 2, "测试乙")
    async with transaction(ctx.pool) as conn:
        await moving.lock_both(conn, ctx, one.person_id, two.person_id)
        waiting = asyncio.create_task(register(ctx, 2, "测试乙"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await moving.join_people(conn, ctx, one.person_id, two.person_id, RULED)
    assert (await waiting).person_id == one.person_id
    await checked(ctx)


async def test_an_act_that_fails_at_its_end_leaves_nothing(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 2)
    before = await checked(ctx)

    async def joined_and_broken() -> None:
        async with transaction(ctx.pool) as conn:
            await moving.join_people(conn, ctx, one.person_id, two.person_id, RULED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await joined_and_broken()
    assert await checked(ctx) == before


async def test_chains_of_decisions_hold(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 2)
    tick(ctx)
    await merging.merge(ctx, one.person_id, two.person_id, BY)
    tick(ctx)
    await merging.unmerge(ctx, two.person_id, BY)
    async with connection(ctx.pool) as conn:
        decisions = await store.list_decisions(conn, two.record_id, 10)
    assert [one.kind for one in decisions] == [
        DecisionKind.NEW,
        DecisionKind.MERGE,
        DecisionKind.UNMERGE,
    ]
    assert rules.chain_holds(decisions)
    assert decisions[1].actor == BY.by


async def test_a_changed_decision_is_seen_before_a_steward_relies_on_it(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, None, "测试乙")
    await merging.merge(ctx, one.person_id, two.person_id, BY)
    assert len((await history.of_record(ctx, two.record_id)).records) == 2
    async with connection(ctx.pool) as conn:
        await conn.execute("update decision set reason = 'x' where record_id = $1", two.record_id)
    for record_id in (one.record_id, two.record_id):
        with pytest.raises(RowTampered):
            await history.of_record(ctx, record_id)
