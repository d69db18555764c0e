"""Guards of the events that go out, each the last line before a hospital misses one for good or
hears of one as of two."""

from contextlib import suppress

import asyncpg
import pytest

from service.notice import actions
from service.notice import store as notice_store
from tests.support.event_server import NoticeRig, a_notice_rig, an_event_server
from tests.support.guards import Guard, both_runs
from tests.support.last_lines import (
    Harm,
    Kept,
    at_once,
    drop_unique_keys,
    run,
    without_conflict,
)


async def two_relays_tell_one_event(dsn: str) -> None:
    """The first relay was taken for dead; both find the event not told and write it down."""
    async with a_notice_rig(dsn) as rig, an_event_server() as server:
        place = await rig.hospital(server)
        await at_once(dsn, "institution_event", *(rig.tell(place, 1) for _ in "12"))
        await rig.work()
        if len({event["event_id"] for event, _ in server.came}) != 1:
            raise Harm("one step of a settlement is told as two")


async def one_event_a_version(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, notice_store, "INSERT_EVENT")
    await drop_unique_keys(dsn, "institution_event")


async def the_numbers_of_events_are_put_back(dsn: str) -> None:
    """A hospital has pulled up to an event, whose number is then given once more."""
    async with a_notice_rig(dsn) as rig:
        place = await rig.hospital()
        await rig.tell(place, 1)
        numbers = Kept(dsn, "institution_event_number")
        await numbers.keep()
        await rig.tell(place, 2)
        seen = await _pull(rig, place.institution_id, None)
        await numbers.put_back()
        with suppress(asyncpg.UniqueViolationError):
            await rig.tell(place, 3)
            if not await _pull(rig, place.institution_id, seen[-1]):
                raise Harm("a hospital that pulls misses an event")


async def one_event_a_number(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await run(dsn, "drop index institution_event_order")


async def _pull(rig: NoticeRig, institution_id: int, after: str | None) -> list[str]:
    found = await actions.list_events(rig.ctx, institution_id, after, 10)
    return [one.event_id for one in found]


GUARDS = [
    Guard(
        name="unique keys: one event a version, and one a place in the order",
        holds=frozenset(
            {
                "institution_event_version",
                "institution_event_sequence",
                "notice.store.INSERT_EVENT",
            }
        ),
        harm="one step of a settlement is told as two",
        scenario=two_relays_tell_one_event,
        take_out=one_event_a_version,
    ),
    Guard(
        name="unique key: one event a number",
        holds=frozenset({"institution_event_order"}),
        harm="a hospital that pulls misses an event",
        scenario=the_numbers_of_events_are_put_back,
        take_out=one_event_a_number,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
