"""What a run tells people and programs: a table, or JSON; and the exit status."""

from collections.abc import Sequence
from typing import Any

import msgspec

from integrations.ports.money import yuan_text
from service.reconcile.model import AccountReport, Outcome, Sums

ALL_EXPLAINED, DIFFERENCES, NO_FILE = 0, 1, 2
HEAD = ("account", "outcome", "file", "there", "here", "matched", "differences", "closed", "open")


def exit_status(reports: Sequence[AccountReport]) -> int:
    """0 all explained, 1 differences, 2 a statement is missing or refused."""
    outcomes = {report.outcome for report in reports}
    if outcomes & {Outcome.MISSING, Outcome.REFUSED}:
        return NO_FILE
    return DIFFERENCES if Outcome.DIFFERENCES in outcomes else ALL_EXPLAINED


def as_json(reports: Sequence[AccountReport]) -> str:
    """One object; amounts in fen."""
    body: dict[str, Any] = {
        "exit_status": exit_status(reports),
        "accounts": [msgspec.to_builtins(report) for report in reports],
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def as_table(reports: Sequence[AccountReport]) -> str:
    """A line an account; amounts in yuan, trades before refunds."""
    rows = [HEAD, *map(_row, reports)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _row(report: AccountReport) -> tuple[str, ...]:
    outcome = report.outcome.value + (f" ({report.reason})" if report.reason else "")
    file = "-"
    if report.version is not None:
        file = f"v{report.version}{' new' if report.is_new else ''}"
        file += "" if report.tied else " (without totals)"
    classes = ", ".join(f"{name} {count}" for name, count in sorted(report.classes.items()))
    return (
        f"{report.provider}:{report.account_name}",
        outcome,
        file,
        _sums(report.there),
        _sums(report.here),
        str(report.matched),
        classes or "-",
        str(report.closed),
        str(report.open),
    )


def _sums(sums: Sums) -> str:
    trades = f"{sums.trade_count} {yuan_text(sums.trade_fen)}"
    return f"{trades} / {sums.refund_count} {yuan_text(sums.refund_fen)}"
