"""Events reach hospitals once each, in order, signed, whatever the hospital's server does."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.commands import notice as notice_verbs
from service.kernel.claims import run_loop, run_once
from service.kernel.database import connection
from service.notice import actions, jobs, rules
from tests.support.event_server import (
    IMPATIENT_S,
    EventServer,
    NoticeRig,
    a_notice_rig,
    an_event_server,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[NoticeRig]:
    async with a_notice_rig(fresh_database) as opened:
        yield opened


@pytest.fixture
async def impatient_rig(fresh_database: str) -> AsyncIterator[NoticeRig]:
    """Soon takes silence for a lost answer."""
    async with a_notice_rig(fresh_database, timeout_s=IMPATIENT_S) as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[EventServer]:
    async with an_event_server() as opened:
        yield opened


async def test_a_settlement_s_events_keep_their_order_whatever_fails(
    impatient_rig: NoticeRig, server: EventServer
) -> None:
    rig = impatient_rig
    place = await rig.hospital(server)
    dice = random.Random(5)  # noqa: S311 - a seed
    told = [(settlement, sequence) for settlement in range(1, 5) for sequence in (1, 2, 3)]
    dice.shuffle(told)
    server.plan = dice.choices(["take", "break", "drop", "redirect", "hang"], (4, 4, 3, 1, 1), k=40)
    for settlement, sequence in told:
        await rig.tell(place, settlement, sequence)
        await rig.work()
    await rig.run_for(timedelta(hours=3), timedelta(minutes=10))
    assert {state for _, _, state, _, _ in await rig.states(place)} == {"TAKEN"}
    assert len(server.desk.taken) == 12
    answered: dict[str, int] = {}
    for event, act in server.came:
        before = answered.get(event["settlement_id"], 0)
        assert event["sequence"] == before + 1, "sent before the one in front of it was answered"
        answered[event["settlement_id"]] = before + (act == "take")
    assert {act for _, act in server.came} >= {"take", "break", "drop", "redirect"}


@pytest.mark.parametrize(
    ("act", "why", "taken_at_once"),
    [
        ("break", "status-500", False),
        ("redirect", "status-307", False),
        ("hang", "answer-lost", False),
        ("drop", "answer-lost", True),
        ("endless", "answer-too-large", False),
        ("trickle", "answer-lost", False),
    ],
)
async def test_what_is_not_answered_well_comes_again_under_the_same_id(
    impatient_rig: NoticeRig, server: EventServer, act: str, why: str, taken_at_once: bool
) -> None:
    rig = impatient_rig
    place = await rig.hospital(server)
    server.plan = [act]
    await rig.tell(place, 1)
    await rig.work()
    assert await rig.states(place) == [(1, 1, "DUE", 1, why)]
    assert len(server.desk.taken) == taken_at_once
    rig.clock.advance(timedelta(seconds=rules.GAPS_S[0] - 1))
    await rig.work()
    assert len(server.came) == 1, "before its time"
    rig.clock.advance(timedelta(seconds=1))
    await rig.work()
    assert [(state, tries) for _, _, state, tries, _ in await rig.states(place)] == [("TAKEN", 2)]
    assert server.bodies[0] == server.bodies[1]
    assert len(server.desk.taken) == 1
    assert server.desk.repeats == taken_at_once
    assert server.strayed == 0, "a redirect was followed"
    assert server.sent_bytes < 32_000_000, "beside what the sockets hold, nothing is read"


async def test_a_silent_hospital_delays_no_other(fresh_database: str) -> None:
    stop = asyncio.Event()
    async with (
        an_event_server() as dead,
        an_event_server() as living,
        a_notice_rig(fresh_database) as rig,
    ):
        silent, awake = await rig.hospital(dead), await rig.hospital(living)
        dead.otherwise = "hang"
        for settlement in range(1, 21):
            await rig.tell(silent, settlement)
        loop = asyncio.create_task(run_loop(rig.source, rig.clock, rig.ctx.metrics, stop))
        await until(lambda: len(dead.came) == 4)
        for settlement in range(1, 21):
            await rig.tell(awake, settlement)
        await until(lambda: len(living.desk.taken) == 20)
        assert {tries for _, _, _, tries, _ in await rig.states(silent)} == {0}, "waited for it"
        assert len(dead.came) == 4, "at most four sends at once to one hospital"
        dead.hung_up.set()
        stop.set()
        await loop
        assert len(dead.came) == 4, "after silence nothing more is begun"


async def until(is_so: object) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_silent_endpoint_rests_and_catches_up_when_it_is_back(
    impatient_rig: NoticeRig, server: EventServer
) -> None:
    rig = impatient_rig
    place = await rig.hospital(server)
    server.otherwise = "hang"
    for settlement in range(1, 11):
        await rig.tell(place, settlement)
    await rig.run_for(timedelta(minutes=30), MINUTE)
    assert len(server.came) < 12, "each rest ends with one event, not with all"
    server.otherwise = "take"
    await rig.run_for(rules.PAUSE_MAX, MINUTE)
    assert len(server.desk.taken) == 10
    assert {state for _, _, state, _, _ in await rig.states(place)} == {"TAKEN"}


async def test_a_row_that_nobody_sent_is_found(rig: NoticeRig, server: EventServer) -> None:
    place = await rig.hospital(server)
    await rig.tell(place, 1)
    # The worker that wrote it is gone; another one starts.
    other = jobs.sources(rig.ctx)[0]
    assert await run_once(other, rig.clock, rig.ctx.metrics) == 1
    assert len(server.desk.taken) == 1


async def test_a_worker_killed_while_sending_is_replaced(
    rig: NoticeRig, server: EventServer
) -> None:
    place = await rig.hospital(server)
    server.plan = ["hang"]
    await rig.tell(place, 1)
    killed = asyncio.create_task(run_once(rig.source, rig.clock, rig.ctx.metrics))
    await until(lambda: server.came)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    other = jobs.sources(rig.ctx)[0]
    assert await run_once(other, rig.clock, rig.ctx.metrics) == 0, "the lease still holds"
    rig.clock.advance(jobs.LEASE + timedelta(seconds=1))
    assert await run_once(other, rig.clock, rig.ctx.metrics) == 1
    assert server.bodies[0] == server.bodies[1]
    assert [state for _, _, state, _, _ in await rig.states(place)] == ["TAKEN"]


async def test_an_event_is_given_up_before_a_person_and_only_its_settlement_waits(
    rig: NoticeRig, server: EventServer
) -> None:
    place = await rig.hospital(server)
    server.otherwise = "break"
    await rig.tell(place, 1, 1)
    await rig.tell(place, 1, 2)
    await rig.run_for(timedelta(hours=30), timedelta(minutes=30))
    tries = len(rules.GAPS_S) + 1
    assert await rig.states(place) == [
        (1, 1, "STUCK", tries, "status-500"),
        (1, 2, "DUE", 0, None),
    ]
    assert await rig.items(place) == ["event-not-taken"]
    server.otherwise = "take"
    await rig.tell(place, 2)
    await rig.work()
    assert [event["bill_no"] for event in server.desk.taken.values()] == ["B2"]
    event_id = server.came[0][0]["event_id"]
    assert "given up: " + event_id in await notice_verbs.show(rig.ctx, place.institution_id)
    assert await actions.replay(rig.ctx, place.institution_id, event=event_id, since=None) == 1
    assert await rig.items(place) == []
    assert "given up: " not in await notice_verbs.show(rig.ctx, place.institution_id)
    await rig.work()
    assert [sequence for _, sequence in server.taken()] == [1, 1, 2]
    assert {state for _, _, state, _, _ in await rig.states(place)} == {"TAKEN"}


async def test_a_replay_sends_the_same_events_again(rig: NoticeRig, server: EventServer) -> None:
    place = await rig.hospital(server)
    await rig.tell(place, 1, 1)
    rig.clock.advance(MINUTE)
    noted = rig.clock.now()
    await rig.tell(place, 1, 2)
    await rig.tell(place, 2, 1)
    await rig.work()
    sent = list(server.bodies)
    assert await actions.replay(rig.ctx, place.institution_id, event=None, since=noted) == 2
    await rig.work()
    assert sorted(server.bodies[3:]) == sorted(sent[1:])
    assert server.desk.repeats == 2
    assert len(server.desk.taken) == 3


async def test_the_same_telling_twice_is_one_event(rig: NoticeRig, server: EventServer) -> None:
    place = await rig.hospital(server)
    await asyncio.gather(*(rig.tell(place, 1) for _ in range(4)))
    await rig.work()
    assert len(server.came) == 1


async def test_a_changed_row_is_not_sent(rig: NoticeRig, server: EventServer) -> None:
    place = await rig.hospital(server)
    await rig.tell(place, 1)
    await rig.tell(place, 2)
    async with connection(rig.ctx.pool) as conn:
        await conn.execute(
            "update institution_event set body = convert_to(replace(convert_from(body, 'UTF8'),"
            " '\"total_fen\":100', '\"total_fen\":900'), 'UTF8') where settlement_id = 1"
        )
    await rig.work()
    assert await rig.states(place) == [
        (1, 1, "STUCK", 1, "row-tampered"),
        (2, 1, "TAKEN", 1, None),
    ]
    assert [event["bill_no"] for event, _ in server.came] == ["B2"]
    assert await rig.items(place) == ["event-not-taken"]


async def test_a_changed_address_is_not_sent_to(rig: NoticeRig) -> None:
    async with an_event_server() as thief, an_event_server() as server:
        place = await rig.hospital(server)
        thief.believe(rig.ctx)
        await rig.tell(place, 1)
        async with connection(rig.ctx.pool) as conn:
            await conn.execute("update notice_endpoint set url = $1", thief.url)
        await run_once(rig.source, rig.clock, rig.ctx.metrics)
        assert thief.came == []
        assert server.came == []


async def test_without_an_endpoint_events_are_kept_and_later_ones_go_on(
    rig: NoticeRig, server: EventServer
) -> None:
    place = await rig.hospital()
    await rig.tell(place, 1, 1)
    await rig.work()
    server.believe(rig.ctx)
    await rig.register(place, server.url)
    await rig.tell(place, 1, 2)
    await rig.work()
    assert [state for _, _, state, _, _ in await rig.states(place)] == ["KEPT", "TAKEN"]
