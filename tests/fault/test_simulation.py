"""Simulated worlds: thousands of settlements with faults and crashes, by seeds that repeat.

``yimatong simulate`` runs the same by hand, ten thousand and more.
"""

import ast
import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.kernel.database import connection
from service.simulate.forgetting import FORGET
from service.simulate.run import run_seed
from service.simulate.world import Grounds
from tests.support.database import DatabaseServer

pytestmark = pytest.mark.timeout(2400)

SEEDS = 25
SIDE_BY_SIDE = 40
SERVICE = Path(__file__).parents[2] / "service"


@pytest.fixture(scope="module")
async def said(postgres: DatabaseServer, migrated: str) -> list[dict[str, Any]]:
    """What the verb said of a thousand settlements, and of a crash at every point."""
    async with postgres.database(migrated) as dsn:
        wanted = ["--seeds", f"0:{SEEDS}", "--settlements", str(SIDE_BY_SIDE), "--crash-points"]
        command = ["-m", "service", "simulate", "--database", dsn, "--json", *wanted]
        verb = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=PIPE, stderr=PIPE
        )
        told, complained = await verb.communicate()
    assert verb.returncode in (0, 1), complained.decode()
    return [msgspec.json.decode(line) for line in told.splitlines()]


def of_kind(said: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in said if one["kind"] == kind]


def shown(report: dict[str, Any]) -> str:
    """What a person needs to look into it."""
    return "\n".join([report["again"], *report["violations"], *report["trace"][-120:]])


@pytest.mark.timeout(2400)
def test_a_thousand_settlements_lose_nothing(said: list[dict[str, Any]]) -> None:
    for report in of_kind(said, "seed"):
        assert report["violations"] == [], shown(report)
    (summary,) = of_kind(said, "summary")
    print(summary)
    assert summary["settlements"] >= SEEDS * SIDE_BY_SIDE
    assert summary["crashes"] > SEEDS
    # Which kinds a seed meets changes with the product; nearly all of them must be met.
    assert summary["fault_kinds_met"] >= summary["fault_kinds"] * 0.9, summary
    # Not a world in which nothing is ever paid: about half are, the rest is given up or undone.
    assert summary["states"]["POSTED"] > summary["settlements"] * 0.4, summary


def test_a_crash_at_every_point_is_survived(said: list[dict[str, Any]]) -> None:
    for report in of_kind(said, "story"):
        assert report["violations"] == [], shown(report)
    (points,) = of_kind(said, "crash points")
    print(f"crash points: found {points['found']}, passed {points['passed']}")
    assert points["found"] == points["passed"] > 190


def test_a_crash_at_every_transaction_of_a_settlement_is_tried(said: list[dict[str, Any]]) -> None:
    """Every place in the code where a transaction of these features ends, but for those named."""
    (points,) = of_kind(said, "crash points")
    passed = {place for name in points["places"] for place in name.split(" ", 2)[2].split(" < ")}
    found = set(transactions_of(FEATURES))
    assert found - passed == NOT_IN_A_STORY.keys(), "new, or now in a story"


FEATURES = ("bill", "settlement", "payment", "ledger", "receipt", "shift")
_OPERATOR = "an operator's act; the simulated operator does it outside of our hosts"
_TELLS = "writes a work item alone"
_HOSPITAL = "the hospital changes a bill that nobody settles"
NOT_IN_A_STORY = {
    "bill.actions.amend": _HOSPITAL,
    "bill.actions.expire": _HOSPITAL,
    "bill.actions.withdraw": _HOSPITAL,
    "ledger.closing._fix": "closes a day, long after all settlements of it",
    "ledger.closing._tell": _TELLS,
    "ledger.feeding._report": _TELLS,
    "payment.actions.attempts.end_review": _OPERATOR,
    "payment.actions.counter.hold_given": "a slip in doubt, which no terminal of a story has",
    "payment.actions.counter.hold_taken": "a slip in doubt, which no terminal of a story has",
    "payment.actions.counter.report_not_fetched": _TELLS,
    "payment.actions.notices._report_unknown": _TELLS,
    "payment.actions.refunds._block": "a provider refuses a refund for certain; in the flow tests",
    "payment.actions.deciding.confirm_refund": _OPERATOR,
    "payment.actions.deciding.give_outside": _OPERATOR,
    "payment.actions.deciding.retry_refund": _OPERATOR,
    "payment.actions.rows.report_unresolved": _TELLS,
    "receipt.invoice_rows.report_unresolved": _TELLS,
    "receipt.invoices.send_again": _OPERATOR,
    "settlement.asks.answering._tell": _TELLS,
    "settlement.insurance.notices._report_unknown": _TELLS,
    "settlement.pay_links.sharing.look": "writes nothing",
    "shift.actions.rows.noting": "is named by the acts around which it is put",
}


def transactions_of(features: tuple[str, ...]) -> Iterator[str]:
    """Functions that open a transaction, as the simulation names them."""
    for feature in features:
        for path in (SERVICE / feature).rglob("*.py"):
            module = ".".join(path.relative_to(SERVICE).with_suffix("").parts)
            for made in ast.walk(ast.parse(path.read_text())):
                if isinstance(made, ast.AsyncFunctionDef) and any(map(_opens_one, ast.walk(made))):
                    yield f"{module}.{made.name}"


def _opens_one(node: ast.AST) -> bool:
    if not isinstance(node, ast.AsyncWith):
        return False
    calls = [one.context_expr for one in node.items if isinstance(one.context_expr, ast.Call)]
    return any(isinstance(call.func, ast.Name) and call.func.id == "transaction" for call in calls)


async def test_a_world_leaves_nothing_to_the_next(grounds: Grounds) -> None:
    """Else a story told twice would not pass the same points."""
    forgotten = set(re.findall(r"delete from (\w+)", FORGET))
    for seed in (0, 1):
        await run_seed(grounds, seed, 10)
        async with connection(grounds.pool) as conn:
            tables = await conn.fetch("select relname from pg_stat_user_tables")
            names = {row["relname"] for row in tables}
            filled = {one for one in names if await conn.fetchval(f"select exists (table {one})")}
        assert filled - forgotten == {"schema_migration"}


async def test_a_seed_repeats_to_the_step(said: list[dict[str, Any]], grounds: Grounds) -> None:
    """Another program, with another event loop and other hashes, took the same steps."""
    before = of_kind(said, "seed")[3]
    again = await run_seed(grounds, 3, SIDE_BY_SIDE)
    other = await run_seed(grounds, 3, SIDE_BY_SIDE - 1)
    assert again.digest == before["digest"] != other.digest
    assert again.trace == before["trace"]
    assert (again.states, again.faults) == (before["states"], before["faults"])
