"""A guard with the scenario in which it is the last line, and how the two runs of it go."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest

from tests.support.database import DatabaseServer
from tests.support.last_lines import Harm

Scenario = Callable[[str], Awaitable[None]]
TakeOut = Callable[[pytest.MonkeyPatch, str], Awaitable[None]]


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """A guard, the harm that it prevents, and how it is taken out."""

    name: str
    holds: frozenset[str]
    """The indexes and statements that it is in the code, as ``tests/support/guards_found.py`` names
    them; empty where it is a rule and no SQL."""
    harm: str
    scenario: Scenario
    take_out: TakeOut
    in_front: TakeOut | None = None
    """Lines before this one, out in both runs: where they hold, nothing gets as far as here."""


Test = Callable[[Guard, DatabaseServer, str], Awaitable[None]]


def both_runs(guards: Sequence[Guard]) -> tuple[Test, Test]:
    """Each guard's scenario as two tests: with it no harm is done, without it that very harm is."""
    each = pytest.mark.parametrize("guard", guards, ids=lambda one: one.name)

    @each
    async def with_it(guard: Guard, postgres: DatabaseServer, migrated: str) -> None:
        async with postgres.database(migrated) as dsn:
            with pytest.MonkeyPatch.context() as patch:
                if guard.in_front is not None:
                    await guard.in_front(patch, dsn)
                await guard.scenario(dsn)

    @each
    async def without_it(guard: Guard, postgres: DatabaseServer, migrated: str) -> None:
        async with postgres.database(migrated) as dsn:
            with pytest.MonkeyPatch.context() as patch:
                if guard.in_front is not None:
                    await guard.in_front(patch, dsn)
                await guard.take_out(patch, dsn)
                with pytest.raises(Harm, match=guard.harm):
                    await guard.scenario(dsn)

    return with_it, without_it
