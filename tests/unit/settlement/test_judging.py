"""What every outcome of every call means. Unknown is never failed, and never repeated blindly."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from service.bill.model import Stay
from service.bill.states import BillKind
from service.settlement import rules
from service.settlement.insurance.judging import Asked, Verdict, judge
from service.settlement.model import (
    CallKind,
    ChargesTold,
    Doubt,
    DoubtPhase,
    InsuranceCall,
    Progress,
)
from service.settlement.states import SettlementEvent, SettlementState
from tests.unit.settlement.test_rules import BLANK, doubt, settled

AT = datetime(2026, 3, 2, tzinfo=UTC)
E = SettlementEvent
S = SettlementState
LOST = Unknown("answer-lost")
CONTRADICTS = Unknown("answer-contradicts")
NO = Rejected(reason="business", provider_code="-1", provider_text="余额不足")
K = CallKind
FIFTY = ChargesTold(lines=50, scope=None)


def asked_of(
    kind: CallKind,
    progress: Progress = BLANK,
    *,
    state: SettlementState = S.PRESETTLING,
    paid_fen: int = 40_00,
    undo_moved: bool = False,
) -> Asked:
    call = InsuranceCall(
        record_id=1,
        call_id=2,
        settlement_id=3,
        kind=kind,
        message_no="m1",
        called_at=AT,
        outcome=None,
        undone_by=None,
        evidence=None,
    )
    return Asked(
        call=call,
        progress=progress,
        state=state,
        total_fen=100_00,
        paid_fen=paid_fen,
        undo_moved=undo_moved,
    )


def ask(kind: CallKind, outcome: Any, progress: Progress = BLANK, **circumstances: Any) -> Verdict:
    return judge(asked_of(kind, progress, **circumstances), outcome)


@pytest.mark.parametrize("kind", [one for one in K if one is not K.ADJUDICATE])
def test_what_was_not_sent_is_tried_again(kind: CallKind) -> None:
    assert ask(kind, NotSent("refused")) == Verdict(progress=BLANK, again="later")


@pytest.mark.parametrize(
    "kind", [K.REGISTER, K.DIAGNOSES, K.CHARGES, K.WITHDRAW, K.PRESETTLE, K.SETTLE]
)
def test_a_refusal_is_final_and_keeps_the_bureaus_words(kind: CallKind) -> None:
    verdict = ask(kind, NO)
    assert (verdict.event, verdict.reason) == (E.REFUSED, "insurance-refused")
    assert verdict.progress.refusal_text == "余额不足"


def test_a_lost_registration_takes_another_number() -> None:
    progress = replace(BLANK, visit_no="V" * 30)
    for number in ("V" * 28 + "-2", "V" * 28 + "-3"):
        progress = ask(K.REGISTER, LOST, progress).progress
        assert progress.visit_no == number
    assert (progress.visits_lost, progress.visit_ref) == (2, None)


def test_a_number_that_ends_like_a_suffix_is_kept() -> None:
    progress = ask(K.REGISTER, LOST, replace(BLANK, visit_no="V-1")).progress
    assert progress.visit_no == "V-1-2"


@pytest.mark.parametrize("kind", [K.DIAGNOSES, K.WITHDRAW, K.PRESETTLE, K.CANCEL])
def test_harmless_questions_are_repeated(kind: CallKind) -> None:
    assert ask(kind, LOST) == Verdict(progress=BLANK, again="later")


def test_lost_charges_are_withdrawn_and_sent_in_another_batch() -> None:
    first = replace(BLANK, lines_sent=100)
    lost = ask(K.CHARGES, LOST, first).progress
    assert (lost.charges_in_doubt, lost.lines_sent) == (True, 100)
    again = ask(K.WITHDRAW, Accepted(None), lost).progress
    assert (again.charges_in_doubt, again.lines_sent) == (False, 0)
    assert again.batch_no != lost.batch_no
    assert ask(K.CHARGES, Accepted(FIFTY), first).progress.lines_sent == 150


def test_a_refused_withdrawal_while_undoing_is_left_to_a_person() -> None:
    verdict = ask(K.WITHDRAW, NO, replace(BLANK, lines_sent=1), state=S.REVERSING)
    assert (verdict.event, verdict.left_behind) == (None, "charges-left-at-insurer")
    assert ask(K.CANCEL, NO).left_behind == "visit-left-at-insurer"


def test_a_split_is_believed_only_if_it_adds_up() -> None:
    good = settled().split
    assert ask(K.PRESETTLE, Accepted(good)).event is E.SPLIT
    for outcome in (Accepted(replace(good, cash_fen=1)), CONTRADICTS):
        verdict = ask(K.PRESETTLE, outcome)
        assert (verdict.event, verdict.reason) == (E.CONTRADICTED, "split-contradicts")


PROMISED = replace(BLANK, promised=settled().split)


@pytest.mark.parametrize(
    ("cash_fen", "undo_moved", "event", "refund_fen"),
    [
        (40_00, False, E.SETTLED, 0),
        (40_00, True, E.SETTLED, 0),
        (35_00, False, E.SETTLED, 5_00),
        (35_00, True, E.AMOUNTS_REFUSED, 0),
        (47_00, False, E.CASH_ROSE, 0),
        (47_00, True, E.AMOUNTS_REFUSED, 0),
    ],
)
def test_moved_amounts_follow_the_institution(
    cash_fen: int, undo_moved: bool, event: SettlementEvent, refund_fen: int
) -> None:
    told = settled(cash_fen)
    told = replace(told, split=replace(told.split, funds={"310100": 100_00 - cash_fen}))
    verdict = ask(K.SETTLE, Accepted(told), PROMISED, state=S.SETTLING, undo_moved=undo_moved)
    assert (verdict.event, verdict.refund_fen) == (event, refund_fen)
    assert verdict.progress.settled == told


def test_a_fund_that_takes_over_the_account_moves_nothing_for_the_payer() -> None:
    split = replace(settled().split, fund_fen=50_00, account_fen=10_00, funds={"310100": 50_00})
    told = replace(settled(), split=split)
    assert ask(K.SETTLE, Accepted(told), PROMISED, state=S.SETTLING).event is E.SETTLED
    undone = ask(K.SETTLE, Accepted(told), PROMISED, state=S.SETTLING, undo_moved=True)
    assert undone.event is E.AMOUNTS_REFUSED


def test_a_settlement_that_contradicts_loses_nothing() -> None:
    wrong = replace(settled(), split=replace(settled().split, cash_fen=1))
    verdict = ask(K.SETTLE, Accepted(wrong), PROMISED, state=S.SETTLING)
    assert (verdict.event, verdict.progress.settled) == (E.CONTRADICTED, wrong)
    verdict = ask(K.SETTLE, CONTRADICTS, PROMISED, state=S.SETTLING)
    assert verdict.event is E.CONTRADICTED
    assert verdict.progress.doubt is not None


def in_doubt(kind: str, phase: DoubtPhase) -> Progress:
    known = settled() if kind == "reverse" else None
    return replace(PROMISED, settled=known, doubt=doubt(kind, phase))


def phase_of(verdict: Verdict) -> DoubtPhase | None:
    left: Doubt | None = verdict.progress.doubt
    return None if left is None else left.phase


def test_a_lost_settlement_is_looked_for_undone_and_looked_for_again() -> None:
    lost = ask(K.SETTLE, LOST, PROMISED, state=S.SETTLING)
    assert (phase_of(lost), lost.again) == (DoubtPhase.ASK, "later")
    absent = ask(K.FIND, Accepted(None), lost.progress, state=S.SETTLING)
    assert phase_of(absent) is DoubtPhase.UNDO
    for outcome in (LOST, NO, NotSent("refused")):
        assert phase_of(ask(K.UNDO, outcome, absent.progress)) is DoubtPhase.UNDO
    undone = ask(K.UNDO, Accepted(None), absent.progress)
    assert (phase_of(undone), undone.undid) == (DoubtPhase.RECHECK, True)
    clear = ask(K.FIND, Accepted(None), undone.progress)
    assert phase_of(clear) is None
    assert rules.next_settle_call(clear.progress) is K.SETTLE


@pytest.mark.parametrize("outcome", [LOST, NO])
def test_a_look_that_fails_says_nothing(outcome: Any) -> None:
    progress = in_doubt("settle", DoubtPhase.ASK)
    assert phase_of(ask(K.FIND, outcome, progress, state=S.SETTLING)) is DoubtPhase.UNDO


def test_a_settlement_that_is_found_is_taken_as_the_answer() -> None:
    progress = in_doubt("settle", DoubtPhase.ASK)
    verdict = ask(K.FIND, Accepted(settled()), progress, state=S.SETTLING)
    assert (verdict.event, phase_of(verdict)) == (E.SETTLED, None)


def test_a_settlement_found_after_its_undoing_is_undone_again() -> None:
    progress = in_doubt("settle", DoubtPhase.RECHECK)
    verdict = ask(K.FIND, Accepted(settled()), progress, state=S.SETTLING)
    assert (verdict.event, phase_of(verdict), verdict.again) == (None, DoubtPhase.UNDO, "later")


def test_a_settlement_found_while_undoing_is_only_a_fact() -> None:
    progress = in_doubt("settle", DoubtPhase.ASK)
    verdict = ask(K.FIND, Accepted(settled()), progress, state=S.REVERSING)
    assert (verdict.event, verdict.progress.settled) == (None, settled())


def test_a_book_that_contradicts_goes_to_a_person() -> None:
    progress = in_doubt("settle", DoubtPhase.ASK)
    assert ask(K.FIND, CONTRADICTS, progress, state=S.SETTLING).event is E.CONTRADICTED


def test_looking_and_undoing_without_a_doubt_change_nothing() -> None:
    assert ask(K.FIND, Accepted(None)) == Verdict(progress=BLANK)
    assert ask(K.UNDO, Accepted(None)) == Verdict(progress=BLANK, again="later")


def test_a_reversal_is_done_when_told_or_when_the_settlement_is_gone() -> None:
    known = replace(PROMISED, settled=settled())
    told = ask(K.REVERSE, Accepted("R1"), known, state=S.REVERSING)
    assert (told.progress.settled, told.progress.reversed_ref) == (None, "R1")
    lost = ask(K.REVERSE, LOST, known, state=S.REVERSING)
    assert phase_of(lost) is DoubtPhase.ASK
    gone = ask(K.FIND, Accepted(None), lost.progress, state=S.REVERSING)
    assert (gone.progress.settled, phase_of(gone)) == (None, None)


def test_a_lost_reversal_of_what_still_stands_is_undone_then_repeated() -> None:
    progress = in_doubt("reverse", DoubtPhase.ASK)
    stands = ask(K.FIND, Accepted(settled()), progress, state=S.REVERSING)
    assert phase_of(stands) is DoubtPhase.UNDO
    undone = ask(K.UNDO, Accepted(None), stands.progress, state=S.REVERSING)
    again = ask(K.FIND, Accepted(settled()), undone.progress, state=S.REVERSING)
    assert phase_of(again) is None
    assert rules.undo_call(rules.Leg.SETTLEMENT, again.progress) is K.REVERSE


def test_a_refused_reversal_goes_to_a_person() -> None:
    known = replace(PROMISED, settled=settled())
    verdict = ask(K.REVERSE, NO, known, state=S.REVERSING)
    assert (verdict.event, verdict.reason) == (E.CONTRADICTED, "reversal-refused")


@pytest.mark.parametrize(
    ("kind", "state"),
    [(K.WITHDRAW, S.RECALLING), (K.CHARGES, S.PRESETTLING), (K.SETTLE, S.SETTLING)],
)
def test_a_refusal_in_a_correction_goes_before_a_person(
    kind: CallKind, state: SettlementState
) -> None:
    asked = asked_of(kind, PROMISED, state=state)
    verdict = judge(replace(asked, correcting=True), NO)
    assert (verdict.event, verdict.reason) == (E.CONTRADICTED, "insurance-refused")
    assert verdict.progress.refusal_text == "余额不足"
    assert judge(asked, NO).event is E.REFUSED


def test_a_lost_admission_is_undone_before_it_is_told_anew() -> None:
    stay = replace(BLANK, kind=BillKind.DISCHARGE, stay=Stay(stay_no="Z1", ended_at=AT))
    lost = ask(K.REGISTER, LOST, stay).progress
    assert rules.next_presettle_call(lost, 1) is K.UNDO
    undone = ask(K.UNDO, Accepted(None), lost)
    assert (undone.undid, undone.progress) == (True, stay)
    assert rules.next_presettle_call(undone.progress, 1) is K.REGISTER


def test_a_lost_discharge_is_taken_back_before_it_is_told_anew() -> None:
    stay = Stay(stay_no="Z1", ended_at=AT)
    admitted = replace(BLANK, kind=BillKind.DISCHARGE, stay=stay, visit_ref="M1")
    lost = ask(K.DIAGNOSES, LOST, admitted).progress
    assert rules.next_presettle_call(lost, 1) is K.REOPEN
    for answer in (Accepted(None), NO):
        back = ask(K.REOPEN, answer, lost)
        assert (back.progress, back.left_behind) == (admitted, None)
    assert rules.next_presettle_call(admitted, 1) is K.DIAGNOSES


def test_a_discharge_that_the_bureau_keeps_is_shown_to_a_person() -> None:
    stay = Stay(stay_no="Z1", ended_at=AT)
    told = replace(
        BLANK, kind=BillKind.DISCHARGE, stay=stay, visit_ref="M1", diagnosed=True, lines_sent=1
    )
    assert rules.undo_call(rules.Leg.DISCHARGE, told) is K.REOPEN
    kept = ask(K.REOPEN, NO, told, state=S.REVERSING)
    assert kept.left_behind == "discharge-left-at-insurer"
    theirs = replace(told, stay=replace(stay, ended_at=None, insurance_ref="M1"))
    assert rules.undo_call(rules.Leg.DISCHARGE, theirs) is None
    assert rules.undo_call(rules.Leg.VISIT, theirs) is None
