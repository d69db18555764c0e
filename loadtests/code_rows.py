"""The bench's rows about phones: credentials issued, bound codes resolved, ten times too much."""

import msgspec

from crypto.healthcode.layout import Purpose
from loadtests import meter, overload, phones, rows, sender
from loadtests.inside_counts import Needs
from loadtests.rows import Row
from tests.support.running import RunningSystem

ENROLMENTS_EACH = 4
"""An account may have five phones."""
LATER_SHOWINGS = 3
RATE_REQUESTS = 1200


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows are made of, measured while the system runs."""

    issued: rows.Measured
    cold: rows.Measured
    cached: rows.Measured


def measure(
    system: RunningSystem, tokens: list[str], terminals: list[sender.TerminalKey]
) -> Measured:
    """Enrol phones, then resolve what they show: first showings, then later ones."""
    enrolments = phones.prepare_enrolments(system.base_url, tokens, ENROLMENTS_EACH)
    issued = rows.measured(
        system, lambda: sender.send_all(system.base_url, [one.request for one in enrolments])
    )
    enrolled = phones.phones_of(enrolments, issued.sent.bodies)
    # Showings are made as late as may be: each counts for a minute and a half at most.
    shown = phones.show(enrolled, 1, Purpose.PAY)
    cold = rows.measured(system, lambda: sender.scan(system.base_url, shown, terminals))
    cached = None
    for seq in range(1, 1 + LATER_SHOWINGS):
        again = phones.show(enrolled, 1, Purpose.PAY, first_seq=seq)
        turn = rows.measured(system, lambda: sender.scan(system.base_url, again, terminals))  # noqa: B023
        cached = turn if cached is None else cached.and_then(turn)
    assert cached is not None
    return Measured(issued=issued, cold=cold, cached=cached)


def code_rows(measured: Measured) -> list[Row]:
    """Credentials issued, and codes resolved for the first time and later."""
    return [
        rows.http_row(
            "issue: enrol a phone's key (row and audit entry)",
            measured.issued,
            Needs(verify=3, sign=1, imports=1),
            "token verify + key import and proof verify + sign + verify after sign; wanted 0.5",
        ),
        rows.http_row(
            "resolve: bound code, first showing",
            measured.cold,
            Needs(verify=2, imports=1),
            "issuer verify + holder key import and verify; wanted 0.4",
        ),
        rows.http_row(
            "resolve: bound code, issuer part remembered",
            measured.cached,
            Needs(verify=1),
            "holder verify",
        ),
    ]


def overload_rows(
    system: RunningSystem,
    tokens: list[str],
    terminals: list[sender.TerminalKey],
    seconds: float,
) -> list[Row]:
    """What is sustained, what is left of it at ten times that, and what comes back after it."""
    texts = phones.printed(system.base_url, tokens)
    scans = overload.PrintedScans(base_url=system.base_url, texts=texts, terminals=terminals)
    sender.send_all(system.base_url, scans.make(200))
    before = _sustained(system, scans)
    pid = (system.state_dir / "logs" / "serve.pid").read_text()
    earlier = meter.cpu_s(system)
    offered = overload.offer(scans, per_s=10 * _per_s(before), seconds=seconds)
    spent = meter.cpu_s_since(system, earlier)
    after = _sustained(system, scans)
    same = (system.state_dir / "logs" / "serve.pid").read_text() == pid
    return [
        Row(
            name="resolve printed codes: the rate that is sustained",
            per_s=_per_s(before),
            cpu_ms=_serve_ms(before),
            limited_by="serve, one core, and the client's",
            facts={"p50_ms": before.sent.percentile_ms(0.5)},
        ),
        _crowded_row(before, offered, spent),
        _after_row(before, after, restarted=not same),
    ]


def _crowded_row(before: rows.Measured, offered: overload.Offered, spent: dict[str, float]) -> Row:
    crowded_ms = spent["serve"] / max(1, offered.statuses.get(200, 0)) * 1000
    by_cpu = round(_serve_ms(before) / crowded_ms, 2)
    return Row(
        name=f"the same, ten times that offered for {offered.seconds:.0f} s",
        per_s=offered.goodput,
        cpu_ms=crowded_ms,
        ratio=offered.goodput / _per_s(before),
        against="goodput over the sustained rate; wanted 0.9;"
        f" by the server's CPU for a success {by_cpu};"
        f" {offered.sent / offered.seconds:.0f} a second found a free connection",
        limited_by="serve, one core: what is too much waits unread, then is refused",
        facts={
            "offered_per_s": round(offered.per_s),
            "sent": offered.sent,
            "no_free_connection": offered.not_sent,
            "unanswered": offered.unanswered,
            "ratio_by_cpu": by_cpu,
            "cores": rows.cores(spent, offered.seconds),
            "client_cores": round(offered.client_cpu_s / offered.seconds, 2),
            "statuses": {str(status): n for status, n in offered.statuses.items()},
            "p50_ms": offered.percentile_ms(0.5),
            "p99_ms": offered.percentile_ms(0.99),
        },
    )


def _after_row(before: rows.Measured, after: rows.Measured, *, restarted: bool) -> Row:
    by_cpu = round(_serve_ms(before) / _serve_ms(after), 2)
    return Row(
        name="the same, right after it",
        per_s=_per_s(after),
        cpu_ms=_serve_ms(after),
        ratio=_per_s(after) / _per_s(before),
        against=f"rate over the rate before; by the server's CPU for a success {by_cpu}"
        + ("; THE SERVER WAS RESTARTED" if restarted else ""),
        limited_by="serve, one core, and the client's",
        facts={
            "p50_ms": after.sent.percentile_ms(0.5),
            "ratio_by_cpu": by_cpu,
            "restarted": restarted,
        },
    )


def _per_s(measured: rows.Measured) -> float:
    return measured.sent.count(200) / measured.sent.took_s


def _serve_ms(measured: rows.Measured) -> float:
    """The server's CPU for a success, which other work on the machine moves least."""
    return measured.cpu_s["serve"] / max(1, measured.sent.count(200)) * 1000


def _sustained(system: RunningSystem, scans: overload.PrintedScans) -> rows.Measured:
    requests = scans.make(RATE_REQUESTS)
    return rows.measured(system, lambda: sender.send_all(system.base_url, requests))
