"""What the rows of the bench are to reach, and which are known not to, with the reason.

``make bench`` shows each beside what was reached; ``make bench-full`` fails where one that is not
known to be short is short.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from loadtests.rows import Row

PASSED, SHORT, KNOWN = "met", "SHORT", "short, known"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the rows whose names begin so."""

    row: str
    figure: str
    read: Callable[[Row], float | None]
    least: float | None = None
    most: float | None = None
    known_short: str = ""
    """Why it is not reached, where that is known."""

    def stands(self, reached: float) -> str:
        """Met, short, or known to be."""
        good = (self.least is None or reached >= self.least) and (
            self.most is None or reached <= self.most
        )
        return PASSED if good else (KNOWN if self.known_short else SHORT)

    @property
    def wanted(self) -> str:
        """For the table."""
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A target beside its figure."""

    row: str
    figure: str
    reached: float
    wanted: str
    stands: str
    why: str


def _ratio(row: Row) -> float | None:
    return row.ratio


def _per_s(row: Row) -> float | None:
    return row.per_s


def _fact(name: str) -> Callable[[Row], float | None]:
    def read(row: Row) -> float | None:
        found: Any = row.facts.get(name)
        return None if found is None else float(found)

    return read


def _slowest(quantile: str) -> Callable[[Row], float | None]:
    def read(row: Row) -> float | None:
        steps = row.facts.get("steps")
        return None if not steps else max(float(one[quantile]) for one in steps.values())

    return read


def _figure(
    row: str, name: str, *, least: float | None = None, most: float | None = None, known: str = ""
) -> Target:
    return Target(row=row, figure=name, read=_fact(name), least=least, most=most, known_short=known)


def _ratio_of(row: str, least: float, known: str = "") -> Target:
    return Target(row=row, figure="ratio", read=_ratio, least=least, known_short=known)


_SETTLE = "settle: "
_MATCH = "person match"
_ONLINE = "person: a registration"
_STEPS = "two cores are shared by server, worker, PostgreSQL, twins and clients: queueing"
TARGETS: tuple[Target, ...] = (
    _ratio_of("issue: enrol a phone's key", 0.5, "at its line: 0.49 to 0.53 between runs"),
    _ratio_of(
        "resolve: bound code, first showing", 0.4, "asyncpg 30 %, SM2 22 % of the loop; round trips"
    ),
    _ratio_of("the same, ten times that offered", 0.9),
    _ratio_of("code verify", 0.85),
    _ratio_of("front machine", 0.75),
    _ratio_of(_SETTLE, 0.5, "server, worker, twins and clients share the cores with PostgreSQL"),
    _figure(_SETTLE, "work_of_pgbench", least=0.5),
    _figure(_SETTLE, "own_cpu_ms", most=10, known="HTTP, signatures and records of 30 requests"),
    Target(row=_SETTLE, figure="p50 ms", read=_slowest("p50_ms"), most=10, known_short=_STEPS),
    Target(row=_SETTLE, figure="p99 ms", read=_slowest("p99_ms"), most=25, known_short=_STEPS),
    _figure("simulate", "violations", most=0),
    _figure(_MATCH, "f1_all", least=0.993),
    _figure(_MATCH, "f1_reachable", least=0.997),
    _figure(_MATCH, "precision_reachable", least=0.9995),
    _figure(_MATCH, "merged_or_reviewed", least=0.998),
    _figure(_MATCH, "review_of_1000", most=4),
    _figure(_MATCH, "twins_merged", most=5),
    _figure(_MATCH, "parents_merged", most=0),
    _figure(
        _ONLINE, "p99_ms", most=10, known="some 15 round trips each, PostgreSQL on the same cores"
    ),
    Target(row=_ONLINE, figure="per s", read=_per_s, least=1000, known_short="the same"),
    _figure(f"{_MATCH}, FEBRL4", "f1", least=0.9985),
    _figure(f"{_MATCH}, FEBRL4", "candidate_recall", least=0.999),
    _figure(f"{_MATCH}, FEBRL3", "f1", least=0.9935),
    _figure(f"{_MATCH}, FEBRL3", "candidate_recall", least=0.995),
)


def judge(rows: Iterable[Row]) -> list[Reached]:
    """Every target of every row that has its figure."""
    return [
        Reached(
            row=row.name,
            figure=target.figure,
            reached=reached,
            wanted=target.wanted,
            stands=target.stands(reached),
            why=target.known_short,
        )
        for row in rows
        for target in TARGETS
        if row.name.startswith(target.row) and (reached := target.read(row)) is not None
    ]


def target_table(found: list[Reached]) -> str:
    """What is short first."""
    order = (SHORT, KNOWN, PASSED)
    lines = [f"{'target of':50} {'figure':20} {'reached':>9} {'wanted':>9}"]
    for one in sorted(found, key=lambda each: order.index(each.stands)):
        why = f" ({one.why})" if one.stands == KNOWN else ""
        lines.append(
            f"{one.row[:50]:50} {one.figure:20} {one.reached:9.4g} {one.wanted:>9}"
            f"  {one.stands}{why}"
        )
    return "\n".join(lines)
