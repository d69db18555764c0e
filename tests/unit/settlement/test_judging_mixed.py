"""What the centre's answers mean for an order whose own part a payment provider collects."""

from typing import Any

import pytest
from msgspec.structs import replace

from integrations.ports.insurance_mobile import (
    MobileOrder,
    MobileReturned,
    MobileStage,
    MobileStatus,
    PayerProof,
)
from integrations.ports.outcomes import Accepted, Outcome
from service.settlement.insurance.centre import amounts_of
from service.settlement.insurance.verdicts import OwnPart, Verdict
from service.settlement.model import CallKind, Progress
from service.settlement.states import SettlementEvent, SettlementState
from tests.unit.settlement.test_judging import LOST, NO, ask
from tests.unit.settlement.test_rules import mixed, settled

PROMISED = settled().split
ORDER = MobileOrder(
    order_ref="O1",
    order_token="T1",
    order_no="N1",
    visit_ref="M1",
    batch_no="B1",
    total_fen=100_00,
    name="测试甲",
    id_no="",
)
SETTLING = SettlementState.SETTLING


def paying(**changes: Any) -> Progress:
    """Ordered and divided; WeChat has been handed it."""
    base = mixed(paid=False)
    assert base.centre is not None
    centre = replace(base.centre, order=ORDER, proof=PayerProof(authorisation="A1"), **changes)
    return replace(base, settled=None, promised=PROMISED, centre=centre)


def look(
    stage: MobileStage, state: SettlementState, *, whole: bool = False, revoked: bool = False
) -> Verdict:
    status = MobileStatus(
        order_ref="O1",
        stage=stage,
        code="",
        whole=whole,
        needs_person=False,
        amounts=amounts_of(PROMISED),
        revoked=revoked,
    )
    return ask(CallKind.LOOK, Accepted(status), paying(), state=state)


def test_a_centre_that_has_not_settled_yet_is_asked_again_until_somebody_must_look() -> None:
    verdict = look(MobileStage.OPEN, SETTLING)
    assert (verdict.event, verdict.again) == (None, "later")
    waiting = look(MobileStage.OPEN, SettlementState.AWAITING_PAYER)
    assert (waiting.again, waiting.own_part) == ("wait", OwnPart.PLACED)


@pytest.mark.parametrize("revoked", [True, False])
def test_both_legs_paid_and_the_bureau_s_order_over_contradict(revoked: bool) -> None:
    stage = MobileStage.RETURNED if revoked else MobileStage.FAILED
    verdict = look(stage, SETTLING, revoked=revoked)
    assert (verdict.event, verdict.reason) == (SettlementEvent.CONTRADICTED, "centre-sides-differ")
    ended = look(stage, SettlementState.AWAITING_PAYER, revoked=revoked)
    assert (ended.event, ended.own_part) == (None, OwnPart.CLOSED)


def test_whole_at_the_centre_is_confirmed_at_the_bureau_next() -> None:
    verdict = look(MobileStage.CANDIDATE, SETTLING, whole=True)
    assert verdict.progress.centre is not None
    assert verdict.progress.centre.paid


@pytest.mark.parametrize(
    ("outcome", "told", "again", "item"),
    [
        (Accepted(None), True, "now", None),
        (NO, False, "later", "refund-not-told"),
        (LOST, False, "later", None),
    ],
)
def test_a_provider_is_told_until_it_takes_it(
    outcome: Outcome[None], told: bool, again: str, item: str | None
) -> None:
    verdict = ask(
        CallKind.TELL,
        outcome,
        mixed(insurance_returned=True),
        state=SettlementState.REVERSING,
    )
    assert verdict.progress.centre is not None
    assert (verdict.progress.centre.told, verdict.again, verdict.left_behind) == (
        told,
        again,
        item,
    )


def test_what_the_payer_allowed_is_forgotten_once_insurance_went_back() -> None:
    progress = paying(insurance_returned=False)
    assert progress.centre is not None
    progress = replace(progress, centre=replace(progress.centre, paid=True))
    back = Accepted(MobileReturned(refund_ref="R1", insurance_ref="S1"))
    verdict = ask(CallKind.RETURN_INSURANCE, back, progress, state=SettlementState.REVERSING)
    centre = verdict.progress.centre
    assert centre is not None
    assert (centre.insurance_returned, centre.proof) == (True, PayerProof())
    assert verdict.own_part is None
