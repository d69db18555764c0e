"""Hospitals hear when patients whom they registered become one person, and when they part."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.institution.model import Institution
from service.kernel import outbox
from service.kernel.context import Context
from service.kernel.database import connection
from service.notice import jobs
from service.person import actions, merging
from service.person.model import Registered, Registration, Source
from tests.support.database import DatabaseServer
from tests.support.event_server import EventServer, NoticeRig, a_notice_rig, an_event_server
from tests.support.identity_rig import an_identity_rig
from tests.support.index_steps import BY, tick

NAMES = ("测试甲", "测试乙", "测试丙")


@pytest.fixture
async def rig(postgres: DatabaseServer, migrated: str) -> AsyncIterator[NoticeRig]:
    async with postgres.database(migrated) as dsn, a_notice_rig(dsn) as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[EventServer]:
    async with an_event_server() as opened:
        yield opened


async def patient(ctx: Context, place: Institution | None, name: str) -> Registered:
    tick(ctx)
    given = Registration(
        source=Source.WINDOW,
        institution_id=place.institution_id if place else None,
        name=name,
        id_type="01",
        id_no=None,
        phone=None,
    )
    return await actions.register(ctx, given)


async def hear(ctx: Context) -> int:
    """The outbox hands over what it holds, twice, as it may; gives how many there were."""
    async with connection(ctx.pool) as conn:
        told = await outbox.list_due(conn, ctx.clock.now(), 100)
    mine = [event for event in told if event.topic.startswith("person.")]
    for event in [*mine, *mine]:
        await jobs.HANDLERS[event.topic](ctx, event)
    return len(mine)


def pseudonym(ctx: Context, place: Institution, one: Registered) -> str:
    return ctx.sealer.pseudonym(place.institution_id, one.record_id).hex()


async def test_only_who_registered_the_patient_is_told_and_of_his_own_patients_alone(
    rig: NoticeRig, server: EventServer
) -> None:
    ctx = rig.ctx
    place, other = await rig.hospital(server), await rig.hospital(server)
    kept, moved = [await patient(ctx, place, name) for name in NAMES[:2]]
    elsewhere = await patient(ctx, other, NAMES[2])
    nowhere = await patient(ctx, None, "测试丁")
    await merging.merge(ctx, kept.person_id, moved.person_id, BY)
    assert await hear(ctx) == 1
    await merging.merge(ctx, kept.person_id, elsewhere.person_id, BY)
    await merging.merge(ctx, kept.person_id, nowhere.person_id, BY)
    await hear(ctx)
    await rig.work()
    came = sorted((event for event, _ in server.came), key=lambda one: -len(one["same_person"]))
    assert [(one["type"], one["patient_id"], one["same_person"]) for one in came] == [
        ("person.merged", pseudonym(ctx, place, moved), [pseudonym(ctx, place, kept)]),
        ("person.merged", pseudonym(ctx, other, elsewhere), []),
    ]
    assert [one["institution_code"] for one in came] == [place.code, other.code]
    assert "测试" not in str(came)


async def test_a_patient_s_events_keep_their_order_while_the_server_fails(
    rig: NoticeRig, server: EventServer
) -> None:
    ctx = rig.ctx
    place = await rig.hospital(server)
    one, two = [await patient(ctx, place, name) for name in NAMES[:2]]
    server.plan = ["break", "break", "drop", "break"]
    for _ in range(3):
        change = await merging.merge(ctx, one.person_id, two.person_id, BY)
        tick(ctx)
        await merging.undo(ctx, change.person_id, change.change_id, BY)
        tick(ctx)
    await hear(ctx)
    await rig.run_for(timedelta(hours=1), timedelta(minutes=5))
    taken = [event for event, act in server.came if act in ("take", "drop")]
    first_time = list({event["event_id"]: event for event in taken}.values())
    assert [event["sequence"] for event in first_time] == [1, 2, 3, 4, 5, 6]
    assert [event["type"] for event in first_time] == ["person.merged", "person.unmerged"] * 3


async def test_a_hospital_pulls_what_became_of_its_patients(
    postgres: DatabaseServer, migrated: str
) -> None:
    async with postgres.database(migrated) as dsn, an_identity_rig(dsn) as rig:
        one, two = [await patient(rig.ctx, rig.hospital, name) for name in NAMES[:2]]
        await merging.merge(rig.ctx, one.person_id, two.person_id, BY)
        tick(rig.ctx)
        await merging.unmerge(rig.ctx, two.person_id, BY)
        await hear(rig.ctx)
        answer = await rig.his.send("GET", "/v1/institution/person-events?limit=1")
        assert answer.status_code == 200, answer.text
        first = answer.json()
        assert [event["sequence"] for event in first["events"]] == [1]
        path = f"/v1/institution/person-events?after={first['next']}"
        rest = (await rig.his.send("GET", path)).json()
        assert [event["type"] for event in rest["events"]] == ["person.unmerged"]
        assert rest["events"][0]["same_person"] == []
        stranger = await rig.application(rig.hospital, "settlement")
        refused = await stranger.send("GET", path)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
        theirs = await stranger.send("GET", "/v1/institution/events")
        assert theirs.json()["events"] == []
