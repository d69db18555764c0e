"""The bench says at a glance what is short, and fails on what nobody knew of."""

import pytest

from loadtests import targets
from loadtests.rows import Row


def row(name: str, ratio: float | None = None, **facts: object) -> Row:
    return Row(name=name, per_s=1.0, ratio=ratio, facts=facts)


@pytest.mark.parametrize(
    ("made", "stands"),
    [
        (row("code verify: bound, 100,000 texts", 0.9), targets.PASSED),
        (row("code verify: bound, 100,000 texts", 0.8), targets.SHORT),
        (row("resolve: bound code, first showing", 0.34), targets.KNOWN),
        (row("resolve: bound code, first showing", 0.4), targets.PASSED),
        (row("person match, errors of mix plain: registrations", twins_merged=6), targets.SHORT),
        (row("person match, errors of mix plain: registrations", twins_merged=5), targets.PASSED),
    ],
)
def test_a_figure_is_set_beside_its_target(made: Row, stands: str) -> None:
    assert [one.stands for one in targets.judge([made])] == [stands]


def test_the_slowest_step_counts() -> None:
    steps = {"bill": {"p50_ms": 9.0, "p99_ms": 20.0}, "pay": {"p50_ms": 30.0, "p99_ms": 24.0}}
    found = {one.figure: one.reached for one in targets.judge([row("settle: bill", steps=steps)])}
    assert found == {"p50 ms": 30.0, "p99 ms": 24.0}


def test_rows_without_a_target_or_figure_say_nothing() -> None:
    assert targets.judge([row("GET /healthz", 0.1), row("settle: bill")]) == []


def test_what_is_short_stands_first_and_says_why_where_that_is_known() -> None:
    found = targets.judge(
        [row("code verify: x", 0.9), row("resolve: bound code, first showing", 0.3)]
    )
    lines = targets.target_table(found).splitlines()
    assert "short, known (asyncpg" in lines[1]
    assert lines[2].endswith("met")
