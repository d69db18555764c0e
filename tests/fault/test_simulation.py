"""Simulated worlds: thousands of settlements with faults and crashes, by seeds that repeat.

``yimatong simulate`` runs the same by hand, ten thousand and more.
"""

import argparse
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest

from integrations.ports.outcomes import Unknown
from service.kernel.database import open_pool
from service.payment import rules as payment_rules
from service.settlement import calls, consequences, judging
from service.settlement.model import CallKind
from service.simulate import crashes
from service.simulate.command import Wrong, simulate
from service.simulate.run import SeedReport, run_seed
from service.simulate.stories import Told
from service.simulate.weather import kinds
from service.simulate.world import Grounds, make_grounds

SEEDS = 50
SIDE_BY_SIDE = 20


@pytest.fixture
async def grounds(fresh_database: str) -> AsyncIterator[Grounds]:
    pool = await open_pool(fresh_database, size=16, application="simulate")
    try:
        yield make_grounds(pool)
    finally:
        await pool.close()


@pytest.mark.timeout(900)
async def test_a_thousand_settlements_lose_nothing(grounds: Grounds) -> None:
    totals, met, states = Counter[str](), Counter[str](), Counter[str]()
    for seed in range(SEEDS):
        report = await run_seed(grounds, seed, SIDE_BY_SIDE)
        assert report.violations == [], shown(report)
        totals.update(settlements=report.settlements, crashes=report.crashes)
        met.update(report.faults)
        states.update(report.states)
    assert totals["settlements"] >= SEEDS * SIDE_BY_SIDE
    assert totals["crashes"] > SEEDS
    assert kinds() - set(met) == set(), "a kind of fault that no seed met"
    assert states["POSTED"] > totals["settlements"] / 2, states


def shown(report: SeedReport) -> str:
    """What a person needs to look into it."""
    steps = "\n".join(report.trace[-120:])
    again = f"yimatong simulate --seeds {report.seed}:{report.seed + 1}"
    return f"{again} --settlements {SIDE_BY_SIDE}\n{report.violations}\n{steps}"


async def test_a_seed_repeats_to_the_step(grounds: Grounds) -> None:
    before = await run_seed(grounds, 3, 4)
    other = await run_seed(grounds, 2, 4)
    again = await run_seed(grounds, 3, 4)
    assert again.digest == before.digest != other.digest
    assert again.trace == before.trace
    assert (again.states, again.faults) == (before.states, before.faults)


@pytest.mark.timeout(900)
async def test_a_crash_at_every_point_is_survived(grounds: Grounds) -> None:
    told: list[Told] = []
    report = await crashes.crash_singly(grounds, told.append)
    assert [(one.story, one.at, one.violations) for one in told if one.violations] == []
    assert report.found == report.passed > 100


def late_payments_are_overlooked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(payment_rules, "_ENDED", frozenset())


def a_lost_settlement_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    guarded: Callable[..., judging.Verdict] = judging._settle

    def careless(asked: judging.Asked, outcome: Any) -> judging.Verdict:
        if isinstance(outcome, Unknown):
            return judging.Verdict(progress=asked.progress, again="later")
        return guarded(asked, outcome)

    patch.setitem(judging._JUDGES, CallKind.SETTLE, careless)


def a_reversal_is_not_posted(patch: pytest.MonkeyPatch) -> None:
    async def forgotten(*_: object, **__: object) -> None:
        pass

    patch.setattr(consequences, "post_bureau_undone", forgotten)


def calls_of_the_dead_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    async def overlooked(*_: object) -> bool:
        return False

    patch.setattr(calls, "finish_open", overlooked)


PLANTED = {
    late_payments_are_overlooked: (2, 20, *range(40, 60)),
    a_reversal_is_not_posted: (11, 17, *range(40, 60)),
    a_lost_settlement_is_sent_again: (3, 7, *range(40, 60)),
    calls_of_the_dead_are_forgotten: (2, 7, 12, *range(40, 60)),
}
"""The first seeds of each find it; where the product changes, another one will."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
async def test_a_planted_bug_is_found(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        found = await first_violated(grounds, PLANTED[plant])
    # The same seed is in order without the bug.
    assert (await run_seed(grounds, found.seed, 8)).violations == []


async def first_violated(grounds: Grounds, seeds: Sequence[int]) -> SeedReport:
    for seed in seeds:
        report = await run_seed(grounds, seed, 8)
        if report.violations:
            return report
    raise AssertionError("the bug was not found")


def asked(**changes: object) -> argparse.Namespace:
    fixed: dict[str, object] = {
        "seeds": None,
        "settlements": 2,
        "crash_points": False,
        "pairs": False,
        "story": None,
        "crash_at": "",
        "trace": False,
        "json": False,
    }
    return argparse.Namespace(**{**fixed, **changes})


async def test_the_verb_says_how_to_see_a_violation_again(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(consequences, "for_bill", _nothing)
        status = await simulate(grounds, asked(seeds="0:1"), said.append)
    assert status == 1
    text = "\n".join(said)
    assert "VIOLATION" in text
    assert "last steps:" in text
    assert "again: yimatong simulate --seeds 0:1 --settlements 2" in text
    assert "seeds/s" in text


async def _nothing(*_: object) -> None:
    pass


async def test_the_verb_tells_one_story_with_its_crash(grounds: Grounds) -> None:
    said: list[str] = []
    wanted = asked(story="own-money", crash_at="9", json=True)
    assert await simulate(grounds, wanted, said.append) == 0
    told = msgspec.json.decode(said[-1])
    assert told["states"] == {"POSTED": 1}
    assert len(told["crashed_at"]) == 1
    assert told["violations"] == []


async def test_the_verb_refuses_what_it_does_not_know(grounds: Grounds) -> None:
    with pytest.raises(Wrong, match="nothing to do"):
        await simulate(grounds, asked(), print)
    with pytest.raises(Wrong, match="no such story"):
        await simulate(grounds, asked(story="nobody's"), print)
