"""Runs seeds: weather and plans are drawn, the world lives, comes to rest, and is looked at."""

import random
import time
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from service.bill.states import BillKind
from service.institution import actions as institution
from service.institution.model import MovedAmounts
from service.simulate.counter import Cashier
from service.simulate.operator import Operator
from service.simulate.people import Payer
from service.simulate.plans import CENTRE, MIXED, WAYS, Plan, draw_plan
from service.simulate.reading import SETTLED_WITHIN, look
from service.simulate.stage import ROWS, NeverEnds, Stage
from service.simulate.staying import Stayer
from service.simulate.weather import WEATHERS, Weather
from service.simulate.world import Grounds, World, a_world

PATIENTS = 4
COUNTERS = 2
APPROVAL_ABOVE_FEN = (None, 100_00, 0)
OWN_MACHINE_EVERY = 4
"""In one seed of so many the hospital's own machine performs the insurance calls."""
STEPS_OF_ONE_MAX = 1_500
"""Of a settlement; a world of several that needs more for each goes round in circles."""
STEPS_MIN = 4_000
QUIET = timedelta(minutes=10)
LEAP_S = (20, 400)


class SeedReport(msgspec.Struct, frozen=True, kw_only=True):
    """One seed."""

    seed: int
    weather: str
    settlements: int
    steps: int
    crashes: int
    faults: dict[str, int]
    states: dict[str, int]
    items: dict[str, int]
    violations: list[str]
    trace: list[str]
    """The last steps, where something was violated."""
    digest: str
    """Of every step: the same seed gives the same."""
    seconds: float


def weather_of(seed: int) -> Weather:
    """Seeds take turns, so that any range of them meets every weather."""
    return WEATHERS[seed % len(WEATHERS)]


async def run_seed(grounds: Grounds, seed: int, settlements: int) -> SeedReport:
    """A world from its beginning to its rest."""
    began = time.perf_counter()
    weather, own_machine = weather_of(seed), seed % OWN_MACHINE_EVERY == 0
    async with a_world(grounds, seed, weather, own_machine=own_machine) as world:
        await world.set_up(world.draw.choice(list(MovedAmounts)))
        for insured in world.draw.sample(world.persons(), PATIENTS):
            await world.admit(insured)
        for number in range(1, COUNTERS + 1):
            await world.hire(Cashier(world, number))
        above_fen = world.draw.choice(APPROVAL_ABOVE_FEN)
        await institution.set_approval_limit(world.ctx, world.place.institution_id, above_fen)
        drawn = random.Random(seed * 2 + 1)  # noqa: S311 - as in a_world
        ways = WAYS if own_machine else (*WAYS, CENTRE, MIXED)
        plans = [draw_plan(drawn, number, world.patients, ways) for number in range(settlements)]
        payers = [payer_of(world, plan) for plan in plans]
        crashes = await live(world, payers, Operator(world))
        outcome = await look(world)
        stage = world.stage
        return SeedReport(
            seed=seed,
            weather=weather.name,
            settlements=sum(outcome.states.values()),
            steps=stage.steps,
            crashes=crashes,
            faults=dict(world.sky.met),
            states=outcome.states,
            items=outcome.items,
            violations=outcome.violations,
            trace=stage.trace(),
            digest=stage.digest,
            seconds=time.perf_counter() - began,
        )


def payer_of(world: World, plan: Plan) -> Payer | Stayer:
    """Who lives a plan."""
    return Stayer(world, plan) if plan.kind is BillKind.DISCHARGE else Payer(world, plan)


async def live(world: World, payers: Sequence[Payer | Stayer], operator: Operator | None) -> int:
    """Until every payer has his end, then until all is at rest. Gives how many hosts died."""
    stage = world.stage
    world.open_hosts()
    stage.steps_max = STEPS_MIN + STEPS_OF_ONE_MAX * len(payers)
    for payer in payers:
        stage.play(payer.plan.name, None, payer.live)
    for cashier in world.cashiers:
        stage.play(cashier.name, None, cashier.live)
    if operator is not None:
        stage.play("operator", None, operator.live)
    crashes = 0
    try:
        while not all(payer.done for payer in payers):
            crashes += _strike(world)
            await _step(stage)
        world.sky.clear()
        world.twins.forget_faults()
        world.wire.away.clear()
        await come_to_rest(world)
        for cashier in world.cashiers:
            await cashier.go_home()
    except NeverEnds as fault:
        world.violations.append(str(fault))
    return crashes


def _strike(world: World) -> int:
    """The weather between two steps; 1 when a host died."""
    sky, stage = world.sky, world.stage
    if sky.happens(sky.weather.leaps):
        stage.clock.leap(sky.seconds(*LEAP_S))
        stage.note("the clock leaps")
    if not sky.happens(sky.weather.crashes):
        return 0
    busy = stage.hosts_at_work()
    if not busy:
        return 0
    stage.kill(busy[world.draw.randrange(len(busy))])
    return 1


async def _step(stage: Stage) -> None:
    await stage.step()
    if stage.steps > stage.steps_max:
        raise NeverEnds("goes round in circles: " + ", ".join(stage.waiting()[:20]))


async def come_to_rest(world: World) -> None:
    """Fair weather until nothing moves any more, or the last settlement's time is over."""
    stage = world.stage
    end = world.last_start + SETTLED_WITHIN + timedelta(minutes=1)
    while stage.clock.now() < end:
        rows, until = stage.changes[ROWS], stage.clock.now() + QUIET
        while stage.clock.now() < until:
            await _step(stage)
        due_at = await world.due_at()
        if stage.changes[ROWS] == rows and all(at > end for at in due_at.values()):
            stage.clock.leap(end - stage.clock.now())
