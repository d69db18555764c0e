"""Notices: what is read once, verified over the decoded form, and refused with which word."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from integrations.alipay import signing
from integrations.alipay.notices import read, read_form
from integrations.alipay.settings import load_keys
from integrations.ports.payments import NoticeRefused, PaymentNotice, PaymentStatus
from tests.contract.alipay_rig import (
    APP_ID,
    SELLER_ID,
    START,
    Rig,
    by_certificates,
    key_pair,
    settings,
)

FORM = {
    "notify_type": "trade_status_sync",
    "notify_id": "2026112100222100000000000001",
    "notify_time": "2026-11-21 10:00:01",
    "app_id": APP_ID,
    "seller_id": SELLER_ID,
    "charset": "utf-8",
    "version": "1.0",
    "trade_no": "2026112122001400000000000101",
    "out_trade_no": "TRADE0001",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "123.45",
    "subject": '门诊 缴费+100% & more="sign"',
    "gmt_payment": "2026-11-21 10:00:00",
    "passback_params": "",
    "buyer_open_id": "074x",
}


def signed(form: dict[str, str], without: frozenset[str] = signing.NOTICE_READINGS[0]) -> bytes:
    whole = {**form, "sign_type": form.get("sign_type", "RSA2")}
    key = signing.SigningKey(key_pair("alipay")[0])
    return urlencode({**whole, "sign": key.sign(signing.notice_message(whole, without))}).encode()


def opened(body: bytes, **changes: Any) -> PaymentNotice:
    ours = settings(**changes)
    return read(settings=ours, verifier=load_keys(ours).verifier, body=body)


@pytest.mark.parametrize("without", signing.NOTICE_READINGS)
def test_a_notice_is_read_under_either_reading(without: frozenset[str]) -> None:
    notice = opened(signed(FORM, without))
    assert notice.notice_id == FORM["notify_id"]
    assert notice.payment is not None
    assert (notice.payment.trade_no, notice.payment.amount_fen, notice.payment.paid_at) == (
        "TRADE0001",
        12_345,
        START,
    )


def test_in_certificate_mode_each_known_certificate_is_tried() -> None:
    assert opened(signed(FORM), **by_certificates()).payment is not None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"trade_status": "WAIT_BUYER_PAY", "gmt_payment": ""}, PaymentStatus.UNPAID),
        ({"trade_status": "TRADE_FINISHED"}, PaymentStatus.PAID),
        ({"trade_status": "TRADE_CLOSED", "gmt_payment": ""}, PaymentStatus.CLOSED),
        ({"trade_status": "TRADE_CLOSED", "refund_fee": "123.45"}, PaymentStatus.REFUNDED),
        ({"refund_fee": "0.01", "gmt_refund": "2026-11-21 11:00:00"}, PaymentStatus.REFUNDED),
        ({"refund_fee": "0.00"}, PaymentStatus.PAID),
    ],
)
def test_a_refund_in_a_notice_tells_paid_once_from_never_paid(
    change: dict[str, str], status: PaymentStatus
) -> None:
    payment = opened(signed({**FORM, **change})).payment
    assert payment is not None
    assert payment.status is status


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"app_id": "2021990000000009"}, "other-merchant"),
        ({"seller_id": "2088990000000009"}, "other-merchant"),
        ({"seller_id": ""}, "other-merchant"),
        ({"notify_type": "servicemarket_order_notify"}, "event-unlisted"),
        ({"notify_id": ""}, "unreadable"),
        ({"notify_id": "9" * 129}, "unreadable"),
        ({"trade_status": "TRADE_NEVER_SEEN"}, "status-unlisted"),
        ({"total_amount": "123.456"}, "unreadable"),
        ({"total_amount": "-1.00"}, "unreadable"),
        ({"total_amount": ""}, "unreadable"),
        ({"refund_fee": "much"}, "unreadable"),
        ({"gmt_payment": ""}, "unreadable"),
        ({"gmt_payment": "2026-13-01 00:00:00"}, "unreadable"),
        ({"trade_no": ""}, "unreadable"),
        ({"out_trade_no": "T" * 129}, "unreadable"),
        ({"sign_type": "RSA"}, "algorithm-unlisted"),
    ],
)
def test_a_signed_notice_may_still_be_refused(change: dict[str, str], reason: str) -> None:
    with pytest.raises(NoticeRefused) as refused:
        opened(signed({**FORM, **change}))
    assert refused.value.reason == reason


GOOD = signed(FORM)
FORGED = {
    "unsigned": (urlencode(FORM).encode(), "signature-missing"),
    "changed": (GOOD.replace(b"123.45", b"123.46"), "signature-wrong"),
    "more": (GOOD + b"&extra=1", "signature-wrong"),
    "doubled": (GOOD + b"&total_amount=0.01", "unreadable"),
    "decoded twice": (GOOD.replace(b"%25", quote("%25").encode()), "signature-wrong"),
    "other bytes": (GOOD.replace(b"%E9%97%A8", b"%C3%C5"), "unreadable"),
    "no form": (b'{"trade_no":"1"}', "unreadable"),
    "raw utf-8": ("subject=门诊".encode(), "unreadable"),
    "empty": (b"", "signature-missing"),
    "huge": (GOOD + b"&x=" + b"a" * 65_536, "too-large"),
    "many": (b"&".join(b"a%d=1" % n for n in range(200)), "unreadable"),
}


@pytest.mark.parametrize(("body", "reason"), FORGED.values(), ids=FORGED.keys())
def test_a_forged_notice_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(NoticeRefused) as refused:
        opened(body)
    assert refused.value.reason == reason


def test_a_notice_signed_by_somebody_else_is_refused() -> None:
    with pytest.raises(NoticeRefused, match="signature-wrong"):
        opened(GOOD, alipay_public_key_pem=key_pair("somebody")[1])


def test_the_form_is_decoded_once() -> None:
    assert read_form(b"a=%2541%20b+c&empty=") == {"a": "%41 b c", "empty": ""}


def test_what_alipay_hears() -> None:
    gateway = Rig().gateway
    assert gateway.notice_answer(True).body == b"success"
    assert gateway.notice_answer(False).body != b"success"
