"""The bench's rows about phones: credentials issued, bound codes resolved, ten times too much."""

import msgspec

from crypto.healthcode.layout import Purpose
from loadtests import overload, phones, rows, sender
from loadtests.limits import CipherCost
from loadtests.rows import Row
from tests.support.running import RunningSystem

ENROLMENTS_EACH = 4
"""An account may have five phones."""
SHOWINGS_EACH = 6
RATE_REQUESTS = 3000


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
    again = phones.show(enrolled[: len(enrolled) // 2], SHOWINGS_EACH, Purpose.PAY, first_seq=1)
    cached = rows.measured(system, lambda: sender.scan(system.base_url, again, terminals))
    return Measured(issued=issued, cold=cold, cached=cached)


def code_rows(measured: Measured, cost: CipherCost) -> list[Row]:
    """``cost`` is the mean of before and after."""
    return [
        rows.http_row(
            "issue: enrol a phone's key (row and audit entry)",
            measured.issued,
            2 * cost.verify_us + cost.sign_us + cost.import_and_verify_us,
            "token verify + key import and proof verify + sign + verify after sign; wanted 0.5",
        ),
        rows.http_row(
            "resolve: bound code, first showing",
            measured.cold,
            cost.verify_us + cost.import_and_verify_us,
            "issuer verify + holder key import and verify; wanted 0.4",
        ),
        rows.http_row(
            "resolve: bound code, issuer part remembered",
            measured.cached,
            cost.verify_us,
            "holder verify",
        ),
    ]


def overload_rows(system: RunningSystem, tokens: list[str], seconds: float) -> list[Row]:
    """What is sustained, what is left of it at ten times that, and what comes back after it."""
    requests = [
        sender.http_request(
            "GET", system.base_url, "/v1/me/bills", [f"authorization: Bearer {token}"], b""
        )
        for token in tokens
    ]
    many = (requests * (RATE_REQUESTS // len(requests) + 1))[:RATE_REQUESTS]
    sender.send_all(system.base_url, many[:300])
    before = rows.measured(system, lambda: sender.send_all(system.base_url, many))
    sustained = before.sent.count(200) / before.sent.took_s
    pid = (system.state_dir / "logs" / "serve.pid").read_text()
    offered = overload.offer(system.base_url, requests, per_s=10 * sustained, seconds=seconds)
    after = rows.measured(system, lambda: sender.send_all(system.base_url, many))
    back = after.sent.count(200) / after.sent.took_s
    same = (system.state_dir / "logs" / "serve.pid").read_text() == pid
    return [
        Row(
            name="read own bills: the rate that is sustained",
            per_s=sustained,
            limited_by="serve, one core, and the client's",
            facts={"p50_ms": before.sent.percentile_ms(0.5)},
        ),
        Row(
            name=f"the same, ten times that offered for {seconds:.0f} s",
            per_s=offered.goodput,
            ratio=offered.goodput / sustained,
            against="goodput over the sustained rate; wanted 0.9",
            limited_by="reading and refusing what is too much, in the server's own HTTP part",
            facts={
                "offered_per_s": round(offered.per_s),
                "sent": offered.sent,
                "no_free_connection": offered.not_sent,
                "unanswered": offered.unanswered,
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
