"""A guard with the scenario in which it is the last line, and how the two runs of it go."""

from collections.abc import Awaitable, Callable

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


async def run_with(guard: Guard, postgres: DatabaseServer, migrated: str) -> None:
    """The scenario with the guard in its place: no harm is done."""
    async with postgres.database(migrated) as dsn:
        with pytest.MonkeyPatch.context() as patch:
            if guard.in_front is not None:
                await guard.in_front(patch, dsn)
            await guard.scenario(dsn)


async def run_without(guard: Guard, postgres: DatabaseServer, migrated: str) -> None:
    """The same with the guard taken out: that very harm is done."""
    async with postgres.database(migrated) as dsn:
        with pytest.MonkeyPatch.context() as patch:
            if guard.in_front is not None:
                await guard.in_front(patch, dsn)
            await guard.take_out(patch, dsn)
            with pytest.raises(Harm, match=guard.harm):
                await guard.scenario(dsn)
