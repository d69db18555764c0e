"""Simulated settlements a second: ``make bench`` runs a few seeds, ``make bench-full`` 10,000
settlements, every crash point and every pair of them. The row names what was violated, and how to
see it again."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from loadtests.rows import Row

SEEDS, FULL_SEEDS = "0:5", "0:500"
POINTS, PAIRS = "crash points", "pairs of crash points"
GOOD, VIOLATED = 0, 1
"""How the verb ends."""


def simulate_row(*, full: bool) -> Row:
    """Raises ``RuntimeError`` where the verb did not come to its end."""
    wanted = ["--seeds", FULL_SEEDS, "--crash-points"] if full else ["--seeds", SEEDS]
    told = _simulate([wanted])
    (said,) = told
    summary = _of_kind(said, "summary")
    facts = {name: summary[name] for name in ("settlements", "seeds", "crashes", "faults")}
    facts["fault_kinds"] = f"{summary['fault_kinds_met']} of {summary['fault_kinds']}"
    if full:
        points = _of_kind(said, POINTS)
        facts[POINTS] = f"found {points['found']}, passed {points['passed']}"
        shares = os.cpu_count() or 1
        each = [["--pairs", "--share", f"{share}/{shares}"] for share in range(1, shares + 1)]
        in_pairs = _simulate(each)
        told += in_pairs
        pairs = [_of_kind(one, PAIRS) for one in in_pairs]
        found, passed = (sum(one[name] for one in pairs) for name in ("found", "passed"))
        facts[PAIRS] = f"found {found}, passed {passed}"
    wrong = [
        one["again"] for part in told for one in part if one.get("violations") and "again" in one
    ]
    facts |= {"violations": len(wrong), "again": wrong}
    return Row(
        name="simulate: settlements with faults and crashes",
        per_s=summary["settlements_per_second"],
        limited_by="one core: a step at a time, PostgreSQL and twins in turn with us",
        facts={**facts, "seeds_per_s": summary["seeds_per_second"]},
    )


def _simulate(runs: list[list[str]]) -> list[list[dict[str, Any]]]:
    """What the verb says with each of these arguments, all at the same time."""
    with ThreadPoolExecutor(len(runs)) as threads:
        return list(threads.map(_say, runs))


def _say(wanted: list[str]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "service", "simulate", "--json", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    said = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (GOOD, VIOLATED):
        raise RuntimeError(f"simulate: status {done.returncode}; {done.stderr[-2000:]}")
    return said


def _of_kind(said: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(one for one in said if one["kind"] == kind)
