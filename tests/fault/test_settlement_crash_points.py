"""A process that dies at any point of a settlement: others take over and everything agrees.

Each story is first told without a crash to number its points, then once for every point (in the
main stories) or for every sixth. The payer, the hospital and the next worker behave as they
would: they try again.
"""

from datetime import timedelta

import msgspec
import pytest

from service.bill.model import Bill
from service.institution.model import MovedAmounts
from service.kernel.problems import Problem
from service.settlement import actions, door
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.fault.crash_points import CrashingPool, CrashPoints
from tests.support.fakes_settlement import Crash
from tests.support.settlement_checks import assert_posted, assert_undone
from tests.support.settlement_rig import Rig, a_rig

S = SettlementState
FINAL = frozenset({S.POSTED, S.REVERSED, S.NEEDS_REVIEW})
TURNS_MAX = 400


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """How one settlement goes, and how it must end."""

    name: str
    moved: MovedAmounts = MovedAmounts.ADJUST
    use_account: bool = False
    insured: bool = True
    cash_moves_fen: int = 0
    bureau_faults: dict[str, str] = {}
    till_faults: dict[str, str] = {}
    pays: bool = True
    pays_difference: bool = True
    abandons: bool = False
    ends: SettlementState = S.POSTED
    reasons: frozenset[str] = frozenset()
    every: int = 6
    """Crash at each of so many points; the offset turns with the story, so all kinds are met."""


STORIES = [
    Story(name="happy", every=1),
    Story(name="nothing to pay", use_account=True),
    Story(name="own money", insured=False),
    Story(name="cash fell", cash_moves_fen=-5_00),
    Story(name="cash rose", cash_moves_fen=5_00, every=1),
    Story(
        name="settlement refused",
        every=1,
        bureau_faults={"settle": "refuse"},
        ends=S.REVERSED,
        # A crash inside the call makes its answer unknown; the next one is then accepted.
        reasons=frozenset({"insurance-refused"}),
    ),
    Story(
        name="amounts undone",
        moved=MovedAmounts.UNDO,
        cash_moves_fen=5_00,
        ends=S.REVERSED,
        reasons=frozenset({"amounts-moved"}),
    ),
    Story(
        name="difference not paid",
        cash_moves_fen=5_00,
        pays_difference=False,
        ends=S.REVERSED,
        reasons=frozenset({"difference-not-paid"}),
    ),
    Story(name="settlement lost", bureau_faults={"settle": "lose-answer"}),
    Story(name="charges lost", bureau_faults={"charges": "lose-answer"}),
    Story(name="order lost", till_faults={"place": "lose-answer"}),
    Story(
        name="not paid",
        pays=False,
        ends=S.REVERSED,
        reasons=frozenset({"deadline-passed"}),
        every=24,  # mostly polls, one like the other
    ),
    Story(
        name="abandoned",
        pays=False,
        abandons=True,
        ends=S.REVERSED,
        reasons=frozenset({"abandoned"}),
    ),
]


class Actors:
    """Payer, hospital and workers of one story, each coming back after a crash."""

    def __init__(self, rig: Rig, story: Story) -> None:
        self.rig = rig
        self.story = story
        self.row: Settlement | None = None

    async def play(self, charged: Bill) -> Settlement:
        """Until the settlement is over."""
        for _ in range(TURNS_MAX):
            try:
                if self.row is None:
                    self.row = await self.rig.start(
                        charged, use_account=self.story.use_account, insured=self.story.insured
                    )
                await self.rig.work()
                self.row = await self.rig.read(self.row)
                if self.row.state in FINAL:
                    await self.rig.work()
                    return await self.rig.read(self.row)
                await self._act(self.row)
            except Crash:
                # Another process goes on when the dead one's lease is over.
                self.rig.clock.advance(self.rig.ctx.policy.lease + timedelta(seconds=1))
            except Problem as problem:
                if not (problem.retryable or problem.code == "state-conflict"):
                    raise
            self.rig.clock.advance(timedelta(seconds=10))
        raise AssertionError(f"{self.story.name}: never ends, {self.row}")

    async def _act(self, row: Settlement) -> None:
        if row.state is S.PRESETTLED and self.story.abandons:
            await actions.abandon(self.rig.ctx, row.record_id, row.settlement_id)
        elif row.state is S.PRESETTLED and row.cash_fen == 0:
            await actions.confirm(self.rig.ctx, row.record_id, row.settlement_id)
        elif row.state is S.PRESETTLED or self._may_pay_difference(row):
            await self.rig.pay(row)
        elif row.state is S.POSTING:
            await self.rig.post(row)
        if self.story.pays:
            for trade_no in self.rig.till.unpaid():
                self.rig.till.pay(trade_no)

    def _may_pay_difference(self, row: Settlement) -> bool:
        return row.state is S.COLLECTING and self.story.pays_difference


async def tell(dsn: str, story: Story, at: int | None) -> tuple[CrashPoints, Rig, Settlement]:
    """The story with a crash at one point; everything checked at the end."""
    points = CrashPoints(at)
    async with a_rig(dsn, moved=story.moved) as rig:
        charged = await rig.push_bill(60_00, 40_00)
        whole = rig.ctx
        rig.ctx = msgspec.structs.replace(whole, pool=CrashingPool(whole.pool, points))
        rig.bureau.cash_moves_fen = story.cash_moves_fen
        for book, faults in ((rig.bureau, story.bureau_faults), (rig.till, story.till_faults)):
            book.faults.before_call = lambda kind: points.hit(f"before {kind}")
            book.faults.after_call = lambda kind: points.hit(f"after {kind}")
            for kind, fault in faults.items():
                book.faults.script(kind, fault)
        row = await Actors(rig, story).play(charged)
        rig.ctx = whole
        await check(rig, story, points, row)
        return points, rig, row


async def check(rig: Rig, story: Story, points: CrashPoints, row: Settlement) -> None:
    """Everybody's books agree, whichever of the possible ends was reached."""
    where = f"{story.name}, crash {points.crashed_at} as number {points.at}"
    assert row.state is not S.NEEDS_REVIEW, where
    numbers = [call.message_no for _, call in rig.bureau.calls]
    assert len(numbers) == len(set(numbers)), where
    if row.state is S.REVERSED:
        await assert_undone(rig, row, row.reason or "")
        assert row.reason in story.reasons | {"deadline-passed"}, where
    else:
        await assert_posted(rig, row)
    async with rig.ctx.pool.acquire() as conn:
        left = await conn.fetchval("select count(*) from insurance_call where outcome is null")
        door.check(rig.ctx, row)
    assert left == 0, where


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@pytest.mark.timeout(300)
async def test_every_crash_point_converges(fresh_database: str, story: Story) -> None:
    points, _, row = await tell(fresh_database, story, None)
    assert row.state is story.ends
    total = len(points.passed)
    assert total > 20
    first = 1 + STORIES.index(story) % story.every
    for at in range(first, total + 1, story.every):
        crashed, _, _ = await tell(fresh_database, story, at)
        assert crashed.crashed_at is not None
