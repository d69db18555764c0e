"""Rows of the bench's table: what was sent, what it cost each role, and what limits it."""

import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from loadtests import meter, sender
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


def measured(system: RunningSystem, send: Callable[[], sender.Sent]) -> Measured:
    """Send, and see what each role spent on it."""
    earlier, began = meter.usage(system), time.perf_counter()
    sent = send()
    cpu_s = meter.usage(system).since(earlier)
    # The client's process starts before it sends; the others' share is of the whole window.
    cpu_s[meter.OTHERS] *= sent.took_s / (time.perf_counter() - began)
    return Measured(sent=sent, cpu_s=cpu_s)


def http_row(name: str, measured: Measured, sm2_us: float, operations: str) -> Row:
    """``sm2_us``: CPU of the SM2 operations that one request needs."""
    sent = measured.sent
    good = len(sent.bodies)
    # PostgreSQL works for the request too, but the ratio is of the server's own process.
    cpu_us = measured.cpu_s["serve"] / max(1, sum(sent.statuses.values())) * SECOND
    return Row(
        name=name,
        per_s=good / sent.took_s,
        cpu_ms=cpu_us / 1000,
        ratio=sm2_us / cpu_us if sm2_us else None,
        against=operations,
        limited_by=limit(measured.cpu_s, sent.took_s),
        facts={
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
