"""WeChat's states and error codes in our words: literal tables, no I/O, nothing guessed.

A state or code that no table lists is Unknown, never failed (payments.md 1.9, 2.4, 2.6).
"""

import re
from datetime import datetime

from integrations.kit.clocktext import ClockTextError, parse_rfc3339
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from integrations.ports.payments import Payment, PaymentStatus, Refund, RefundStatus
from integrations.wechatpay.wire import RefundAnswer, RefundNotice, Transaction

ANSWER_INVALID = Unknown("answer-invalid")
STATUS_UNLISTED = Unknown("status-unlisted")

TRADE_STATES = {
    "NOTPAY": PaymentStatus.UNPAID,
    "USERPAYING": PaymentStatus.UNPAID,
    "PAYERROR": PaymentStatus.UNPAID,
    "SUCCESS": PaymentStatus.PAID,
    "REFUND": PaymentStatus.REFUNDED,
    "CLOSED": PaymentStatus.CLOSED,
    "REVOKED": PaymentStatus.CLOSED,
}

REFUND_STATES = {
    "PROCESSING": RefundStatus.PROCESSING,
    "SUCCESS": RefundStatus.REFUNDED,
    "CLOSED": RefundStatus.FAILED,
    "ABNORMAL": RefundStatus.STUCK,
}

REFUSALS = {
    "PARAM_ERROR": "request-invalid",
    "INVALID_REQUEST": "against-rule",
    "APPID_MCHID_NOT_MATCH": "account-misconfigured",
    "MCH_NOT_EXISTS": "account-misconfigured",
    "SIGN_ERROR": "account-misconfigured",
    "NO_AUTH": "not-authorised",
    "ORDER_CLOSED": "order-closed",
    "TRADE_ERROR": "refused-by-rule",
    "RULE_LIMIT": "refused-by-rule",
    "ACCOUNT_ERROR": "refused-by-rule",
    "NOT_ENOUGH": "balance-short",
    "ORDER_NOT_EXIST": "not-found",
    "RESOURCE_NOT_EXISTS": "not-found",
}
"""Codes by which WeChat says that it did nothing, with our reason."""

UNSETTLED = {
    "FREQUENCY_LIMITED": "too-often",
    "OUT_TRADE_NO_USED": "number-used",
    "ALREADY_EXISTS": "number-used",
    "SYSTEM_ERROR": "provider-fault",
    "SERVICE_UNAVAILABLE": "provider-fault",
    "USERPAYING": "payer-busy",
    "BANK_ERROR": "provider-fault",
    "BANKERROR": "provider-fault",
}
"""Codes after which the documents ask for a query, or the same call with the same number."""

PAYER_BUSY = frozenset({"USERPAYING", "USER_PAYING"})
V2_UNSETTLED = {
    "SYSTEMERROR": "provider-fault",
    "BANKERROR": "provider-fault",
    "USERPAYING": "payer-busy",
    "ORDERPAID": "already-paid",
    "OUT_TRADE_NO_USED": "number-used",
}
V2_REFUSALS = {
    "AUTHCODEEXPIRE": "code-invalid",
    "AUTH_CODE_INVALID": "code-invalid",
    "AUTH_CODE_ERROR": "code-invalid",
    "NOTENOUGH": "balance-short",
    "NOTSUPORTCARD": "refused-by-rule",
    "ORDERCLOSED": "order-closed",
    "ORDERREVERSED": "order-closed",
    "REVERSE_EXPIRE": "refused-by-rule",
    "SIGNERROR": "account-misconfigured",
    "NOAUTH": "not-authorised",
}
"""V2 spells its codes without the underscore; the list is from older pages."""
CODE_REFUSALS = {"AUTH_CODE_INVALID": "code-invalid", "AUTH_CODE_EXPIRED": "code-invalid"}
"""Both are from older pages; they end an attempt, and a new code needs a new number."""
BILL_REFUSALS = {
    "NO_STATEMENT_EXIST": "not-found",
    "NO_BILL_EXIST": "not-found",
    "STATEMENT_CREATING": "not-ready",
    "BILL_CREATING": "not-ready",
}
PLACE_UNSETTLED = {"ORDERPAID": "already-paid", "ORDER_PAID": "already-paid"}
REFUND_UNSETTLED = {"NOT_ENOUGH": "balance-short"}
"""A refund is repeated with its own number when the merchant's balance is short (2.6)."""
CLOSE_REFUSALS = {"ORDERPAID": "already-paid", "ORDER_PAID": "already-paid"}
"""Both spellings are from memory of older pages; the detail codes below are the documented sign."""

PAID_DETAILS = frozenset({"268449538", "268498689"})
"""Last number group of ``Request-ID`` when the order was paid already (1.9)."""

NOT_FOUND = frozenset({"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"})

_DETAIL = re.compile(r"([0-9]{6,12})\Z", re.ASCII)


def refusal(
    *, status: int, code: str, text: str, unsettled: dict[str, str], refusals: dict[str, str]
) -> Rejected | Unknown:
    """The outcome of an error answer. ``unsettled`` and ``refusals`` are the operation's own rows.

    A 5xx is Unknown whatever its code says.
    """
    if status >= 500:
        return Unknown("provider-fault")
    unsettled_word = unsettled.get(code) or UNSETTLED.get(code)
    if unsettled_word is not None:
        return Unknown(unsettled_word)
    if status == 429:
        return Unknown("too-often")
    reason = refusals.get(code) or REFUSALS.get(code)
    if reason is None or not 400 <= status < 500:
        return STATUS_UNLISTED
    return Rejected(reason=reason, provider_code=code, provider_text=text[:256])


def says_paid(request_id: str) -> bool:
    """Whether ``Request-ID`` ends with one of the codes for an order already paid."""
    found = _DETAIL.search(request_id[-64:])
    return found is not None and found.group(1) in PAID_DETAILS


def payment_of(transaction: Transaction) -> Outcome[Payment]:
    """A transaction in our words; a paid one without its proof is not believed."""
    status = TRADE_STATES.get(transaction.trade_state)
    if status is None:
        return STATUS_UNLISTED
    amount = transaction.amount
    if amount is not None and amount.currency != "CNY":
        return ANSWER_INVALID
    try:
        paid_at = _instant(transaction.success_time)
    except ClockTextError:
        return ANSWER_INVALID
    amount_fen = amount.total if amount is not None else None
    if status in {PaymentStatus.PAID, PaymentStatus.REFUNDED} and None in (
        transaction.transaction_id,
        amount_fen,
        paid_at,
    ):
        return ANSWER_INVALID
    return Accepted(
        Payment(
            trade_no=transaction.out_trade_no,
            status=status,
            provider_ref=transaction.transaction_id,
            amount_fen=amount_fen,
            paid_at=paid_at,
            payer=_payer(transaction),
        )
    )


def refund_of(found: RefundAnswer | RefundNotice) -> Outcome[Refund]:
    """A refund in our words."""
    state = found.status if isinstance(found, RefundAnswer) else found.refund_status
    status = REFUND_STATES.get(state)
    if status is None:
        return STATUS_UNLISTED
    if found.amount.currency != "CNY":
        return ANSWER_INVALID
    try:
        refunded_at = _instant(found.success_time)
    except ClockTextError:
        return ANSWER_INVALID
    return Accepted(
        Refund(
            refund_no=found.out_refund_no,
            trade_no=found.out_trade_no,
            status=status,
            provider_ref=found.refund_id,
            amount_fen=found.amount.refund,
            refunded_at=refunded_at if status is RefundStatus.REFUNDED else None,
        )
    )


def _payer(transaction: Transaction) -> str | None:
    payer = transaction.payer
    if payer is None:
        return None
    return payer.sub_openid or payer.openid or payer.sp_openid


def _instant(text: str | None) -> datetime | None:
    return None if text is None or text == "" else parse_rfc3339(text)
