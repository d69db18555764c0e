"""Newborns, unknown patients, changed names and numbers, and deaths."""

from collections.abc import AsyncIterator

import pytest

from service.kernel.context import Context
from service.kernel.problems import NotFound, StateConflict
from service.person import actions, merging, special
from service.person.model import Registered, Registration, Source
from service.person.problems import NameInvalid
from service.person.special import Learnt
from tests.support.app import a_context
from tests.support.audited import entries_of
from tests.support.database import DatabaseServer
from tests.support.fakes_identity import POLICY, citizen_number
from tests.support.index_state import check_invariants, state_of
from tests.support.index_steps import BORN, BY, register, tick


@pytest.fixture
async def ctx(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Context]:
    """Over a database of this test alone: its whole state is looked at."""
    async with postgres.database(migrated) as dsn, a_context(dsn, policy=POLICY) as opened:
        yield opened


async def again(
    ctx: Context, record_id: int, learnt: Learnt, serial: int | None, name: str
) -> Registered:
    tick(ctx)
    given = Registration(
        source=Source.WINDOW,
        institution_id=None,
        name=name,
        id_type="01",
        id_no=None if serial is None else citizen_number(BORN, serial),
        phone=None,
    )
    done = await special.register_again(ctx, record_id, given, learnt, BY)
    await check_invariants(ctx)
    return done


async def test_a_newborn_keeps_his_record_when_he_gets_a_name_and_a_number(ctx: Context) -> None:
    born = await register(ctx, None, "测试丙之子")
    named = await again(ctx, born.record_id, Learnt.NAMED, None, "测试丁")
    numbered = await again(ctx, named.record_id, Learnt.NAMED, 5, "测试丁")
    assert {named.person_id, numbered.person_id} == {born.person_id}
    view = await actions.golden(ctx, born.person_id)
    assert (view.facts.name, view.facts.id_no) == ("测试丁", citizen_number(BORN, 5))
    assert view.former_names == ()
    entries = await entries_of(ctx, born.record_id, "person.named")
    assert [(one["by"], one["because"]) for one in entries] == [(BY.by, BY.because)]


async def test_twins_stay_two_when_they_get_their_numbers(ctx: Context) -> None:
    born = [await register(ctx, None, name) for name in ("测试丙之大双", "测试丙之小双")]
    done = [
        await again(ctx, one.record_id, Learnt.NAMED, serial, name)
        for one, serial, name in zip(born, (5, 6), ("测试丁", "测试戊"), strict=True)
    ]
    assert [one.person_id for one in done] == [one.person_id for one in born]
    later = await register(ctx, 6, "测试戊")
    assert later.person_id == born[1].person_id


async def test_an_unknown_patient_comes_to_the_person_the_index_knows(ctx: Context) -> None:
    known = await register(ctx, 1)
    unknown = await register(ctx, None, "无名氏", Source.EMERGENCY)
    done = await again(ctx, unknown.record_id, Learnt.IDENTIFIED, 1, "测试甲")
    assert done.person_id == known.person_id
    assert (await actions.read(ctx, unknown.record_id)).person_id == known.person_id
    assert (await actions.golden(ctx, known.person_id)).facts.name == "测试甲"


async def test_a_changed_name_and_number_stand_beside_the_former(ctx: Context) -> None:
    one = await register(ctx, 1)
    await register(ctx, 1, source=Source.READER)
    done = await again(ctx, one.record_id, Learnt.NAME_CHANGED, 1, "测试乙")
    assert done.person_id == one.person_id
    done = await again(ctx, one.record_id, Learnt.NUMBER_CHANGED, 2, "测试乙")
    assert done.person_id == one.person_id
    view = await actions.golden(ctx, one.person_id)
    assert (view.facts.name, view.facts.id_no) == ("测试乙", citizen_number(BORN, 2))
    assert [former.text for former in view.former_names] == ["测试甲"]


async def test_what_is_refused_registers_nothing(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 2)
    await merging.keep_apart(ctx, one.record_id, two.record_id, BY)
    before = await state_of(ctx)
    with pytest.raises(StateConflict, match="ruled them different"):
        await again(ctx, one.record_id, Learnt.NUMBER_CHANGED, 2, "测试甲")
    with pytest.raises(NotFound):
        await again(ctx, 7, Learnt.NAMED, 3, "测试甲")
    with pytest.raises(NameInvalid):
        await again(ctx, one.record_id, Learnt.NAMED, None, "<b>")
    assert await state_of(ctx) == before


async def test_a_death_stops_every_code_until_an_operator_takes_it_back(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 2)
    await actions.freeze(ctx, two.person_id, "reported-lost")
    before = await state_of(ctx)
    change = await merging.merge(ctx, one.person_id, two.person_id, BY)
    await special.report_death(ctx, one.record_id, BY)
    with pytest.raises(StateConflict, match="already"):
        await special.report_death(ctx, two.record_id, BY)
    with pytest.raises(StateConflict, match="person alive"):
        await actions.unfreeze(ctx, two.person_id)
    await special.report_alive(ctx, two.record_id, BY)
    await check_invariants(ctx)
    with pytest.raises(StateConflict, match="no death"):
        await special.report_alive(ctx, two.record_id, BY)
    tick(ctx)
    await merging.undo(ctx, change.person_id, change.change_id, BY)
    assert await state_of(ctx) == before
    assert len(await entries_of(ctx, one.record_id, "person.died")) == 1


async def test_a_dead_part_is_not_unfrozen_with_the_whole(ctx: Context) -> None:
    one, two = await register(ctx, 1), await register(ctx, 2)
    await special.report_death(ctx, two.record_id, BY)
    await merging.merge(ctx, one.person_id, two.person_id, BY)
    assert (await actions.read(ctx, one.record_id)).frozen
    with pytest.raises(StateConflict, match="a death was reported"):
        await actions.unfreeze(ctx, one.person_id)
    await special.report_alive(ctx, one.record_id, BY)
    assert not (await actions.read(ctx, one.record_id)).frozen
    await check_invariants(ctx)
