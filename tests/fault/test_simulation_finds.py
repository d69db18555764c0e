"""The simulation finds what is wrong: planted bugs, and what the verb says of them."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import msgspec
import pytest

from integrations.ports.outcomes import Unknown
from service.payment import actions as payment
from service.payment import rules as payment_rules
from service.payment.actions import outcomes
from service.payment.model import RowKey
from service.settlement import consequences
from service.settlement.insurance import calls, judging
from service.settlement.model import CallKind
from service.settlement.stays import deposits
from service.simulate.command import Wrong, simulate
from service.simulate.crashes import Pairs, crash_in_pairs
from service.simulate.run import SeedReport, run_seed
from service.simulate.stories import STORIES, Told
from service.simulate.world import Grounds

pytestmark = pytest.mark.timeout(900)


def late_payments_are_overlooked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(payment_rules, "_ENDED", frozenset())


def a_late_payment_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcomes, "refund", _nothing)


def a_deposit_too_much_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deposits, "send_back", _nothing)


def deposits_of_an_undone_discharge_stay_counted(patch: pytest.MonkeyPatch) -> None:
    async def released_only(conn: Any, ctx: Any, attempt: Any, amount_fen: int, cause: str) -> None:
        key = RowKey(attempt.record_id, attempt.attempt_id)
        await payment.release_part(conn, ctx, key, amount_fen, cause)

    patch.setattr(deposits, "put_back", released_only)


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
    found = calls.read

    async def overlooked(*key: Any) -> tuple[Any, None]:
        return (await found(*key))[0], None

    patch.setattr(calls, "read", overlooked)


PLANTED = {
    late_payments_are_overlooked: (124, *range(60, 80)),
    a_late_payment_is_kept: (124, *range(60, 80)),
    a_deposit_too_much_is_kept: tuple(range(60, 80)),
    deposits_of_an_undone_discharge_stay_counted: tuple(range(60, 80)),
    a_reversal_is_not_posted: (11, *range(60, 80)),
    a_lost_settlement_is_sent_again: (3, *range(60, 80)),
    calls_of_the_dead_are_forgotten: (2, *range(60, 80)),
}
"""The first seeds of each find it; where the product changes, another one will."""


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
        "every_story": False,
        "draw": 0,
        "share": "1/1",
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


async def _nothing(*_: object, **__: object) -> None:
    pass


async def test_the_verb_tells_one_story_with_its_crash(grounds: Grounds) -> None:
    said: list[str] = []
    wanted = asked(story="own-money", crash_at="9", json=True)
    assert await simulate(grounds, wanted, said.append) == 0
    told = msgspec.json.decode(said[-1])
    assert told["states"] == {"POSTED": 1}
    assert len(told["crashed_at"]) == 1
    assert told["violations"] == []


async def test_two_crashes_strike_at_each_pair_of_one_share(grounds: Grounds) -> None:
    told: list[Told] = []
    # The share of a late place: not many can be passed after it.
    wanted = Pairs(share=crc32(b"after call fiscal invoiceEBillOutpatient") % 97, shares=97)
    report = await crash_in_pairs(grounds, told.append, wanted=wanted, stories=STORIES[:1])
    twice = [one for one in told if len(one.at) == 2]
    assert report.found == report.passed == len(twice) > 5
    assert report.tellings == len(told)
    struck = {tuple(one.crashed_at) for one in twice}
    assert len(struck) == len(twice)
    # A share has all pairs of its places: each of them strikes first, and others after it.
    (alone,) = [one for one in told if not one.at]
    once = [one for one in told if len(one.at) == 1]
    assert {first for first, _ in struck} == {one.crashed_at[0] for one in once}
    assert {one.crashed_at[0] for one in once} < set(alone.passed)


async def test_the_verb_refuses_what_it_does_not_know(grounds: Grounds) -> None:
    for share in ("0/2", "3/2", "2", "a/b"):
        with pytest.raises(Wrong, match="--share"):
            await simulate(grounds, asked(pairs=True, share=share), print)
    with pytest.raises(Wrong, match="nothing to do"):
        await simulate(grounds, asked(), print)
    with pytest.raises(Wrong, match="no such story"):
        await simulate(grounds, asked(story="nobody's"), print)
