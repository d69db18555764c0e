"""What a provider's word means for what is stored; every state with every event."""

from datetime import timedelta

import msgspec
import pytest

from integrations.ports.payments import Payment, PaymentStatus, RefundStatus
from integrations.ports.payments import Refund as ToldRefund
from service.kernel.problems import StateConflict
from service.payment import rules
from service.payment.model import PaymentAttempt, Refund
from service.payment.states import (
    ATTEMPT,
    LIVE,
    REFUND,
    TOOK_MONEY,
    AttemptEvent,
    AttemptState,
    RefundEvent,
    RefundState,
)
from tests.support.clock import FakeClock

NOW = FakeClock().now()
A, E, R, F = AttemptState, AttemptEvent, RefundState, RefundEvent


def an_attempt(**changes: object) -> PaymentAttempt:
    row = PaymentAttempt(
        record_id=1,
        attempt_id=2,
        settlement_id=3,
        institution_id=4,
        provider="wechatpay",
        account_name="main",
        way="native",
        purpose="MAIN",
        trade_no="T1",
        amount_fen=100,
        refunding_fen=0,
        refunded_fen=0,
        state=A.AWAITING_PAYER,
        payer_sealed=None,
        client_sealed=None,
        provider_ref=None,
        paid_at=None,
        expires_at=NOW,
        asked_at=None,
        due_at=None,
        tries=0,
        created_at=NOW,
        version=1,
        row_mac=b"",
    )
    return msgspec.structs.replace(row, **changes)


def a_refund(state: RefundState) -> Refund:
    return Refund(
        record_id=1,
        refund_id=5,
        attempt_id=2,
        settlement_id=3,
        institution_id=4,
        provider="wechatpay",
        refund_no="R1",
        trade_no="T1",
        amount_fen=40,
        cause="reversal",
        state=state,
        provider_ref=None,
        refunded_at=None,
        due_at=None,
        tries=0,
        created_at=NOW,
        version=1,
        row_mac=b"",
    )


def told(status: PaymentStatus, amount_fen: int | None = 100, ref: str = "P1") -> Payment:
    return Payment(
        trade_no="T1",
        status=status,
        provider_ref=ref,
        amount_fen=amount_fen,
        paid_at=NOW,
        payer=None,
    )


def told_refund(status: RefundStatus, amount_fen: int | None = 40) -> ToldRefund:
    return ToldRefund(
        refund_no="R1",
        trade_no="T1",
        status=status,
        provider_ref="X",
        amount_fen=amount_fen,
        refunded_at=NOW,
    )


@pytest.mark.parametrize("state", AttemptState)
def test_a_payment_is_taken_wherever_it_may_come(state: AttemptState) -> None:
    judged = rules.judge_payment(
        an_attempt(state=state, provider_ref="P1"), told(PaymentStatus.PAID)
    )
    if state in LIVE:
        assert (judged.event, judged.reason) == (E.PAY, None)
    elif state in {A.CLOSED, A.FAILED}:
        assert (judged.event, judged.reason) == (E.PAY_LATE, "late-payment")
    else:
        assert (judged.event, judged.reason) == (None, None)


@pytest.mark.parametrize("state", AttemptState)
@pytest.mark.parametrize("amount_fen", [99, 101, 0, None])
def test_another_amount_is_never_taken(state: AttemptState, amount_fen: int | None) -> None:
    judged = rules.judge_payment(an_attempt(state=state), told(PaymentStatus.PAID, amount_fen))
    assert judged.event is (E.CONTRADICT if state in LIVE else None)
    assert judged.reason == "amount-differs"


@pytest.mark.parametrize("state", AttemptState)
@pytest.mark.parametrize("status", [PaymentStatus.UNPAID, PaymentStatus.ABSENT])
def test_unpaid_and_absent_move_nothing(state: AttemptState, status: PaymentStatus) -> None:
    judged = rules.judge_payment(an_attempt(state=state), told(status, None))
    assert (judged.event, judged.reason) == (None, None)


@pytest.mark.parametrize("state", AttemptState)
def test_a_closed_trade_closes_only_what_lives(state: AttemptState) -> None:
    judged = rules.judge_payment(an_attempt(state=state), told(PaymentStatus.CLOSED, None))
    assert judged.event is (E.CLOSE if state in LIVE else None)
    assert judged.reason is None


@pytest.mark.parametrize("state", AttemptState)
@pytest.mark.parametrize("refunding_fen", [0, 40])
def test_a_refund_that_is_not_ours_is_seen(state: AttemptState, refunding_fen: int) -> None:
    row = an_attempt(state=state, refunding_fen=refunding_fen)
    judged = rules.judge_payment(row, told(PaymentStatus.REFUNDED))
    assert judged.event is (E.CONTRADICT if state in LIVE else None)
    ours = refunding_fen > 0 and state not in LIVE | {A.CLOSED, A.FAILED}
    assert judged.reason == (None if ours else "refunded-elsewhere")


@pytest.mark.parametrize(
    ("status", "amount_fen", "money_is_back", "event"),
    [
        (PaymentStatus.PAID, 100, False, E.PAY),
        (PaymentStatus.PAID, 100, True, E.PAY),
        (PaymentStatus.PAID, 99, False, None),
        (PaymentStatus.PAID, 99, True, E.CLOSE),
        (PaymentStatus.REFUNDED, 100, False, None),
        (PaymentStatus.REFUNDED, 100, True, E.CLOSE),
        (PaymentStatus.UNPAID, None, True, None),
        (PaymentStatus.CLOSED, None, False, E.CLOSE),
        (PaymentStatus.ABSENT, None, False, E.CLOSE),
    ],
)
def test_how_a_review_may_end(
    status: PaymentStatus, amount_fen: int | None, money_is_back: bool, event: AttemptEvent | None
) -> None:
    row = an_attempt(state=A.NEEDS_REVIEW)
    given = told(status, amount_fen)
    assert rules.judge_review(row, given, money_is_back=money_is_back) is event


def test_a_paid_own_part_does_not_end_the_review_of_a_mixed_order() -> None:
    """Whether insurance is paid too was not asked; with all of the money back it is over."""
    row = an_attempt(state=A.NEEDS_REVIEW, way="mixed")
    paid = told(PaymentStatus.PAID, row.amount_fen)
    assert rules.judge_review(row, paid, money_is_back=False) is None
    assert rules.judge_review(row, paid, money_is_back=True) is E.CLOSE


def test_a_trade_paid_under_two_references_is_seen() -> None:
    row = an_attempt(state=A.PAID, provider_ref="P0")
    judged = rules.judge_payment(row, told(PaymentStatus.PAID))
    assert (judged.event, judged.reason) == (None, "paid-under-two-references")


REFUND_ANSWERS = {
    (RefundStatus.PROCESSING, R.CREATED): (F.ACCEPT, None),
    (RefundStatus.PROCESSING, R.NEEDS_REVIEW): (F.ACCEPT, None),
    (RefundStatus.REFUNDED, R.CREATED): (F.FINISH, None),
    (RefundStatus.REFUNDED, R.PROCESSING): (F.FINISH, None),
    (RefundStatus.REFUNDED, R.NEEDS_REVIEW): (F.FINISH, None),
    (RefundStatus.REFUNDED, R.FAILED): (None, "refunded-after-failure"),
    (RefundStatus.FAILED, R.CREATED): (F.FAIL, "refund-failed"),
    (RefundStatus.FAILED, R.PROCESSING): (F.FAIL, "refund-failed"),
    (RefundStatus.FAILED, R.NEEDS_REVIEW): (F.FAIL, "refund-failed"),
    (RefundStatus.FAILED, R.REFUNDED): (None, "failed-after-refund"),
    (RefundStatus.STUCK, R.CREATED): (F.BLOCK, "refund-stuck"),
    (RefundStatus.STUCK, R.PROCESSING): (F.BLOCK, "refund-stuck"),
    (RefundStatus.STUCK, R.REFUNDED): (None, "failed-after-refund"),
}


@pytest.mark.parametrize("status", RefundStatus)
@pytest.mark.parametrize("state", RefundState)
def test_what_a_word_about_a_refund_means(status: RefundStatus, state: RefundState) -> None:
    judged = rules.judge_refund(a_refund(state), told_refund(status))
    assert (judged.event, judged.reason) == REFUND_ANSWERS.get((status, state), (None, None))
    if judged.event is not None:
        assert REFUND.allows(state, judged.event)


@pytest.mark.parametrize("state", RefundState)
def test_another_refund_amount_is_never_taken(state: RefundState) -> None:
    judged = rules.judge_refund(a_refund(state), told_refund(RefundStatus.REFUNDED, 41))
    assert judged.event is (F.BLOCK if state in {R.CREATED, R.PROCESSING} else None)
    assert judged.reason == "refund-amount-differs"


def test_pauses_double_up_to_ten_minutes() -> None:
    pauses = [rules.pause(timedelta(seconds=5), tries) for tries in (0, 1, 2, 7, 8, 10**6)]
    assert [int(p.total_seconds()) for p in pauses] == [5, 10, 20, 600, 600, 600]


def test_a_client_may_ask_every_thirty_seconds() -> None:
    assert rules.may_ask(an_attempt(), NOW)
    asked = an_attempt(asked_at=NOW)
    assert not rules.may_ask(asked, NOW + timedelta(seconds=29))
    assert rules.may_ask(asked, NOW + timedelta(seconds=30))


ATTEMPT_MOVES = {
    (A.CREATED, E.PLACED): A.AWAITING_PAYER,
    (A.CREATED, E.REFUSE): A.FAILED,
    (A.CREATED, E.PAY): A.PAID,
    (A.CREATED, E.ASK_CLOSE): A.CLOSING,
    (A.CREATED, E.CLOSE): A.CLOSED,
    (A.CREATED, E.CONTRADICT): A.NEEDS_REVIEW,
    (A.AWAITING_PAYER, E.PAY): A.PAID,
    (A.AWAITING_PAYER, E.ASK_CLOSE): A.CLOSING,
    (A.AWAITING_PAYER, E.CLOSE): A.CLOSED,
    (A.AWAITING_PAYER, E.CONTRADICT): A.NEEDS_REVIEW,
    (A.CLOSING, E.PAY): A.PAID,
    (A.CLOSING, E.CLOSE): A.CLOSED,
    (A.CLOSING, E.CONTRADICT): A.NEEDS_REVIEW,
    (A.NEEDS_REVIEW, E.PAY): A.PAID,
    (A.NEEDS_REVIEW, E.CLOSE): A.CLOSED,
    (A.CLOSED, E.PAY_LATE): A.PAID_LATE,
    (A.FAILED, E.PAY_LATE): A.PAID_LATE,
}


@pytest.mark.parametrize("state", AttemptState)
@pytest.mark.parametrize("event", AttemptEvent)
def test_every_attempt_state_with_every_event(state: AttemptState, event: AttemptEvent) -> None:
    wanted = ATTEMPT_MOVES.get((state, event))
    assert ATTEMPT.allows(state, event) is (wanted is not None)
    if wanted is not None:
        assert ATTEMPT.advance(state, event) is wanted
        return
    with pytest.raises(StateConflict):
        ATTEMPT.advance(state, event)


REFUND_MOVES = {
    (R.FAILED, F.FINISH_LATE): R.REFUNDED,
    (R.CREATED, F.ACCEPT): R.PROCESSING,
    (R.CREATED, F.FINISH): R.REFUNDED,
    (R.CREATED, F.FAIL): R.FAILED,
    (R.CREATED, F.BLOCK): R.NEEDS_REVIEW,
    (R.PROCESSING, F.FINISH): R.REFUNDED,
    (R.PROCESSING, F.FAIL): R.FAILED,
    (R.PROCESSING, F.BLOCK): R.NEEDS_REVIEW,
    (R.NEEDS_REVIEW, F.ACCEPT): R.PROCESSING,
    (R.NEEDS_REVIEW, F.FINISH): R.REFUNDED,
    (R.NEEDS_REVIEW, F.FAIL): R.FAILED,
    (R.NEEDS_REVIEW, F.SEND_AGAIN): R.CREATED,
}


@pytest.mark.parametrize("state", RefundState)
@pytest.mark.parametrize("event", RefundEvent)
def test_every_refund_state_with_every_event(state: RefundState, event: RefundEvent) -> None:
    assert REFUND.table.get((state, event)) is REFUND_MOVES.get((state, event))


def test_money_is_taken_only_where_it_can_be_given_back() -> None:
    assert {A.PAID, A.PAID_LATE} == TOOK_MONEY
    assert not TOOK_MONEY & LIVE
