"""A process that dies at any point of giving back: others take over and everything agrees.

As in the settlement's own crash points: told once without a crash to number the points, then with
one at every so many of them. The hospital asks and acknowledges again until it is answered.
"""

from datetime import timedelta

import msgspec
import pytest

from service.kernel.problems import Problem
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.fault.crash_points import CrashingPool, CrashPoints
from tests.support.corrections import ask, assert_tied, posted
from tests.support.fakes_settlement import Crash
from tests.support.settlement_checks import assert_posted
from tests.support.settlement_rig import Rig, a_rig

S = SettlementState
EVERY = 30
"""Crash at each of so many points; the offset turns with the story, so all kinds are met."""
TURNS_MAX = 200


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What is given back, of what."""

    name: str
    lines: tuple[str, ...]
    insured: bool = True
    fund_percent: int = 60
    """Afterwards: with less the payer owes more."""
    faults: dict[str, str] = {}


STORIES = [
    Story(name="a line", lines=("2",)),
    Story(name="own money", lines=("2",), insured=False),
    Story(name="all of it", lines=()),
    Story(name="more is owed", lines=("1",), fund_percent=0),
    Story(name="revocation lost", lines=("2",), faults={"reverse": "lose-answer"}),
]


async def give_back(rig: Rig, story: Story, row: Settlement) -> Settlement:
    """Until what is asked for is done."""
    asked = False
    for _ in range(TURNS_MAX):
        try:
            if not asked:
                await ask(rig, row, *story.lines)
                asked = True
            await rig.work()
            row = await rig.read(row)
            if row.state is S.REVERSED or (row.state is S.POSTED and row.round_no):
                await rig.work()
                return await rig.read(row)
            if row.state is S.PRESETTLED and row.reason == "amounts-moved":
                await rig.pay(row)
            elif row.state is S.POSTING:
                await rig.post(row)
            for trade_no in rig.till.unpaid():
                rig.till.pay(trade_no)
        except Crash:
            rig.clock.advance(rig.ctx.policy.lease + timedelta(seconds=1))
        except Problem as problem:
            asked = asked or problem.code in ("correction-under-way", "settlement-not-correctable")
            if problem.status != 409:
                raise
        rig.clock.advance(timedelta(seconds=10))
    raise AssertionError(f"{story.name}: never ends, {row}")


async def tell(dsn: str, story: Story, at: int | None) -> CrashPoints:
    """The story with a crash at one point; everything checked at the end."""
    points = CrashPoints(at)
    async with a_rig(dsn) as rig:
        row = await posted(rig, 60_00, 40_00, insured=story.insured)
        whole = rig.ctx
        rig.ctx = msgspec.structs.replace(whole, pool=CrashingPool(whole.pool, points))
        rig.bureau.fund_percent = story.fund_percent
        for book in (rig.bureau, rig.till):
            book.faults.before_call = lambda kind: points.hit(f"before {kind}")
            book.faults.after_call = lambda kind: points.hit(f"after {kind}")
        for kind, fault in story.faults.items():
            rig.bureau.faults.script(kind, fault)
        row = await give_back(rig, story, row)
        rig.ctx = whole
        row = await rig.settled(row, 300)
        where = f"{story.name}, crash {points.crashed_at} as number {points.at}"
        numbers = [call.message_no for _, call in rig.bureau.calls]
        assert len(numbers) == len(set(numbers)), where
        await assert_tied(rig, row)
        if not story.lines:
            assert row.state is S.REVERSED, where
            assert (await rig.balances(row), rig.till.kept_fen, rig.bureau.live) == ({}, 0, [])
        else:
            assert (row.round_no, row.bill_version) == (1, 2), where
            await assert_posted(rig, row)
    return points


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@pytest.mark.timeout(900)
async def test_every_crash_point_of_giving_back_converges(
    fresh_database: str, story: Story
) -> None:
    total = len((await tell(fresh_database, story, None)).passed)
    assert total > 15
    for at in range(1 + STORIES.index(story) % EVERY, total + 1, EVERY):
        assert (await tell(fresh_database, story, at)).crashed_at is not None
