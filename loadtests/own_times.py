"""What our server itself takes for a step, less its partners, by its own figures (``/metrics``)."""

import math
from collections.abc import Iterator

import httpx
from prometheus_client.parser import text_string_to_metric_families

FIGURE = "yimatong_own_seconds"
OPERATIONS = {
    "bill": "POST /v1/institution/bills",
    "settle": "POST /v1/me/bills/{bill_id}/settlements",
    "look": "GET /v1/me/settlements/{settlement_id}",
    "pay": "POST /v1/me/settlements/{settlement_id}/payment",
    "post": "POST /v1/institution/settlements/{settlement_id}/posting",
}
"""The steps of a settlement, as the server names them."""
Counts = dict[str, dict[float, float]]
"""By operation: how many requests took at most so many seconds."""


def read(base_url: str) -> Counts:
    """The server's counts until now."""
    answer = httpx.get(f"{base_url}/metrics", trust_env=False, timeout=10.0)
    found: Counts = {}
    for operation, bound_s, count in _buckets(answer.raise_for_status().text):
        found.setdefault(operation, {})[bound_s] = count
    return found


def _buckets(text: str) -> Iterator[tuple[str, float, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{FIGURE}_bucket":
                yield sample.labels["operation"], float(sample.labels["le"]), sample.value


def since(earlier: Counts, later: Counts) -> dict[str, dict[str, float]]:
    """Each step's median and its 99th percentile in milliseconds, between two readings."""
    found = {}
    for step, operation in OPERATIONS.items():
        before = earlier.get(operation, {})
        counts = {at: count - before.get(at, 0) for at, count in later.get(operation, {}).items()}
        if counts and counts[math.inf] > 0:
            found[step] = {
                "p50_ms": round(quantile(counts, 0.5) * 1000, 1),
                "p99_ms": round(quantile(counts, 0.99) * 1000, 1),
            }
    return found


def quantile(counts: dict[float, float], share: float) -> float:
    """Seconds, by a straight line within the bucket, as Prometheus does it."""
    wanted = share * counts[math.inf]
    low_s, low = 0.0, 0.0
    for bound_s in sorted(counts):
        if counts[bound_s] >= wanted:
            if math.isinf(bound_s):
                return low_s
            return low_s + (bound_s - low_s) * (wanted - low) / (counts[bound_s] - low)
        low_s, low = bound_s, counts[bound_s]
    raise ValueError("the last bucket holds all")
