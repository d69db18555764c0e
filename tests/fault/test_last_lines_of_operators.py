"""Guards of the console's operators, each the last line before a password is guessed or one name is
two people."""

from contextlib import suppress

import pytest

from service.console import rules, signing, store
from service.console.model import Role
from service.console.problems import ConsoleLocked, OperatorNameTaken
from tests.support.console_rig import a_console
from tests.support.guards import Guard, both_runs
from tests.support.last_lines import Harm, at_once, run, without, without_conflict

NAME = "li.na"


async def two_operators_get_one_name(dsn: str) -> None:
    """Two administrators enrol a new colleague."""
    async with a_console(dsn) as console:
        await console.hire(NAME, Role.STEWARD)
        with suppress(OperatorNameTaken):
            await console.hire(NAME, Role.ADMIN)
            raise Harm("one name is two operators")


async def one_operator_a_name(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, store, "INSERT_OPERATOR")
    await run(dsn, "drop index console_operator_name")


async def wrong_passwords_at_the_same_moment(dsn: str) -> None:
    """One more than an operator has tries without a long wait, all sent before one is counted."""
    async with a_console(dsn) as console:
        desk = await console.hire(NAME, Role.STEWARD)
        tries = [
            signing.sign_in(console.ctx, NAME, "wrong", desk.code())
            for _ in range(len(rules.WAITS) + 1)
        ]
        await at_once(dsn, "console_operator", *tries)
        with suppress(ConsoleLocked):
            await signing.sign_in(console.ctx, NAME, desk.secrets.password, desk.code())
            raise Harm("a password is guessed as often as one likes")


async def version_of_an_operator(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, store, "SAVE_OPERATOR", " and version = $15 - 1")


GUARDS = [
    Guard(
        name="unique key: one operator a name",
        holds=frozenset({"console_operator_name", "console.store.INSERT_OPERATOR"}),
        harm="one name is two operators",
        scenario=two_operators_get_one_name,
        take_out=one_operator_a_name,
    ),
    Guard(
        name="compare-and-set: operator",
        holds=frozenset({"console.store.SAVE_OPERATOR"}),
        harm="a password is guessed as often as one likes",
        scenario=wrong_passwords_at_the_same_moment,
        take_out=version_of_an_operator,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
