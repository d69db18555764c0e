"""Every class of a pair, and the report's exit status."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from service.reconcile import report, rules
from service.reconcile.model import AccountReport, Class, Outcome, Pair, Sums

DAY = date(2026, 6, 30)
NOON = datetime(2026, 6, 30, 4, 0, tzinfo=UTC)
WHOLE = Pair(
    own_no="YM1",
    kind="trade",
    there_fen=100,
    there_state="DONE",
    there_at=NOON,
    there_ref="42",
    line_no=1,
    record_id=1,
    row_id=2,
    institution_id=3,
    here_fen=100,
    here_state="PAID",
    here_at=NOON,
    booked_fen=100,
    elsewhere=None,
)
NO_LINE: dict[str, Any] = {"there_fen": None, "there_state": None, "there_at": None}
NO_ROW: dict[str, Any] = {"here_fen": None, "here_state": None, "here_at": None}
REFUND: dict[str, Any] = {"kind": "refund", "there_state": "ACCEPTED", "here_state": "REFUNDED"}
NEXT = DAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "found", "closing"),
    [
        ({}, None, "agrees"),
        ({"here_state": "PAID_LATE"}, None, "agrees"),
        (NO_LINE, Class.ONLY_HERE, None),
        (NO_LINE | {"elsewhere": NEXT}, Class.CROSSES_MIDNIGHT, "crosses-midnight"),
        (NO_LINE | {"elsewhere": NEXT + timedelta(days=1)}, Class.ONLY_HERE, None),
        (NO_LINE | {"here_state": "CLOSED"}, None, "no-longer-held"),
        (NO_LINE | NO_ROW, None, "no-longer-held"),
        (NO_ROW, Class.ONLY_THERE, None),
        ({"there_fen": 101}, Class.AMOUNT_DIFFERS, None),
        ({"there_fen": 101, "here_state": "CLOSED"}, Class.AMOUNT_DIFFERS, None),
        ({"booked_fen": None}, Class.AMOUNT_DIFFERS, None),
        ({"booked_fen": 99}, Class.AMOUNT_DIFFERS, None),
        ({"here_state": "AWAITING_PAYER"}, Class.STATE_DIFFERS, None),
        ({"there_state": "REVOKED"}, Class.STATE_DIFFERS, None),
        ({"there_state": "REVOKED", "here_state": "CLOSED"}, None, "agrees"),
        (
            {"here_at": NOON + timedelta(days=1)},
            Class.CROSSES_MIDNIGHT,
            "crosses-midnight",
        ),
        ({"here_at": NOON - timedelta(days=2)}, Class.STATE_DIFFERS, None),
        (REFUND, None, "agrees"),
        (REFUND | {"here_at": NOON - timedelta(days=9)}, None, "agrees"),
        (REFUND | {"here_state": "PROCESSING", "booked_fen": None}, None, "agrees"),
        (REFUND | {"booked_fen": None}, Class.AMOUNT_DIFFERS, None),
        (REFUND | {"here_fen": None, "here_state": None}, Class.ONLY_THERE, None),
        (REFUND | {"here_fen": None, "there_state": "REVOKED"}, None, "reversed"),
        (REFUND | {"here_state": "CREATED"}, Class.STATE_DIFFERS, None),
        (REFUND | {"here_state": "FAILED"}, Class.STATE_DIFFERS, None),
        (REFUND | NO_LINE, Class.ONLY_HERE, None),
        (REFUND | NO_LINE | {"elsewhere": NEXT}, None, "counted-on-acceptance-day"),
    ],
)
def test_class_of_a_pair(changes: dict[str, Any], found: Class | None, closing: str | None) -> None:
    verdict = rules.judge(msgspec.structs.replace(WHOLE, **changes), DAY)
    assert (verdict.difference, verdict.closing) == (found, closing)


def a_report(outcome: Outcome) -> AccountReport:
    return AccountReport(
        provider="wechatpay",
        account_name="main",
        day=DAY.isoformat(),
        outcome=outcome,
        version=2,
        is_new=True,
        tied=True,
        there=Sums(trade_count=2, trade_fen=12_345),
        classes={"ONLY_HERE": 1},
        open=1,
    )


def test_the_worst_outcome_is_the_exit_status() -> None:
    explained, differs = a_report(Outcome.EXPLAINED), a_report(Outcome.DIFFERENCES)
    assert report.exit_status([]) == report.exit_status([explained]) == 0
    assert report.exit_status([explained, differs]) == 1
    assert report.exit_status([differs, a_report(Outcome.MISSING), explained]) == 2
    assert report.exit_status([a_report(Outcome.REFUSED)]) == 2


def test_the_table_and_the_json_tell_the_same() -> None:
    found = a_report(Outcome.DIFFERENCES)
    head, row = report.as_table([found]).splitlines()
    assert head.startswith("account")
    assert "v2 new" in row
    assert "2 123.45 / 0 0.00" in row
    assert "ONLY_HERE 1" in row
    told = msgspec.json.decode(report.as_json([found]))
    assert told["exit_status"] == 1
    assert told["accounts"][0]["there"]["trade_fen"] == 12_345
