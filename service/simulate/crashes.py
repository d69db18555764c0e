"""Crashes singly and in pairs: every place where the stories pass a crash point, found = passed."""

import random
from collections.abc import Callable, Sequence
from zlib import crc32

import msgspec

from service.simulate.stories import STORIES, Story, Told, first_passes, tell
from service.simulate.world import Grounds

Tell = Callable[[Told], None]


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """Which pairs of crash points."""

    every_story: bool = False
    """Each pair in every story that passes it, not in one drawn of them: five times as many."""
    draw: int = 0
    """Another number draws other stories and another order."""
    share: int = 0
    shares: int = 1
    """One of so many shares, by the place of the first crash; together they are all pairs."""


class CrashReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all tellings."""

    found: int
    """Crash points; of pairs, pairs of them."""
    passed: int
    """Those at which a host died, and all books agreed afterwards."""
    tellings: int
    places: tuple[str, ...] = ()
    """Of single crashes: the points by name."""


async def crash_singly(grounds: Grounds, on_told: Tell) -> CrashReport:
    """Every story, then a crash at each place in the code, in the story that passes it first."""
    chosen: dict[str, tuple[Story, int]] = {}
    tellings = len(STORIES)
    for story in STORIES:
        told = await tell(grounds, story)
        on_told(told)
        for name, number in first_passes(told.passed).items():
            chosen.setdefault(name, (story, number))
    passed = 0
    for name, (story, number) in chosen.items():
        told = await tell(grounds, story, (number,))
        tellings += 1
        on_told(told)
        passed += told.crashed_at == [name] and not told.violations
    return CrashReport(
        found=len(chosen), passed=passed, tellings=tellings, places=tuple(sorted(chosen))
    )


async def crash_in_pairs(
    grounds: Grounds, on_told: Tell, *, wanted: Pairs, stories: Sequence[Story] = STORIES
) -> CrashReport:
    """Two crashes at each pair of places, the second passed after the first one's.

    First every story with one crash at each place, for only what then happens shows which places
    a second one can strike; then the pairs, in a drawn order that spreads over all stories.
    """
    draw = random.Random(wanted.draw)  # noqa: S311 - a seed repeats it
    where: dict[tuple[str, ...], list[tuple[Story, tuple[int, int]]]] = {}
    tellings = len(stories)
    for story in stories:
        told = await tell(grounds, story)
        on_told(told)
        for first, number in first_passes(told.passed).items():
            if crc32(first.encode()) % wanted.shares != wanted.share:
                continue
            once = await tell(grounds, story, (number,))
            on_told(once)
            tellings += 1
            for second, later in first_passes(once.passed, after=number).items():
                told_in = (story.name,) if wanted.every_story else ()
                where.setdefault((first, second, *told_in), []).append((story, (number, later)))
    pairs = list(where)
    draw.shuffle(pairs)
    passed = 0
    for pair in pairs:
        story, numbers = draw.choice(where[pair])
        twice = await tell(grounds, story, numbers)
        on_told(twice)
        tellings += 1
        passed += twice.crashed_at == list(pair[:2]) and not twice.violations
    return CrashReport(found=len(pairs), passed=passed, tellings=tellings)
