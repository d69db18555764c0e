"""Rows of the bench's table: what was sent, what it cost each role, and what limits it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from loadtests import inside_counts, meter, sender
from loadtests.inside_counts import Needs, Sm2Inside
from tests.support.running import RunningSystem

SECOND = 1_000_000
BUSY = 0.85
"""A share of a core above which a role that has one process is what limits a row."""


class Row(msgspec.Struct, kw_only=True):
    """One line of the table. ``ratio`` is the limit's cost over ours, at most 1."""

    name: str
    per_s: float
    cpu_ms: float | None = None
    """CPU milliseconds of the server's side for one; the client's are not in it."""
    ratio: float | None = None
    against: str = ""
    limited_by: str = ""
    facts: dict[str, Any] = {}


class Measured(msgspec.Struct, kw_only=True):
    """What was sent and what it cost each role."""

    sent: sender.Sent
    cpu_s: dict[str, float]
    sm2: Sm2Inside

    def and_then(self, later: "Measured") -> "Measured":
        """Two turns of the same as one."""
        sums = {
            name: (count + later.sm2.sums[name][0], spent + later.sm2.sums[name][1])
            for name, (count, spent) in self.sm2.sums.items()
        }
        return Measured(
            sent=self.sent.and_then(later.sent),
            cpu_s={role: spent + later.cpu_s[role] for role, spent in self.cpu_s.items()},
            sm2=Sm2Inside(sums=sums),
        )


COUNTS = "sm2-counts"
"""Beside the system's state: where its processes count."""


def counts_in(folder: Path) -> dict[str, str]:
    """What a measured system is started with, in this folder."""
    return dict(inside_counts.counting(folder / COUNTS))


def measured(system: RunningSystem, send: Callable[[], sender.Sent]) -> Measured:
    """Send, and see what each role spent on it."""
    sender.get_ready()
    counts, serving = system.state_dir.parent / COUNTS, meter.pids(system, "serve")
    sm2 = inside_counts.read(counts, serving)
    earlier = meter.cpu_s(system)
    sent = send()
    cpu_s = meter.cpu_s_since(system, earlier)
    return Measured(sent=sent, cpu_s=cpu_s, sm2=inside_counts.read(counts, serving).since(sm2))


def http_row(name: str, measured: Measured, needs: Needs, operations: str) -> Row:
    """The ratio is of the serving processes alone; PostgreSQL's CPU stands beside it."""
    sent = measured.sent
    good, asked = len(sent.bodies), max(1, sum(sent.statuses.values()))
    cpu_us = measured.cpu_s["serve"] / asked * SECOND
    sm2_us = measured.sm2.needed_us(needs)
    return Row(
        name=name,
        per_s=good / sent.took_s,
        cpu_ms=cpu_us / 1000,
        ratio=sm2_us / cpu_us if sm2_us else None,
        against=f"{operations} ({needs}; CPU of serve)" if sm2_us else "",
        limited_by=limit(measured.cpu_s, sent.took_s),
        facts={
            "sm2_needed_ms": round(sm2_us / 1000, 3),
            "sm2_done_each": measured.sm2.done_each(asked),
            "postgres_cpu_ms": round(measured.cpu_s["postgres"] / asked * 1000, 3),
            "statuses": {str(status): count for status, count in sent.statuses.items()},
            "p50_ms": sent.percentile_ms(0.5),
            "p99_ms": sent.percentile_ms(0.99),
            "cores": cores(measured.cpu_s, sent.took_s),
        },
    )


def cores(cpu_s: dict[str, float], took_s: float) -> dict[str, float]:
    """The cores each role kept busy."""
    return {role: round(spent / took_s, 2) for role, spent in cpu_s.items()}


def limit(cpu_s: dict[str, float], took_s: float) -> str:
    """Who is full: a role on its one core, or the machine, which the client shares."""
    busy = cores(cpu_s, took_s)
    shares = ", ".join(f"{role} {share:.2f}" for role, share in busy.items() if share >= 0.05)
    ours = {role: share for role, share in busy.items() if role != meter.OTHERS}
    busiest = max(ours, key=lambda role: ours[role])
    if busy[busiest] >= BUSY:
        return f"{busiest}, one core full (cores: {shares})"
    if sum(busy.values()) >= BUSY * (os.cpu_count() or 1):
        return f"the machine is full, others included (cores: {shares})"
    return f"no core is full: waits (cores: {shares})"
