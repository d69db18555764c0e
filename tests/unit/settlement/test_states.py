"""Every (state, event) pair of the settlement's machine, allowed and not."""

import pytest

from service.kernel.problems import StateConflict
from service.settlement.jobs import STEPS
from service.settlement.states import MACHINE, PAYABLE, SettlementEvent, SettlementState

S = SettlementState
E = SettlementEvent

ALLOWED = {
    S.PRESETTLING: {
        E.SPLIT: S.PRESETTLED,
        E.REFUSED: S.REVERSING,
        E.ABANDONED: S.REVERSING,
        E.DEADLINE_PASSED: S.REVERSING,
        E.CONTRADICTED: S.NEEDS_REVIEW,
    },
    S.PRESETTLED: {
        E.PAYMENT_STARTED: S.AWAITING_PAYER,
        E.CONFIRMED: S.PAID,
        E.ABANDONED: S.REVERSING,
        E.DEADLINE_PASSED: S.REVERSING,
        E.ENOUGH_PAID: S.PAID,
        E.AMOUNTS_REFUSED: S.REVERSING,
        E.CONTRADICTED: S.NEEDS_REVIEW,
    },
    S.AWAITING_PAYER: {
        E.PAID: S.PAID,
        E.PAYMENT_ENDED: S.PRESETTLED,
        E.CONTRADICTED: S.NEEDS_REVIEW,
    },
    S.PAID: {E.SETTLE_BEGUN: S.SETTLING},
    S.SETTLING: {
        E.SETTLED: S.SETTLED,
        E.CASH_ROSE: S.COLLECTING,
        E.AMOUNTS_REFUSED: S.REVERSING,
        E.REFUSED: S.REVERSING,
        E.CONTRADICTED: S.NEEDS_REVIEW,
    },
    S.COLLECTING: {
        E.PAID: S.SETTLED,
        E.ABANDONED: S.REVERSING,
        E.DEADLINE_PASSED: S.REVERSING,
        E.CONTRADICTED: S.NEEDS_REVIEW,
    },
    S.SETTLED: {E.RECORDED: S.POSTING},
    S.POSTING: {E.HOSPITAL_POSTED: S.POSTED},
    S.POSTED: {E.RETURN_ASKED: S.REVERSING, E.CORRECTED: S.RECALLING},
    S.RECALLING: {E.RECALLED: S.PRESETTLING, E.CONTRADICTED: S.NEEDS_REVIEW},
    S.REVERSING: {E.UNDONE: S.REVERSED, E.CONTRADICTED: S.NEEDS_REVIEW},
    S.REVERSED: {},
    S.NEEDS_REVIEW: {
        E.REVIEWED_SETTLE: S.SETTLING,
        E.REVIEWED_REVERSE: S.REVERSING,
        E.REVIEWED_GO_ON: S.RECALLING,
    },
}


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("event", E)
def test_every_pair(state: SettlementState, event: SettlementEvent) -> None:
    expected = ALLOWED[state].get(event)
    assert MACHINE.allows(state, event) is (expected is not None)
    if expected is None:
        with pytest.raises(StateConflict):
            MACHINE.advance(state, event)
    else:
        assert MACHINE.advance(state, event) is expected


def test_money_that_is_taken_never_ends_without_a_settlement_or_a_refund() -> None:
    for state in (S.PAID, S.SETTLING, S.COLLECTING):
        targets = {target for (source, _), target in MACHINE.table.items() if source is state}
        assert S.REVERSED not in targets
        assert S.PRESETTLED not in targets


def test_a_settled_bill_is_never_undone_by_itself() -> None:
    for state in (S.SETTLED, S.POSTING):
        targets = {target for (source, _), target in MACHINE.table.items() if source is state}
        assert targets <= {S.POSTING, S.POSTED}


def test_every_state_is_worked_on_or_rests() -> None:
    assert set(S) - set(STEPS) == {S.POSTED, S.REVERSED, S.NEEDS_REVIEW}
    assert set(STEPS) >= PAYABLE
