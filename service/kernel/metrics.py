"""Metrics of one process, in a registry that is passed in. Names begin with ``yimatong_``."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class StoredFigures:
    """What stands in the database; a worker reads it from time to time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open_items = Gauge(
            "yimatong_open_items",
            "Work items that wait for a person",
            ["kind", "reason"],
            registry=registry,
        )
        self.oldest_item_s = Gauge(
            "yimatong_oldest_item_seconds",
            "Age of the oldest open work item",
            ["kind", "reason"],
            registry=registry,
        )
        self.outbox = Gauge(
            "yimatong_outbox",
            "Events between features that no handler took yet: waiting, failing, most_attempts",
            ["value"],
            registry=registry,
        )
        self.certificates = Gauge(
            "yimatong_certificates",
            "Hospitals' newest certificates: holders, ending (within 30 days, or ended), days_left",
            ["holder", "value"],
            registry=registry,
        )
        self.observed_at = Gauge(
            "yimatong_observed_timestamp_seconds",
            "When the worker last read the figures that stand in the database",
            registry=registry,
        )
        self.known_items: set[tuple[str, str]] = set()
        """Kind and reason of whatever was open once."""


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "yimatong_requests",
            "Answered requests",
            ["operation", "status"],
            registry=self.registry,
        )
        self.request_s = Histogram(
            "yimatong_request_seconds", "Time to answer", ["operation"], registry=self.registry
        )
        self.own_s = Histogram(
            "yimatong_own_seconds",
            "Time to answer, less what partners took",
            ["operation"],
            registry=self.registry,
        )
        self.transitions = Counter(
            "yimatong_transitions", "State changes", ["machine", "state"], registry=self.registry
        )
        self.outcomes = Counter(
            "yimatong_partner_outcomes",
            "How partner calls ended",
            ["partner", "operation", "outcome"],
            registry=self.registry,
        )
        self.claims = Counter(
            "yimatong_claims", "Units of due work", ["loop", "result"], registry=self.registry
        )
        self.alarms = Counter(
            "yimatong_alarms", "Things a person must look at", ["kind"], registry=self.registry
        )
        self.oldest_due_s = Gauge(
            "yimatong_oldest_due_seconds",
            "Age of the oldest due work",
            ["loop"],
            registry=self.registry,
        )
        self.key_days_left = Gauge(
            "yimatong_key_days_left",
            "Days until no key of this kind may sign, seal or index",
            ["kind"],
            registry=self.registry,
        )

        self.trust_list = Gauge(
            "yimatong_trust_list",
            "The served trust list: sequence, days_left, missing_keys, ok (0 or 1)",
            ["value"],
            registry=self.registry,
        )
        self.revocation_list = Gauge(
            "yimatong_revocation_list",
            "The newest revocation lists: age_seconds, bytes, entries, late (0 or 1)",
            ["scope", "code_class", "value"],
            registry=self.registry,
        )
        self.stored = StoredFigures(self.registry)
        self._answered: dict[tuple[str, int], tuple[Counter, Histogram, Histogram]] = {}

    def answered(self, operation: str, status: int, took_s: float, own_s: float) -> None:
        """One request of this route, in seconds, and without its partners' answers. To look its
        counters up each time costs more than to count; they are as many as routes and statuses."""
        kept = self._answered.get((operation, status))
        if kept is None:
            kept = (
                self.requests.labels(operation, str(status)),
                self.request_s.labels(operation),
                self.own_s.labels(operation),
            )
            self._answered[operation, status] = kept
        kept[0].inc()
        kept[1].observe(took_s)
        kept[2].observe(own_s)

    def text(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
