"""Pure decisions of payment: what a provider's word means for what is stored, and when to ask."""

import math
from datetime import datetime, timedelta

import msgspec

from integrations.ports.payments import Payment, PaymentStatus, RefundStatus
from integrations.ports.payments import Refund as ToldRefund
from service.kernel.context import Policy
from service.payment.model import PaymentAttempt, Refund
from service.payment.states import (
    LIVE,
    TOOK_MONEY,
    AttemptEvent,
    AttemptState,
    RefundEvent,
    RefundState,
)

PAUSE_MAX = timedelta(minutes=10)
ASK_EVERY = timedelta(seconds=30)
"""Between two questions about one order on a client's demand."""
LATE_TRADE = timedelta(minutes=1)
"""How long after its end the provider's clock or a delayed request may still bring an order."""
KEEP_NOTICES = timedelta(days=7)
"""Providers give up sending a notice again after about a day (payments dossier 3.2, 9)."""
AT_COUNTER = frozenset({"cash", "pos"})
"""What a cashier takes and gives by hand; no provider is asked about it."""
COUNTER_ACCOUNT = "counter"
MOBILE_CENTRE = "mobile_centre"
"""Who collects the own part of a bill that is paid by phone at the insurance's payment centre: its
order is the settlement's, which asks, closes and gives back."""
CODE, H5, JSAPI, NATIVE = "code", "h5", "jsapi", "native"
AUTHORISED = "authorised"
"""At the payment centre, by what the payer allowed there."""
MIXED = "mixed"
"""Inside the mini-program, insurance and own part in one act; the insured leg was ordered at the
payment centre before, by what the payer allowed."""
WAYS = frozenset({CODE, H5, JSAPI, NATIVE, AUTHORISED, MIXED})
BY_SETTLEMENT = frozenset({AUTHORISED, MIXED})
"""Placed once the settlement says so, and not before."""
PAGE_LIVES = timedelta(minutes=5)
"""Of WeChat's page for browsers (payments dossier 2.1); Alipay's is given the same."""
NEEDS_PAYER = frozenset({H5, JSAPI, MIXED})
OF_ONE_PAYER = frozenset({JSAPI, MIXED})
"""Calls inside a provider's app: no other payer can use them."""
HOSPITAL_NO_MAX = 20
"""Of a mixed order's hospital number (payments dossier 4.2)."""

_ENDED = frozenset({AttemptState.CLOSED, AttemptState.FAILED})
_REVERSED_BY_US = frozenset({AttemptState.CLOSING, AttemptState.CLOSED})


class AttemptJudgement(msgspec.Struct, frozen=True):
    """What to do: the event, if any, and the reason why a person must look, if any."""

    event: AttemptEvent | None
    reason: str | None


class RefundJudgement(msgspec.Struct, frozen=True):
    """As ``AttemptJudgement``, for refunds."""

    event: RefundEvent | None
    reason: str | None


NOTHING = AttemptJudgement(None, None)
NO_REFUND_EVENT = RefundJudgement(None, None)


def hospital_no(row: PaymentAttempt) -> str:
    """Ours for the bureau's order of a mixed payment: as much of the trade number as is taken."""
    return row.trade_no[:HOSPITAL_NO_MAX] if row.way == MIXED else row.trade_no


def pause(retry_after: timedelta, tries: int) -> timedelta:
    """Before the next try: doubled each time, at most ten minutes."""
    return min(retry_after * (1 << min(tries, 10)), PAUSE_MAX)


def ask_again_at(row: PaymentAttempt, policy: Policy, now: datetime) -> datetime:
    """When a try that begins now is followed by the next. A shown code is asked about steadily and
    ended in time, whatever the answers: its payer stands there and waits."""
    if row.way == CODE and row.state not in _REVERSED_BY_US:
        return max(now, min(now + policy.code_ask_every, row.expires_at))
    return now + pause(policy.retry_after, row.tries)


def ends_at(way: str, wanted: datetime, policy: Policy, now: datetime) -> datetime:
    """When an attempt that begins now is over: what the payer was given lives no longer."""
    lives = {CODE: policy.code_within, H5: PAGE_LIVES}.get(way)
    return wanted if lives is None else min(wanted, now + lives)


def last_look_at(row: PaymentAttempt, now: datetime) -> datetime | None:
    """When a closed order that its provider does not know is asked about again; None: not again.

    A code on show that nobody scanned is no trade yet and cannot be closed (payments dossier 5.3),
    and a request may be late. Until its time is over either may still be paid.
    """
    look_at = row.expires_at + LATE_TRADE
    return look_at if look_at > now else None


def may_ask(row: PaymentAttempt, now: datetime) -> bool:
    """Whether a client's demand may cause a question now."""
    return row.asked_at is None or row.asked_at + ASK_EVERY <= now


def ask_again_s(row: PaymentAttempt, now: datetime) -> int:
    """In how many whole seconds a live attempt is asked about again, at least 1."""
    times = [one for one in (row.due_at, row.asked_at and row.asked_at + ASK_EVERY) if one]
    return max(1, math.ceil((min(times, default=now) - now).total_seconds()))


def judge_payment(row: PaymentAttempt, told: Payment, *, sure: bool = False) -> AttemptJudgement:
    """What a provider's word about a trade means for the attempt.

    A trade of a shown code is ended by reversing it, which gives paid money back: what is told of
    it meanwhile or later may be older than the reversal and counts only when ``sure``.
    """
    if row.way == CODE and row.state in _REVERSED_BY_US and not sure:
        is_over = told.status is PaymentStatus.CLOSED and row.state is AttemptState.CLOSING
        return AttemptJudgement(AttemptEvent.CLOSE, None) if is_over else NOTHING
    match told.status:
        case PaymentStatus.PAID:
            return _judge_paid(row, told)
        case PaymentStatus.REFUNDED:
            return _judge_refunded(row)
        case PaymentStatus.CLOSED if row.state in LIVE:
            return AttemptJudgement(AttemptEvent.CLOSE, None)
        case _:
            # Unpaid or absent moves nothing; a provider may also close a trade refunded whole.
            return NOTHING


def _judge_paid(row: PaymentAttempt, told: Payment) -> AttemptJudgement:
    if told.amount_fen != row.amount_fen:
        if row.state in LIVE:
            return AttemptJudgement(AttemptEvent.CONTRADICT, "amount-differs")
        return AttemptJudgement(None, "amount-differs")
    if row.state in LIVE:
        return AttemptJudgement(AttemptEvent.PAY, None)
    if row.state in _ENDED:
        return AttemptJudgement(AttemptEvent.PAY_LATE, "late-payment")
    if row.state in TOOK_MONEY and told.provider_ref != row.provider_ref:
        return AttemptJudgement(None, "paid-under-two-references")
    return NOTHING


def _judge_refunded(row: PaymentAttempt) -> AttemptJudgement:
    """Refunded, but not by us: somebody used the provider's own console."""
    if row.state in LIVE:
        return AttemptJudgement(AttemptEvent.CONTRADICT, "refunded-elsewhere")
    if row.state in _ENDED or row.refunding_fen + row.refunded_fen == 0:
        return AttemptJudgement(None, "refunded-elsewhere")
    return NOTHING


def judge_review(row: PaymentAttempt, told: Payment, *, money_is_back: bool) -> AttemptEvent | None:
    """How an operator's review may end: as paid, if what was paid is what was asked; as closed, if
    nothing was paid or the operator saw to it that all of it went back. None: not like this.

    Of a mixed order only the own part is asked about here: that it is paid does not say that
    insurance is.
    """
    match told.status:
        case PaymentStatus.PAID if told.amount_fen == row.amount_fen and row.way != MIXED:
            return AttemptEvent.PAY
        case PaymentStatus.PAID | PaymentStatus.REFUNDED if money_is_back:
            return AttemptEvent.CLOSE
        case PaymentStatus.CLOSED | PaymentStatus.ABSENT:
            return AttemptEvent.CLOSE
        case _:
            return None


_DOUBTS = ("payment-unresolved", "amount-differs", "refunded-elsewhere", "notice-contradicts")


def ended_items(event: AttemptEvent) -> tuple[str, ...]:
    """The reasons of work items that end with the attempt: its end is the clear answer. What is
    told against one that has ended is reported anew."""
    ends = {AttemptEvent.PAY, AttemptEvent.CLOSE, AttemptEvent.REFUSE}
    return _DOUBTS if event in ends else ()


def judge_refund(row: Refund, told: ToldRefund) -> RefundJudgement:
    """What a provider's word about a refund means for ours. Pairs not listed mean nothing new."""
    if told.status is RefundStatus.ABSENT:
        return NO_REFUND_EVENT
    if told.amount_fen is not None and told.amount_fen != row.amount_fen:
        may_block = row.state in {RefundState.CREATED, RefundState.PROCESSING}
        event = RefundEvent.BLOCK if may_block else None
        return RefundJudgement(event, "refund-amount-differs")
    return _REFUND_TABLE.get((told.status, row.state), NO_REFUND_EVENT)


_T, _R, _E = RefundStatus, RefundState, RefundEvent
_REFUND_TABLE: dict[tuple[RefundStatus, RefundState], RefundJudgement] = {
    (_T.PROCESSING, _R.CREATED): RefundJudgement(_E.ACCEPT, None),
    (_T.PROCESSING, _R.NEEDS_REVIEW): RefundJudgement(_E.ACCEPT, None),
    (_T.REFUNDED, _R.CREATED): RefundJudgement(_E.FINISH, None),
    (_T.REFUNDED, _R.PROCESSING): RefundJudgement(_E.FINISH, None),
    (_T.REFUNDED, _R.NEEDS_REVIEW): RefundJudgement(_E.FINISH, None),
    (_T.REFUNDED, _R.FAILED): RefundJudgement(None, "refunded-after-failure"),
    (_T.FAILED, _R.CREATED): RefundJudgement(_E.FAIL, "refund-failed"),
    (_T.FAILED, _R.PROCESSING): RefundJudgement(_E.FAIL, "refund-failed"),
    (_T.FAILED, _R.NEEDS_REVIEW): RefundJudgement(_E.FAIL, "refund-failed"),
    (_T.FAILED, _R.REFUNDED): RefundJudgement(None, "failed-after-refund"),
    (_T.STUCK, _R.CREATED): RefundJudgement(_E.BLOCK, "refund-stuck"),
    (_T.STUCK, _R.PROCESSING): RefundJudgement(_E.BLOCK, "refund-stuck"),
    (_T.STUCK, _R.REFUNDED): RefundJudgement(None, "failed-after-refund"),
}
