"""Exact line amounts, sums and bounds of bills; every state with every event."""

from datetime import timedelta
from fractions import Fraction
from math import floor

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ports.insurance import Diagnosis
from service.bill import rules
from service.bill.model import BillRow, Stay
from service.bill.problems import (
    BillLocked,
    BillNotPayable,
    BillPartsDoNotSum,
    BillRefused,
    BillVersionStale,
)
from service.bill.schemas import QUANTITY_E4_MAX, UNIT_PRICE_E6_MAX
from service.bill.states import BILL, HELD, BillEvent, BillKind, BillState
from service.kernel.problems import StateConflict
from tests.support.clock import FakeClock
from tests.support.money import a_content, a_line

NOW = FakeClock().now()


@given(st.integers(0, QUANTITY_E4_MAX), st.integers(0, UNIT_PRICE_E6_MAX))
def test_a_line_amount_is_the_fraction_rounded_half_up(quantity: int, price: int) -> None:
    exact = Fraction(quantity, 10**4) * Fraction(price, 10**6) * 100
    assert rules.line_amount_fen(quantity, price) == floor(exact + Fraction(1, 2))


@pytest.mark.parametrize(
    ("quantity_e4", "unit_price_e6", "amount_fen"),
    [
        (20_000, 12_345_000, 2469),
        (10_000, 5_000, 1),  # half a fen is a fen
        (10_000, 4_999, 0),
        (3_333, 10_000_000, 333),
        (1, 1, 0),
        (10_000, 0, 0),
    ],
)
def test_line_amounts_by_hand(quantity_e4: int, unit_price_e6: int, amount_fen: int) -> None:
    assert rules.line_amount_fen(quantity_e4, unit_price_e6) == amount_fen


def test_a_bill_that_holds() -> None:
    lines = [a_line(str(number)) for number in range(rules.LINES_MAX)]
    rules.check_content(a_content(*lines, pay_until=NOW + timedelta(days=30)), NOW)


@pytest.mark.parametrize("off", [-1, 1])
def test_parts_must_sum(off: int) -> None:
    content = a_content()
    with pytest.raises(BillPartsDoNotSum):
        rules.check_content(msgspec.structs.replace(content, total_fen=2469 + off), NOW)
    with pytest.raises(BillPartsDoNotSum):
        rules.check_content(a_content(a_line(amount_fen=2469 + off)), NOW)


@pytest.mark.parametrize(
    ("pay_until", "fits"),
    [
        (NOW, False),
        (NOW + timedelta(microseconds=1), True),
        (NOW + timedelta(days=30), True),
        (NOW + timedelta(days=30, microseconds=1), False),
    ],
)
def test_time_to_pay_lies_in_the_next_thirty_days(pay_until: object, fits: bool) -> None:
    content = a_content(pay_until=pay_until)
    if fits:
        rules.check_content(content, NOW)
        return
    with pytest.raises(BillRefused, match="pay_until"):
        rules.check_content(content, NOW)


def test_other_bounds() -> None:
    with pytest.raises(BillRefused, match="line_no"):
        rules.check_content(a_content(a_line("1"), a_line("1")), NOW)
    too_many = [a_line(str(number)) for number in range(rules.LINES_MAX + 1)]
    for lines in ([], too_many):
        content = msgspec.structs.replace(a_content(), lines=lines, total_fen=0)
        with pytest.raises(BillRefused, match="lines"):
            rules.check_content(content, NOW)
    free = a_line(unit_price_e6=0, amount_fen=0)
    with pytest.raises(BillRefused, match="total_fen"):
        rules.check_content(a_content(free), NOW)


@pytest.mark.parametrize("mains", [0, 2])
def test_a_visit_has_one_main_diagnosis(mains: int) -> None:
    diagnoses = [Diagnosis(code=f"J0{n}", name="试", main=n < mains) for n in range(3)]
    visit = msgspec.structs.replace(a_content().visit, diagnoses=diagnoses)
    with pytest.raises(BillRefused, match="diagnos"):
        rules.check_content(a_content(visit=visit), NOW)


@pytest.mark.parametrize(
    ("visit_type", "fits"),
    [
        ("11", False),
        ("13", False),
        ("51", False),
        ("21", True),
        ("24", True),
        ("52", True),
        ("9901", True),
    ],
)
def test_a_discharge_is_of_a_stay(visit_type: str, fits: bool) -> None:
    visit = msgspec.structs.replace(a_content().visit, visit_type=visit_type)
    of_stay = {"kind": BillKind.DISCHARGE, "stay": Stay(stay_no="ZY-1", bed="12"), "visit": visit}
    content = msgspec.structs.replace(a_content(), **of_stay)
    if fits:
        rules.check_content(content, NOW)
        return
    with pytest.raises(BillRefused, match=r"visit\.visit_type: one of a stay"):
        rules.check_content(content, NOW)
    own = msgspec.structs.replace(content, kind=BillKind.OUTPATIENT, stay=None)
    rules.check_content(own, NOW)


def _row(state: BillState) -> BillRow:
    return BillRow(
        record_id=1,
        bill_id=2,
        institution_id=3,
        bill_no="B",
        version=4,
        total_fen=5,
        state=state,
        holder_id=6 if state in HELD else None,
        pay_until=NOW + timedelta(hours=1),
        created_at=NOW,
        updated_at=NOW,
        row_mac=b"",
    )


def test_who_may_hold_a_bill() -> None:
    rules.check_lockable(_row(BillState.OPEN), 4, NOW)
    with pytest.raises(BillVersionStale):
        rules.check_lockable(_row(BillState.OPEN), 3, NOW)
    with pytest.raises(BillNotPayable):
        rules.check_lockable(_row(BillState.OPEN), 4, NOW + timedelta(hours=1))
    with pytest.raises(BillLocked):
        rules.check_lockable(_row(BillState.LOCKED), 4, NOW)
    for state in (BillState.PAID, BillState.WITHDRAWN, BillState.EXPIRED):
        with pytest.raises(BillNotPayable):
            rules.check_lockable(_row(state), 4, NOW)


def test_who_may_change_a_bill() -> None:
    for state in (BillState.OPEN, BillState.EXPIRED):
        rules.check_changeable(_row(state))
    for state in HELD:
        with pytest.raises(BillLocked):
            rules.check_changeable(_row(state))
    with pytest.raises(BillNotPayable):
        rules.check_changeable(_row(BillState.WITHDRAWN))


ALLOWED = {
    (BillState.OPEN, BillEvent.LOCK): BillState.LOCKED,
    (BillState.OPEN, BillEvent.AMEND): BillState.OPEN,
    (BillState.OPEN, BillEvent.WITHDRAW): BillState.WITHDRAWN,
    (BillState.OPEN, BillEvent.EXPIRE): BillState.EXPIRED,
    (BillState.LOCKED, BillEvent.PAY): BillState.PAID,
    (BillState.LOCKED, BillEvent.RELEASE): BillState.OPEN,
    (BillState.PAID, BillEvent.RELEASE): BillState.OPEN,
    (BillState.PAID, BillEvent.CORRECT): BillState.PAID,
    (BillState.PAID, BillEvent.WITHDRAW): BillState.WITHDRAWN,
    (BillState.EXPIRED, BillEvent.AMEND): BillState.OPEN,
    (BillState.EXPIRED, BillEvent.WITHDRAW): BillState.WITHDRAWN,
}


@pytest.mark.parametrize("state", BillState)
@pytest.mark.parametrize("event", BillEvent)
def test_every_state_with_every_event(state: BillState, event: BillEvent) -> None:
    wanted = ALLOWED.get((state, event))
    assert BILL.allows(state, event) is (wanted is not None)
    if wanted is not None:
        assert BILL.advance(state, event) is wanted
        return
    with pytest.raises(StateConflict):
        BILL.advance(state, event)
