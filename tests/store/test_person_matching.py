"""Registrations at counters on a real database: who is linked, asked about, kept apart."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import msgspec
import pytest

from service.audit.model import Decided
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import RowTampered
from service.person import actions, blinding, merging, opening, rules, store
from service.person.facts import traits_in
from service.person.matching.keys import SHARED_MAX
from service.person.matching.weighing import shipped
from service.person.model import Decision, DecisionKind, Registered, Registration, Source
from service.person.rekeying import MatchKey, fresh_keys
from tests.support.app import a_context
from tests.support.database import DatabaseServer
from tests.support.fakes_identity import POLICY, citizen_number

BORN = date(1980, 5, 17)
CHILD_BORN = "2026-06-01"
HOSPITAL = 7
BY = Decided(by="steward-1", because="seen")


@pytest.fixture
async def ctx(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Context]:
    """Over a database of this test alone: its whole state is looked at."""
    async with postgres.database(migrated) as dsn, a_context(dsn, policy=POLICY) as opened:
        yield opened


def at_a_window(name: str = "欧阳测试", **said: object) -> Registration:
    given = {
        "source": Source.WINDOW,
        "institution_id": HOSPITAL,
        "name": name,
        "id_type": "01",
        "id_no": None,
        "phone": None,
    }
    return msgspec.convert(given | said, Registration)


async def register(ctx: Context, name: str = "欧阳测试", **said: object) -> Registered:
    return await actions.register(ctx, at_a_window(name, **said))


async def last_decision(ctx: Context, record_id: int) -> Decision:
    async with connection(ctx.pool) as conn:
        return (await store.list_decisions(conn, record_id, 10))[-1]


async def questions(ctx: Context) -> list[tuple[int, int, str]]:
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch(
            "select record_id, other_record_id, reason from review where closed_at is null"
        )
    return [tuple(row) for row in rows]


async def test_without_a_number_name_date_and_phone_link(ctx: Context) -> None:
    number = citizen_number(BORN, 11)
    one = await register(ctx, id_no=number, phone="13912345678")
    two = await register(ctx, birth_date="1980-05-17", phone="139 1234 5678", sex="M")
    assert two.person_id == one.person_id
    made = await last_decision(ctx, two.record_id)
    assert (made.kind, made.reason) == (DecisionKind.LINK, "bits")
    assert made.model == shipped().version
    assert made.bits["born"] > 10
    assert made.bits["prior"] < -15
    assert number not in repr(made.bits)


async def test_a_homophone_and_a_lost_character_link(ctx: Context) -> None:
    said = {"birth_date": "19800517", "phone": "13912345678", "sex": "F"}
    persons = {
        (await register(ctx, name, **said)).person_id
        for name in ("欧阳测试", "欧阳册试", "欧阳？试")
    }
    assert len(persons) == 1


async def test_twins_stay_two(ctx: Context) -> None:
    said = {"birth_date": "2020-05-17", "phone": "13912345678", "address": "测试市某路一号"}
    one = await register(ctx, "欧阳春晓", **said)
    two = await register(ctx, "欧阳秋月", **said)
    assert one.person_id != two.person_id
    assert (await last_decision(ctx, two.record_id)).kind is DecisionKind.NEW


async def test_one_question_between_two_persons_is_enough(ctx: Context) -> None:
    number = citizen_number(BORN, 25)
    await register(ctx, id_no=number)
    await register(ctx, "王某人", id_no=number)
    assert [reason for *_, reason in await questions(ctx)] == ["number-equal-name-different"]
    await register(ctx, id_no=number)
    assert len(await questions(ctx)) == 1


async def test_a_mothers_number_makes_nobody_her_child(ctx: Context) -> None:
    number = citizen_number(BORN, 12)
    mother = await register(ctx, id_no=number)
    child = await register(ctx, "欧阳测试之子", id_no=number, birth_date=CHILD_BORN)
    again = await register(ctx, "欧阳测试之子", guardian_id=number, birth_date=CHILD_BORN)
    assert mother.person_id not in (child.person_id, again.person_id)
    # Born that day to that mother, without a name: perhaps the same, perhaps a twin.
    assert await questions(ctx) == [(again.record_id, child.record_id, "nearly")]


async def test_a_hospitals_own_number_links(ctx: Context) -> None:
    said = {"local_id": "P-1", "birth_date": "1980-05-17"}
    one, two = await register(ctx, **said), await register(ctx, **said)
    assert one.person_id == two.person_id
    elsewhere = at_a_window("司马某", local_id="P-1", birth_date="1971-02-03")
    other = await actions.register(ctx, msgspec.structs.replace(elsewhere, institution_id=8))
    assert other.person_id != one.person_id


async def test_a_later_registration_joins_two_persons(ctx: Context) -> None:
    number = citizen_number(BORN, 13)
    one = await register(ctx, id_no=number)
    two = await register(ctx, "欧阳测试", phone="13912345678", sex="M", local_id="P-9")
    assert one.person_id != two.person_id
    both = await register(ctx, id_no=number, phone="13912345678", local_id="P-9")
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch("select distinct person_id from link where to_at is null")
    assert [row["person_id"] for row in rows] == [both.person_id]
    assert (await last_decision(ctx, both.record_id)).kind is DecisionKind.LINK
    view = await actions.golden(ctx, two.person_id)
    assert (view.facts.id_no, view.facts.phone) == (number, "13912345678")


async def test_a_stewards_word_wins_over_scores(ctx: Context) -> None:
    number = citizen_number(BORN, 13)
    one = await register(ctx, id_no=number)
    two = await register(ctx, "欧阳测试", phone="13912345678", sex="M", local_id="P-9")
    await merging.keep_apart(ctx, one.record_id, two.record_id, BY)
    both = await register(ctx, id_no=number, phone="13912345678", local_id="P-9")
    links = [await actions.read(ctx, it.record_id) for it in (one, two, both)]
    assert len({view.person_id for view in links}) == 2
    assert links[2].person_id == links[0].person_id
    assert await questions(ctx) == []


@pytest.mark.parametrize(
    "said",
    [
        {"id_no": citizen_number(BORN, 15)},
        {"birth_date": "1980-05-17", "phone": "13912345678", "sex": "F"},
        {"local_id": "P-1", "birth_date": "1980-05-17"},
    ],
)
async def test_counters_that_register_one_person_at_once_get_one_person(
    ctx: Context, said: dict[str, str]
) -> None:
    done = await asyncio.gather(*(register(ctx, **said) for _ in range(6)))
    assert len({one.record_id for one in done}) == 6
    assert len({one.person_id for one in done}) == 1


async def test_counters_that_share_some_keys_each_get_done(ctx: Context) -> None:
    """Holds that overlap in part never keep each other waiting for ever."""
    phones = [f"1391234567{last}" for last in range(3)]
    said = [
        {"phone": phone, "birth_date": "1980-05-17", "local_id": f"P-{place % 2}"}
        for place, phone in enumerate(phones * 2)
    ]
    done = await asyncio.gather(*(register(ctx, **one) for one in said))
    assert len({one.record_id for one in done}) == 6


async def test_a_mass_of_equal_numbers_and_phones_leads_nowhere_and_is_not_counted_on(
    ctx: Context,
) -> None:
    said = {"id_no": "111111111111111111", "phone": "13800000000", "birth_date": "1900-01-01"}
    for _ in range(SHARED_MAX + 10):
        last = await register(ctx, "无名氏", **said, address="测试市一号")
    for _ in range(SHARED_MAX + 10):
        await register(ctx, "欧阳测试", birth_date="1980-05-17")
    async with connection(ctx.pool) as conn:
        most = await conn.fetchval("select max(members) from match_key_count")
        keys = await conn.fetchval(
            "select count(*) from match_key where record_id = $1", last.record_id
        )
    assert keys == 0
    assert most == SHARED_MAX + 1
    # The others go on: who has a number as well is still found by it.
    number = citizen_number(BORN, 17)
    one = await register(ctx, id_no=number)
    assert (await register(ctx, id_no=number)).person_id == one.person_id


async def test_two_different_own_numbers_never_become_one(ctx: Context) -> None:
    said = {"phone": "13912345678", "address": "测试市某路一号", "local_id": "P-1"}
    one = await register(ctx, id_no=citizen_number(BORN, 21), **said)
    two = await register(ctx, id_no=citizen_number(BORN, 345), **said)
    assert one.person_id != two.person_id


async def test_keys_of_the_earlier_form_give_way_to_all_that_the_record_has(ctx: Context) -> None:
    number = citizen_number(BORN, 23)
    one = await register(ctx, id_no=number, phone="13912345678")
    async with connection(ctx.pool) as conn:
        found = await opening.record_content(conn, ctx, one.record_id)
    assert found is not None
    texts = rules.earlier_keys(found[1].facts)
    assert {kind for kind, _ in texts} == {2, 3, 4, 9}
    stored = blinding.to_store(ctx, traits_in(found[1].received, BORN, key=""))
    for kind, text in texts:
        old = ctx.sealer.blind(blinding.blind_kind(kind), text)
        row = MatchKey(blind_key=old, kind=kind, record_id=one.record_id)
        assert fresh_keys(ctx, row, *found) == stored
    forged = ctx.sealer.blind(blinding.blind_kind(2), "somebody else:1980-01-01")
    with pytest.raises(RowTampered):
        fresh_keys(ctx, MatchKey(blind_key=forged, kind=2, record_id=one.record_id), *found)
