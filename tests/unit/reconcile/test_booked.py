"""What the bureau booked, rebuilt from the calls of a settlement."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.ports.insurance import Settled, Split
from service.reconcile.insured import Told, booked
from service.settlement.model import CallKind

AT = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
SETTLE, REVERSE, FIND, UNDO = CallKind.SETTLE, CallKind.REVERSE, CallKind.FIND, CallKind.UNDO


def a_settled(ref: str) -> Settled:
    split = Split(
        total_fen=100,
        fund_fen=60,
        account_fen=0,
        cash_fen=40,
        hospital_fen=0,
        mutual_aid_fen=0,
        full_own_fen=0,
        over_limit_fen=0,
        first_pay_fen=0,
        in_scope_fen=100,
        funds={"310100": 60},
        balance_after_fen=0,
    )
    return Settled(
        settlement_ref=ref,
        split=split,
        settled_at=AT,
        clearing_type="11",
        clearing_region="990001",
    )


YES = "yes"
LOST = "lost"

CASES = {
    "settled": ([(SETTLE, "S1")], ["S1"]),
    "refused": ([(SETTLE, LOST)], []),
    "settled and reversed": ([(SETTLE, "S1"), (REVERSE, YES)], ["S1", "-S1"]),
    "settled twice": (
        [(SETTLE, "S1"), (REVERSE, YES), (SETTLE, "S2")],
        ["S1", "-S1", "S2"],
    ),
    "lost and found": ([(SETTLE, LOST), (FIND, "S1")], ["S1"]),
    "lost, not there, undone": ([(SETTLE, LOST), (FIND, YES), (UNDO, YES), (FIND, YES)], []),
    "undone, came late, undone again": (
        [(SETTLE, LOST), (UNDO, YES), (FIND, "S1"), (UNDO, YES), (FIND, YES), (SETTLE, "S2")],
        ["S2"],
    ),
    "reversal lost, found gone": ([(SETTLE, "S1"), (REVERSE, LOST), (FIND, YES)], ["S1", "-S1"]),
    "reversal lost, undone, repeated": (
        [(SETTLE, "S1"), (REVERSE, LOST), (FIND, "S1"), (UNDO, YES), (FIND, "S1"), (REVERSE, YES)],
        ["S1", "-S1"],
    ),
    "reversal refused": ([(SETTLE, "S1"), (REVERSE, LOST), (FIND, "S1")], ["S1"]),
}


@pytest.mark.parametrize(("calls", "expected"), CASES.values(), ids=CASES)
def test_booked(calls: list[tuple[CallKind, str]], expected: list[str]) -> None:
    told = [
        Told(
            kind=kind,
            at=AT + timedelta(minutes=place),
            accepted=answer != LOST,
            found=a_settled(answer) if answer.startswith("S") else None,
        )
        for place, (kind, answer) in enumerate(calls)
    ]
    found = [("-" if one.reversed else "") + one.settled.settlement_ref for one in booked(told)]
    assert found == expected
