"""Simulated settlements a second: ``make bench`` runs a few seeds, ``make bench-full`` 10,000
settlements and every pair of crash points. What is violated is printed and fails the row."""

import json
import subprocess
import sys
from typing import Any

from loadtests.rows import Row

SEEDS, FULL_SEEDS = "0:5", "0:500"


def simulate_row(*, full: bool) -> Row:
    """One run of the verb. Raises ``RuntimeError`` where it found a violation."""
    wanted = ["--seeds", FULL_SEEDS if full else SEEDS]
    if full:
        wanted += ["--crash-points", "--pairs"]
    command = [sys.executable, "-m", "service", "simulate", "--json", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    said = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode:
        wrong = [one["again"] for one in said if one.get("violations") and "again" in one]
        raise RuntimeError(f"simulate: status {done.returncode}; {wrong or done.stderr[-2000:]}")
    summary = _of_kind(said, "summary")
    facts = {name: summary[name] for name in ("settlements", "seeds", "crashes", "faults")}
    facts["fault_kinds"] = f"{summary['fault_kinds_met']} of {summary['fault_kinds']}"
    for kind in ("crash points", "pairs of crash points"):
        if full:
            points = _of_kind(said, kind)
            facts[kind] = f"found {points['found']}, passed {points['passed']}"
    return Row(
        name="simulate: settlements with faults and crashes",
        per_s=summary["settlements_per_second"],
        limited_by="one core: a step at a time, PostgreSQL and twins in turn with us",
        facts={**facts, "seeds_per_s": summary["seeds_per_second"]},
    )


def _of_kind(said: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(one for one in said if one["kind"] == kind)
