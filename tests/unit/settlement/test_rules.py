"""Amounts, waits and the order of calls."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from integrations.ports.insurance import CallId, Insured, Settled
from integrations.ports.insurance_mobile import PayerProof
from service.settlement import rules
from service.settlement.model import CallKind, CentreOrder, Doubt, DoubtPhase, Progress

AT = datetime(2026, 3, 2, tzinfo=UTC)
INSURED = Insured(person_no="P1", insurance_type="310", region="990001", token=None, id_no="")
BLANK = Progress(insured=INSURED, visit_no="V1", batch_base="B")


def settled(cash_fen: int = 40_00) -> Settled:
    own = rules.own_split(100_00)
    split = replace(own, fund_fen=100_00 - cash_fen, cash_fen=cash_fen, funds={"310100": 60_00})
    return Settled(
        settlement_ref="S1", split=split, settled_at=AT, clearing_type="11", clearing_region=""
    )


def doubt(kind: str, phase: DoubtPhase) -> Doubt:
    return Doubt(kind=kind, call=CallId(message_no="m1", at=AT), phase=phase)


@pytest.mark.parametrize(
    ("tries", "seconds"), [(0, 5), (1, 5), (2, 10), (3, 20), (7, 320), (8, 600), (500, 600)]
)
def test_waits_double_up_to_ten_minutes(tries: int, seconds: int) -> None:
    assert rules.back_off(tries, timedelta(seconds=5)) == timedelta(seconds=seconds)


@given(total=st.integers(1, 10**9))
def test_an_own_split_adds_up(total: int) -> None:
    assert rules.split_faults(rules.own_split(total), total) == []
    assert rules.split_faults(rules.own_split(total), total + 1) == ["other-total"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cash_fen": 99_99}, "parts"),
        ({"cash_fen": 101_00, "hospital_fen": -1_00}, "negative-part"),
        ({"in_scope_fen": 1}, "scope-parts"),
        ({"funds": {"310100": 1}}, "funds"),
        ({"mutual_aid_fen": 1}, "mutual-aid"),
        ({"mutual_aid_fen": -1}, "mutual-aid"),
    ],
)
def test_a_split_that_contradicts_names_its_fault(change: dict[str, object], fault: str) -> None:
    split = replace(rules.own_split(100_00), **change)
    assert rules.split_faults(split, 100_00) == [fault]


def test_questions_before_the_split_come_in_order() -> None:
    asked = []
    progress = BLANK
    steps = [{"visit_ref": "M1"}, {"diagnosed": True}, {"lines_sent": 100}, {"lines_sent": 150}]
    for step in steps:
        asked.append(rules.next_presettle_call(progress, 150))
        progress = replace(progress, **step)
    asked.append(rules.next_presettle_call(progress, 150))
    assert asked == [
        CallKind.REGISTER,
        CallKind.DIAGNOSES,
        CallKind.CHARGES,
        CallKind.CHARGES,
        CallKind.PRESETTLE,
    ]
    lost = replace(progress, lines_sent=100, charges_in_doubt=True)
    assert rules.next_presettle_call(lost, 150) is CallKind.WITHDRAW


def test_a_doubtful_settlement_is_never_followed_by_another() -> None:
    assert rules.next_settle_call(BLANK) is CallKind.SETTLE
    for phase, kind in [
        (DoubtPhase.ASK, CallKind.FIND),
        (DoubtPhase.UNDO, CallKind.UNDO),
        (DoubtPhase.RECHECK, CallKind.FIND),
    ]:
        assert rules.next_settle_call(replace(BLANK, doubt=doubt("settle", phase))) is kind


def next_undo(progress: Progress) -> CallKind | None:
    """The first call of the legs in their order."""
    kinds = (rules.undo_call(leg, progress) for leg in rules.COMPENSATION)
    return next((kind for kind in kinds if kind is not None), None)


def test_undoing_goes_money_settlement_charges_visit() -> None:
    progress = replace(BLANK, visit_ref="M1", lines_sent=3, settled=settled())
    order = []
    while (kind := next_undo(progress)) is not None:
        assert not rules.is_undone(progress)
        order.append(kind)
        match kind:
            case CallKind.REVERSE:
                progress = replace(progress, settled=None)
            case CallKind.WITHDRAW:
                progress = replace(progress, lines_sent=0)
            case _:
                progress = replace(progress, visit_ref=None)
    assert order == [CallKind.REVERSE, CallKind.WITHDRAW, CallKind.CANCEL]
    assert rules.is_undone(progress)
    assert rules.COMPENSATION[:2] == (rules.Leg.COVER, rules.Leg.MONEY)


def mixed(**changes: bool) -> Progress:
    """A bill paid in one act of the payer's, settled."""
    order = CentreOrder(
        attempt_id=1, order_no="N1", proof=PayerProof(), mixed=True, paid=True, divided=True
    )
    return replace(BLANK, visit_ref="M1", settled=settled(), centre=replace(order, **changes))


def test_what_was_paid_in_one_act_goes_back_insurance_first_and_is_told_of_last() -> None:
    legs = rules.compensation(mixed())
    assert legs[:3] == (rules.Leg.SETTLEMENT, rules.Leg.MONEY, rules.Leg.TOLD)
    assert rules.compensation(BLANK) == rules.COMPENSATION
    assert set(rules.COMPENSATION) - {rules.Leg.COVER} < set(legs)
    assert rules.undo_call(rules.Leg.SETTLEMENT, mixed()) is CallKind.RETURN_INSURANCE
    assert rules.undo_call(rules.Leg.SETTLEMENT, mixed(unclear=True)) is CallKind.LOOK
    back = mixed(insurance_returned=True)
    assert rules.undo_call(rules.Leg.SETTLEMENT, back) is None
    assert rules.undo_call(rules.Leg.TOLD, back) is CallKind.TELL
    assert not rules.is_undone(back)
    assert rules.undo_call(rules.Leg.TOLD, mixed(insurance_returned=True, told=True)) is None


def test_own_money_of_a_mixed_order_is_not_asked_back_at_the_centre() -> None:
    assert rules.next_return(mixed(), own=True) is None
    assert rules.next_return(mixed(mixed=False), own=True) is CallKind.RETURN_OWN
    one, other = mixed(insurance_returned=True), mixed(mixed=False, insurance_returned=True)
    assert one.centre is not None
    assert rules.is_returned(one.centre)
    assert other.centre is not None
    assert not rules.is_returned(other.centre)


def test_a_provider_s_word_on_both_legs_is_checked_at_the_centre_before_the_bureau() -> None:
    assert rules.next_settle_call(mixed(paid=False)) is CallKind.LOOK
    assert rules.next_settle_call(mixed()) is CallKind.CONFIRM


def test_a_doubt_is_cleared_up_before_anything_is_withdrawn() -> None:
    progress = replace(BLANK, visit_ref="M1", lines_sent=3, doubt=doubt("settle", DoubtPhase.UNDO))
    assert next_undo(progress) is CallKind.UNDO


def test_charges_in_doubt_are_withdrawn() -> None:
    progress = replace(BLANK, visit_ref="M1", charges_in_doubt=True)
    assert next_undo(progress) is CallKind.WITHDRAW


def test_nothing_told_is_nothing_to_undo() -> None:
    assert rules.is_undone(BLANK)
    assert rules.undo_call(rules.Leg.MONEY, BLANK) is None


def test_what_is_owed() -> None:
    assert rules.owed_fen(None, 0) == 0
    assert rules.owed_fen(47_00, 40_00) == 7_00
    assert rules.owed_fen(35_00, 40_00) == 0


def test_deadlines() -> None:
    assert not rules.is_past(None, AT)
    assert rules.is_past(AT, AT)
    assert not rules.is_past(AT + timedelta(microseconds=1), AT)
