"""Times of a step are read from the server's own buckets, between two readings."""

import math

import pytest

from loadtests import own_times
from tests.tidy.tree import ROOT

BILL = own_times.OPERATIONS["bill"]
BEFORE = {BILL: {0.005: 10.0, 0.01: 10.0, 0.025: 10.0, math.inf: 10.0}}


def test_a_quantile_lies_within_its_bucket() -> None:
    later = {BILL: {0.005: 10.0, 0.01: 110.0, 0.025: 110.0, math.inf: 110.0}}
    assert own_times.since(BEFORE, later) == {"bill": {"p50_ms": 7.5, "p99_ms": 10.0}}


def test_a_step_that_nobody_took_has_no_time() -> None:
    assert own_times.since(BEFORE, BEFORE) == {}


def test_what_is_beyond_all_buckets_is_at_least_the_last() -> None:
    assert own_times.quantile({0.005: 1.0, 0.01: 1.0, math.inf: 100.0}, 0.99) == 0.01


@pytest.mark.parametrize("step", own_times.OPERATIONS)
def test_the_steps_are_routes_of_the_server(step: str) -> None:
    method, path = own_times.OPERATIONS[step].split(" ")
    assert (method.lower(), path) in routes()


def routes() -> set[tuple[str, str]]:
    """Of the OpenAPI document."""
    found, path = set(), ""
    for line in (ROOT / "openapi/openapi.yaml").read_text(encoding="utf-8").splitlines():
        if line.startswith("  /"):
            path = line.strip().rstrip(":")
        elif path and line.startswith("    ") and not line.startswith("     "):
            found.add((line.strip().rstrip(":"), path))
    return found
