"""The master index on a real database: claims, links, chains, seals."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import asyncpg
import msgspec
import pytest

from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import NotFound, RowTampered, StateConflict
from service.person import actions, rules, store, store_matching
from service.person.model import DecisionKind, Registered, Registration, Source
from service.person.problems import RegistrationBusy
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.fakes_identity import POLICY, citizen_number

BORN = date(1980, 1, 1)


@pytest.fixture
async def ctx(fresh_database: str) -> AsyncIterator[Context]:
    async with a_context(fresh_database, policy=POLICY) as opened:
        yield opened


def registration(
    serial: int, name: str = "测试甲", source: Source = Source.RESIDENT
) -> Registration:
    return Registration(
        source=source,
        institution_id=None,
        name=name,
        id_type="01",
        id_no=citizen_number(BORN, serial),
        phone="13800000000",
    )


async def test_a_registration_is_read_back_and_sealed(ctx: Context) -> None:
    done = await actions.register(ctx, registration(11))
    view = await actions.read(ctx, done.record_id)
    assert view.name.reveal() == "测试甲"
    assert view.id_no.reveal() == citizen_number(BORN, 11)
    assert (view.sex, view.birth_date, view.frozen) == ("M", BORN, False)
    assert view.person_id == done.person_id
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch("select sealed::text as sealed from record")
        keys = await conn.fetch("select kind from match_key where record_id = $1", done.record_id)
    assert all("测试甲".encode().hex() not in row["sealed"] for row in rows)
    assert sorted(row["kind"] for row in keys) == [1, 2, 6, 9, 9, 9, 11, 12, 13, 22]


async def test_same_number_and_name_is_the_same_person(ctx: Context) -> None:
    one = await actions.register(ctx, registration(21))
    two = await actions.register(ctx, registration(21, "测·试甲", Source.READER))
    assert one.person_id == two.person_id
    assert one.record_id != two.record_id
    assert set(await actions.list_records(ctx, two.record_id)) == {one.record_id, two.record_id}
    golden = await actions.golden(ctx, one.person_id)
    assert golden.facts.name == "测·试甲"
    assert golden.provenance["name"] == two.record_id


async def test_same_number_with_another_name_is_reviewed_not_linked(ctx: Context) -> None:
    one = await actions.register(ctx, registration(31))
    two = await actions.register(ctx, registration(31, "王某人"))
    assert one.person_id != two.person_id
    async with connection(ctx.pool) as conn:
        review = await conn.fetchrow("select * from review where record_id = $1", two.record_id)
        item = await conn.fetchrow("select * from work_item where record_id = $1", two.record_id)
        decisions = await store.list_decisions(conn, two.record_id, 10)
    assert review is not None
    assert review["other_record_id"] == one.record_id
    assert item is not None
    assert (item["kind"], item["reason"]) == ("person", "number-equal-name-different")
    assert [d.kind for d in decisions] == [DecisionKind.REVIEW]
    assert rules.chain_holds(decisions)


async def test_no_number_is_always_a_new_person(ctx: Context) -> None:
    given = Registration(
        source=Source.EMERGENCY,
        institution_id=None,
        name="无名氏",
        id_type="01",
        id_no=None,
        phone=None,
    )
    one, two = await actions.register(ctx, given), await actions.register(ctx, given)
    assert one.person_id != two.person_id


async def test_a_hospital_registers_a_child_by_its_mothers_number(ctx: Context) -> None:
    given = msgspec.structs.replace(
        registration(35, "测试乙之女", Source.WINDOW), institution_id=7, birth_date="2026-06-01"
    )
    child = await actions.read(ctx, (await actions.register(ctx, given)).record_id)
    mother = await actions.register(ctx, registration(35))
    assert (child.id_no.reveal(), child.sex, child.birth_date) == ("", "F", date(2026, 6, 1))
    assert child.person_id != mother.person_id


async def test_a_passport_is_not_told_as_a_citizens_number(ctx: Context) -> None:
    given = msgspec.structs.replace(
        registration(37, "TESTOV IVAN", Source.WINDOW), id_type="03", id_no="E20267391"
    )
    view = await actions.read(ctx, (await actions.register(ctx, given)).record_id)
    assert (view.id_no.reveal(), view.citizen_no.reveal()) == ("E20267391", "")


async def test_two_desks_registering_one_person_at_once_give_one_person(ctx: Context) -> None:
    done = await asyncio.gather(*(actions.register(ctx, registration(41)) for _ in range(5)))
    assert len({one.record_id for one in done}) == 5
    assert len({one.person_id for one in done}) == 1


async def test_two_scans_of_an_unknown_person_at_once_give_one_record(ctx: Context) -> None:
    given = registration(51, source=Source.READER)
    done = await asyncio.gather(*(actions.find_or_register(ctx, given) for _ in range(5)))
    assert len(set(done_ids(done))) == 1


def done_ids(done: list[Registered]) -> list[int]:
    return [one.record_id for one in done]


async def hold(ctx: Context, given: Registration, fresh_database: str) -> bytes:
    """Another desk holds the number of ``given``."""
    key = ctx.sealer.blind("match key 1", f"01:{given.id_no}")
    other = await asyncpg.connect(fresh_database)
    try:
        now = ctx.clock.now()
        assert await store_matching.claim(other, [key], b"other", now, now + actions.CLAIM_LIFE)
    finally:
        await other.close()
    return key


async def test_a_registration_waits_for_the_desk_that_holds_the_number(
    ctx: Context, fresh_database: str
) -> None:
    given = registration(61)
    key = await hold(ctx, given, fresh_database)
    waiting = asyncio.create_task(actions.register(ctx, given))
    await asyncio.sleep(0.15)
    assert not waiting.done()
    async with connection(ctx.pool) as conn:
        assert await store_matching.release_claim(conn, [key], b"other")
    assert (await waiting).record_id


async def test_the_hold_of_a_dead_desk_ends(ctx: Context, fresh_database: str) -> None:
    given = registration(63)
    await hold(ctx, given, fresh_database)
    assert isinstance(ctx.clock, FakeClock)
    ctx.clock.advance(timedelta(seconds=11))
    assert (await actions.register(ctx, given)).record_id


async def test_whoever_lost_the_claim_commits_nothing(ctx: Context, fresh_database: str) -> None:
    given = registration(71)
    key = ctx.sealer.blind("match key 1", f"01:{given.id_no}")
    other = await asyncpg.connect(fresh_database)
    made: list[int] = []

    async def steal(_conn: object, registered: Registered) -> None:
        made.append(registered.record_id)
        await other.execute("update match_claim set token = 'other' where blind_key = $1", key)

    try:
        with pytest.raises(RegistrationBusy):
            await actions.register_within(ctx, given, steal)
    finally:
        await other.close()
    with pytest.raises(NotFound):
        await actions.read(ctx, made[0])


async def test_a_frozen_person_is_seen_from_every_record(ctx: Context) -> None:
    one = await actions.register(ctx, registration(81))
    two = await actions.register(ctx, registration(81))
    await actions.freeze(ctx, one.person_id, "reported-lost")
    assert (await actions.read(ctx, two.record_id)).frozen
    with pytest.raises(StateConflict):
        await actions.freeze(ctx, one.person_id, "again")
    await actions.unfreeze(ctx, one.person_id)
    assert not (await actions.read(ctx, two.record_id)).frozen


@pytest.mark.parametrize(
    "change",
    [
        "update person set frozen_at = null, frozen_because = null where person_id = $1",
        "update link set person_id = person_id + 1 where person_id = $1",
        "update record set source = 'legacy' where $1::bigint > 0",
    ],
)
async def test_a_row_changed_by_sql_is_refused(ctx: Context, change: str) -> None:
    serial = 91 + 2 * len(change)
    done = await actions.register(ctx, registration(serial % 998 + 1))
    await actions.freeze(ctx, done.person_id, "reported-lost")
    async with connection(ctx.pool) as conn:
        await conn.execute(change, done.person_id)
    with pytest.raises(RowTampered):
        await actions.read(ctx, done.record_id)


async def test_an_unknown_record_is_not_found(ctx: Context) -> None:
    with pytest.raises(NotFound):
        await actions.read(ctx, 1)
