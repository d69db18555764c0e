"""Crashes singly and in pairs: every place where the stories pass a crash point, found = passed."""

from collections.abc import Callable

import msgspec

from service.simulate.stories import STORIES, Story, Told, first_passes, tell
from service.simulate.world import Grounds

Tell = Callable[[Told], None]


class CrashReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all tellings."""

    found: int
    """Crash points; of pairs, pairs of them."""
    passed: int
    """Those at which a host died, and all books agreed afterwards."""
    tellings: int


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
    return CrashReport(found=len(chosen), passed=passed, tellings=tellings)


async def crash_in_pairs(grounds: Grounds, on_told: Tell) -> CrashReport:
    """In every story, a crash at each place, then a second one at each place passed after it."""
    found = passed = tellings = 0
    for story in STORIES:
        told = await tell(grounds, story)
        on_told(told)
        for number in first_passes(told.passed).values():
            once = await tell(grounds, story, (number,))
            on_told(once)
            for second in first_passes(once.passed, after=number).values():
                twice = await tell(grounds, story, (number, second))
                on_told(twice)
                found += 1
                passed += len(twice.crashed_at) == 2 and not twice.violations
                tellings += 1
            tellings += 1
        tellings += 1
    return CrashReport(found=found, passed=passed, tellings=tellings)
