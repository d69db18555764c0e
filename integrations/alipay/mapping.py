"""Alipay's codes and states in our words: literal tables, no I/O, nothing guessed.

A code or state that no table lists is Unknown, never failed (payments.md 5.1, 5.3, 5.6).
"""

from datetime import datetime

import msgspec

from integrations.alipay.wire import (
    RefundAnswer,
    RefundQueryAnswer,
    TradeAnswer,
    WireInvalid,
    read_yuan,
)
from integrations.kit.clocktext import ClockTextError, parse_spaced
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from integrations.ports.payments import (
    Payment,
    PaymentStatus,
    Refund,
    RefundOrder,
    RefundStatus,
)

ANSWER_INVALID = Unknown("answer-invalid")
STATUS_UNLISTED = Unknown("status-unlisted")
NOT_CONFIRMED = Unknown("refund-unconfirmed")
"""10000 without ``fund_change=Y``: ask, then repeat under the same number (5.5)."""
REVERSE_AGAIN = Unknown("reverse-again")

DONE = "10000"
PAYER_CONFIRMS = "10003"
TRADE_ABSENT = "ACQ.TRADE_NOT_EXIST"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A verified answer of either protocol. ``body`` holds its business fields."""

    code: str
    sub_code: str
    text: str
    body: bytes


TRADE_STATES = {
    "WAIT_BUYER_PAY": PaymentStatus.UNPAID,
    "TRADE_SUCCESS": PaymentStatus.PAID,
    "TRADE_FINISHED": PaymentStatus.PAID,
    "TRADE_CLOSED": PaymentStatus.CLOSED,
}
"""``TRADE_CLOSED`` is also a trade refunded whole; then it shows that it was paid (5.3)."""

CODES = {
    "20001": "not-authorised",
    "40001": "request-invalid",
    "40002": "request-invalid",
    "40006": "not-authorised",
}
"""Refusals of the gateway itself: the business behind it never heard of the call (5.1)."""

REFUSALS = {
    "ACQ.INVALID_PARAMETER": "request-invalid",
    "ACQ.PAYMENT_AUTH_CODE_INVALID": "code-invalid",
    "ACQ.BUYER_BALANCE_NOT_ENOUGH": "payer-cannot-pay",
    "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH": "payer-cannot-pay",
    "ACQ.TRADE_HAS_CLOSE": "order-closed",
    TRADE_ABSENT: "not-found",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": "amount-wrong",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": "amount-wrong",
    "ACQ.TRADE_HAS_FINISHED": "too-late",
    "ACQ.TRADE_CANCEL_TIME_OUT": "too-late",
}
"""Sub-codes by which Alipay says that it did nothing, with our reason."""

UNSETTLED = {
    "ACQ.SYSTEM_ERROR": "provider-fault",
    "AQC.SYSTEM_ERROR": "provider-fault",
    "isp.unknow-error": "provider-fault",
    "aop.unknow-error": "provider-fault",
    "ACQ.CONTEXT_INCONSISTENT": "number-used",
    "ACQ.TRADE_HAS_SUCCESS": "already-paid",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "balance-short",
    "isp.bill_not_exist": "not-ready",
}
"""Sub-codes after which the documents ask for a query, or the same call with the same number."""

CLOSE_REFUSALS = {
    "ACQ.TRADE_HAS_SUCCESS": "already-paid",
    "ACQ.TRADE_STATUS_ERROR": "not-unpaid",
    "ACQ.REASON_TRADE_STATUS_INVALID": "not-unpaid",
    "ACQ.REASON_ILLEGAL_STATUS": "not-unpaid",
}
"""``not-unpaid``: paid, or closed before; only a query tells which."""


def refusal(said: Said, own_rows: dict[str, str]) -> Rejected | Unknown:
    """The outcome of an answer that is not done. ``own_rows`` are the operation's refusals."""
    if said.code == "20000":
        return Unknown("provider-fault")
    reason = own_rows.get(said.sub_code)
    if reason is None and said.sub_code in UNSETTLED:
        return Unknown(UNSETTLED[said.sub_code])
    reason = reason or REFUSALS.get(said.sub_code) or CODES.get(said.code)
    if reason is None:
        return STATUS_UNLISTED
    return Rejected(
        reason=reason, provider_code=said.sub_code or said.code, provider_text=said.text[:256]
    )


def payment_of(found: TradeAnswer) -> Outcome[Payment]:
    """A queried trade in our words; a paid one without its proof is not believed."""
    status = TRADE_STATES.get(found.trade_status or "")
    if status is None:
        return STATUS_UNLISTED
    paid_text = found.send_pay_date or found.gmt_payment
    if status is PaymentStatus.CLOSED and paid_text:
        status = PaymentStatus.REFUNDED
    return payment_with(found, status)


def payment_with(found: TradeAnswer, status: PaymentStatus) -> Outcome[Payment]:
    """The trade under a status that is settled already."""
    try:
        amount_fen = read_yuan(found.total_amount)
        paid_at = instant(found.send_pay_date or found.gmt_payment)
    except (WireInvalid, ClockTextError):
        return ANSWER_INVALID
    needs_proof = status in {PaymentStatus.PAID, PaymentStatus.REFUNDED}
    if needs_proof and (not found.trade_no or None in (amount_fen, paid_at)):
        return ANSWER_INVALID
    return Accepted(
        Payment(
            trade_no=found.out_trade_no,
            status=status,
            provider_ref=found.trade_no or None,
            amount_fen=amount_fen,
            paid_at=paid_at,
            payer=found.buyer_open_id or found.buyer_user_id or None,
        )
    )


def absent_payment(trade_no: str) -> Accepted[Payment]:
    """No such trade, or a shown code that nobody scanned yet (5.3)."""
    return Accepted(
        Payment(
            trade_no=trade_no,
            status=PaymentStatus.ABSENT,
            provider_ref=None,
            amount_fen=None,
            paid_at=None,
            payer=None,
        )
    )


def started_refund(found: RefundAnswer, order: RefundOrder) -> Outcome[Refund]:
    """A refund call's answer: done only with ``fund_change=Y`` (5.5).

    The sum told is of all refunds so far, so this one's amount is the one asked for, and the sum
    must lie between it and the whole.
    """
    if found.fund_change != "Y":
        return NOT_CONFIRMED
    try:
        sum_fen = read_yuan(found.refund_fee)
        refunded_at = instant(found.gmt_refund_pay)
    except (WireInvalid, ClockTextError):
        return ANSWER_INVALID
    if sum_fen is None or not order.amount_fen <= sum_fen <= order.total_fen:
        evidence = {"refund_fee": bytes(found.refund_fee).decode("utf-8")[:64]}
        return Unknown("answer-contradicts", evidence)
    return Accepted(
        Refund(
            refund_no=order.refund_no,
            trade_no=order.trade_no,
            status=RefundStatus.REFUNDED,
            provider_ref=found.trade_no or None,
            amount_fen=order.amount_fen,
            refunded_at=refunded_at,
        )
    )


def queried_refund(found: RefundQueryAnswer, refund_no: str, trade_no: str) -> Outcome[Refund]:
    """A refund query's answer; one without a status says that nothing was refunded (5.3)."""
    if not found.refund_status:
        return absent_refund(refund_no)
    if found.refund_status != "REFUND_SUCCESS":
        return STATUS_UNLISTED
    if (found.out_request_no, found.out_trade_no) != (refund_no, trade_no):
        return ANSWER_INVALID
    try:
        amount_fen = read_yuan(found.refund_amount)
        refunded_at = instant(found.gmt_refund_pay)
    except (WireInvalid, ClockTextError):
        return ANSWER_INVALID
    if amount_fen is None:
        return ANSWER_INVALID
    return Accepted(
        Refund(
            refund_no=refund_no,
            trade_no=trade_no,
            status=RefundStatus.REFUNDED,
            provider_ref=found.trade_no or None,
            amount_fen=amount_fen,
            refunded_at=refunded_at,
        )
    )


def absent_refund(refund_no: str) -> Accepted[Refund]:
    """Nothing was refunded under this number."""
    return Accepted(
        Refund(
            refund_no=refund_no,
            trade_no=None,
            status=RefundStatus.ABSENT,
            provider_ref=None,
            amount_fen=None,
            refunded_at=None,
        )
    )


def instant(text: str | None) -> datetime | None:
    """A Beijing time text, None where there is none. Raises ``ClockTextError``."""
    return parse_spaced(text) if text else None
