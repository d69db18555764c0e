"""What a partner may say that is not right, as tables: a row a kind, with the cause it is told by.

``tests/flow/test_bad_input_matrix.py`` says which of them each partner's wire has.
"""

from collections.abc import Callable
from typing import Any

import msgspec

STRANGER = {"key": "stranger"}
Tamper = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]


class Bad(msgspec.Struct, frozen=True, kw_only=True):
    """A message that deviates from the right one. Reasons by partner; no entry, no such wire."""

    reasons: dict[str, str]
    facts: dict[str, Any] = {}
    """Members other than they should be, rightly signed."""
    how: dict[str, Any] = {}
    """Signed, sealed or encoded otherwise."""
    tamper: Tamper | None = None
    """Changed after signing."""


def both(reason: str) -> dict[str, str]:
    return {"wechatpay": reason, "alipay": reason}


def unsigned(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    if headers:
        return {"Content-Type": "application/json"}, body
    if body.startswith(b"{"):
        return {}, body[: body.rindex(b',"sign"')] + b"}"
    return {}, body[: body.rindex(b"&sign=")]


def one_byte(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    """A byte of what was signed: of the sealed content, or of the amount."""
    place = body.find(b'"ciphertext": "') + 15
    if place < 15:
        place = body.index(b"123.45") if b"123.45" in body else body.index(b"12345")
    changed = b"9" if body[place : place + 1] != b"9" else b"8"
    return headers, body[:place] + changed + body[place + 1 :]


NOTICES = {
    "forged": Bad(how=STRANGER, reasons=both("signature-wrong")),
    "one byte changed": Bad(tamper=one_byte, reasons=both("signature-wrong")),
    "unsigned": Bad(tamper=unsigned, reasons=both("signature-missing")),
    "stale": Bad(how={"old_s": 301}, reasons={"wechatpay": "timestamp-stale"}),
    "sealed for another": Bad(how={"api_key": "x" * 32}, reasons={"wechatpay": "seal-broken"}),
    "foreign merchant": Bad(
        facts={"mchid": "1900000110", "seller_id": "2088990000000009"},
        reasons=both("other-merchant"),
    ),
    "foreign application": Bad(
        facts={"appid": "wx0000000000000009", "app_id": "2021990000000009"},
        reasons=both("other-merchant"),
    ),
    "other amount": Bad(facts={"total": 1}, reasons=both("amount-differs")),
    "unreadable amount": Bad(
        facts={"amount": {"total": "12345"}, "total_amount": "123,45.00"},
        reasons=both("unreadable"),
    ),
    "other currency": Bad(facts={"currency": "USD"}, reasons={"wechatpay": "unreadable"}),
    "other order": Bad(facts={"out_trade_no": "NOTOURS0001"}, reasons=both("unknown-number")),
    "unknown status": Bad(
        facts={"trade_state": "PERHAPS", "trade_status": "PERHAPS"},
        reasons={"wechatpay": "content-contradicts", "alipay": "status-unlisted"},
    ),
    "unknown event": Bad(how={"event": "TRADE.PERHAPS"}, reasons=both("event-unlisted")),
    "wrong charset": Bad(how={"charset": "gbk"}, reasons=both("unreadable")),
}
ANSWERS = {
    "forged": Bad(how=STRANGER, reasons=both("answer-invalid")),
    "one byte changed": Bad(tamper=one_byte, reasons=both("answer-invalid")),
    "unsigned": Bad(tamper=unsigned, reasons=both("answer-invalid")),
    "stale": Bad(how={"old_s": 301}, reasons={"wechatpay": "answer-invalid"}),
    "foreign merchant": Bad(facts={"mchid": "1900000110"}, reasons={"wechatpay": "answer-invalid"}),
    "other amount": Bad(facts={"total": 1}, reasons=both("amount-differs")),
    "unreadable amount": Bad(
        facts={"amount": {"total": "12345"}, "total_amount": "123,45.00"},
        reasons=both("answer-invalid"),
    ),
    "other currency": Bad(facts={"currency": "USD"}, reasons={"wechatpay": "answer-invalid"}),
    "other order": Bad(facts={"out_trade_no": "NOTOURS0001"}, reasons=both("answer-invalid")),
    "unknown status": Bad(
        facts={"trade_state": "PERHAPS", "trade_status": "PERHAPS"},
        reasons=both("status-unlisted"),
    ),
    "wrong charset": Bad(how={"charset": "gbk"}, reasons=both("answer-invalid")),
}
INSURANCE = {
    "other amount": ("answer-contradicts", {"setlinfo": {"medfee_sumamt": "1.00"}}),
    "unreadable amount": ("answer-contradicts", {"setlinfo": {"psn_cash_pay": "1,00"}}),
    "other order": ("answer-contradicts", {"setlinfo": {"mdtrt_id": "NOTOURS0001"}}),
    "unknown status": ("status-unlisted", 7),
    "wrong charset": ("answer-invalid", "gbk"),
    "no message": ("answer-invalid", b"<html>busy</html>"),
}
"""The answer to 2207, unsigned (a private line): what becomes of the call, and what is changed."""
FISCAL = {
    "forged": "answer-invalid",
    "unsigned": "answer-invalid",
    "unknown status": "invoice-refused",
    "wrong charset": "answer-invalid",
    "no message": "answer-invalid",
}
"""The answer to the issuing of an invoice."""
