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
    sustained = before.sent.count(200) / before.sent.took_s
    pid = (system.state_dir / "logs" / "serve.pid").read_text()
    earlier = meter.cpu_s(system)
    offered = overload.offer(scans, per_s=10 * sustained, seconds=seconds)
    spent = meter.cpu_s_since(system, earlier)
    after = _sustained(system, scans)
    back = after.sent.count(200) / after.sent.took_s
    alone_ms = before.cpu_s["serve"] / max(1, before.sent.count(200)) * 1000
    crowded_ms = spent["serve"] / max(1, offered.statuses.get(200, 0)) * 1000
    same = (system.state_dir / "logs" / "serve.pid").read_text() == pid
    return [
        Row(
            name="resolve printed codes: the rate that is sustained",
            per_s=sustained,
            cpu_ms=alone_ms,
            limited_by="serve, one core, and the client's",
            facts={"p50_ms": before.sent.percentile_ms(0.5)},
        ),
        Row(
            name=f"the same, ten times that offered for {seconds:.0f} s",
            per_s=offered.goodput,
            cpu_ms=crowded_ms,
            ratio=offered.goodput / sustained,
            against="goodput over the sustained rate; wanted 0.9",
            limited_by="reading and refusing what is too much, in the server's own HTTP part",
            facts={
                "offered_per_s": round(offered.per_s),
                "sent": offered.sent,
                "no_free_connection": offered.not_sent,
                "unanswered": offered.unanswered,
                # What other work on the machine does not move: the server's CPU for a success.
                "ratio_by_cpu": round(alone_ms / crowded_ms, 2),
                "cores": rows.cores(spent, offered.seconds),
                "client_cores": round(offered.client_cpu_s / offered.seconds, 2),
                "statuses": {str(status): n for status, n in offered.statuses.items()},
                "p50_ms": offered.percentile_ms(0.5),
                "p99_ms": offered.percentile_ms(0.99),
            },
        ),
        Row(
            name="the same, right after it",
            per_s=back,
            ratio=back / sustained,
            against="rate over the rate before" + ("" if same else "; THE SERVER WAS RESTARTED"),
            limited_by="serve, one core, and the client's",
            facts={"p50_ms": after.sent.percentile_ms(0.5), "restarted": not same},
        ),
    ]


def _sustained(system: RunningSystem, scans: overload.PrintedScans) -> rows.Measured:
    requests = scans.make(RATE_REQUESTS)
    return rows.measured(system, lambda: sender.send_all(system.base_url, requests))
