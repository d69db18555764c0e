"""Kinds that the visible vectors do not show: notices, answers, requests verified, refusals."""

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto import sm2, sm4
from integrations.wechatpay import apiv2, shangmi, signing
from service.conformance.payments import JUDGES
from tests.contract.wechat_rig import key_pair
from tests.support.key_texts import write_private_pem, write_public_pem

NOW = 1_795_000_000
ID = "PUB_KEY_ID_0119000001092026"
API_V3_KEY = "0123456789abcdef0123456789ABCDEF"
PLAIN = {"out_trade_no": "TRADE0001", "amount": {"total": 100, "currency": "CNY"}}
SM_KEY = sm2.PrivateKey.generate()
KEYS: dict[str, Any] = {
    "wx": {"pem": key_pair("wechat")[1], "public_key_id": ID, "apiv3_key": API_V3_KEY},
    "merchant": {"pem": key_pair("merchant")[0], "serial_no": "0A", "mchid": "190"},
    "sm": {
        "pem": write_public_pem(sm2.PublicKey.from_bytes(SM_KEY.public_point())),
        "apiv3_key": API_V3_KEY,
    },
    "sm_merchant": {"pem": write_private_pem(SM_KEY)},
}


def seal(plain: bytes, *, sm: bool = False) -> dict[str, str]:
    nonce, associated = "0123456789ab", "transaction"
    if sm:
        key = shangmi.sm4_key(API_V3_KEY.encode())
        box = sm4.gcm_encrypt(key, nonce.encode(), plain, associated.encode())
    else:
        box = AESGCM(API_V3_KEY.encode()).encrypt(nonce.encode(), plain, associated.encode())
    return {
        "original_type": "transaction",
        "algorithm": "AEAD_SM4_GCM" if sm else "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(box).decode(),
        "associated_data": associated,
        "nonce": nonce,
    }


def a_notice(*, sm: bool = False, **changes: Any) -> dict[str, Any]:
    body = json.dumps(
        {
            "id": "EV-1",
            "create_time": "2026-11-21T10:00:00+08:00",
            "resource_type": "encrypt-resource",
            "event_type": "TRANSACTION.SUCCESS",
            "summary": "支付成功",
            "resource": seal(json.dumps(PLAIN).encode(), sm=sm),
        },
        ensure_ascii=False,
    )
    key: Any = (
        shangmi.Sm2SigningKey(KEYS["sm_merchant"]["pem"])
        if sm
        else signing.RsaSigningKey(key_pair("wechat")[0])
    )
    message = signing.answer_message(timestamp=str(NOW), nonce="n", body=body.encode())
    return {
        "provider": "wechatpay-v3-sm" if sm else "wechatpay-v3",
        "kind": "notification",
        "key": "sm" if sm else "wx",
        "now": NOW + 10,
        "headers": {
            "Wechatpay-Timestamp": str(NOW),
            "Wechatpay-Nonce": "n",
            "Wechatpay-Serial": ID,
            "Wechatpay-Signature": key.sign(message),
        },
        "body": body,
        "expected_plaintext": {"out_trade_no": "TRADE0001", "amount": {"total": 100}},
    } | changes


def judge(case: dict[str, Any], kind: str) -> tuple[bool, object]:
    return JUDGES[kind]({**case, "kind": kind}, KEYS)


@pytest.mark.parametrize("sm", [False, True])
def test_a_good_notice_passes_and_its_content_is_compared(sm: bool) -> None:
    assert judge(a_notice(sm=sm), "notification")[0]
    wrong = {"out_trade_no": "TRADE0001", "amount": {"total": 101}}
    assert not judge(a_notice(sm=sm, expected_plaintext=wrong), "notification")[0]
    assert not judge(a_notice(sm=sm), "notification_negative")[0]


@pytest.mark.parametrize(
    ("changes", "headers", "reason"),
    [
        ({"now": NOW + 300}, {}, "timestamp-stale"),
        ({"now": NOW - 300}, {}, "timestamp-stale"),
        ({}, {"Wechatpay-Timestamp": "1e9"}, "timestamp-stale"),
        ({}, {"Wechatpay-Serial": "PUB_KEY_ID_OTHER"}, "serial-unknown"),
        ({}, {"Wechatpay-Signature": ""}, "signature-missing"),
        ({}, {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/abcd"}, "signature-probe"),
        ({}, {"Wechatpay-Signature": "AAAA"}, "signature-wrong"),
        ({}, {"Wechatpay-Nonce": "m"}, "signature-wrong"),
        ({"body": "{}"}, {}, "signature-wrong"),
        ({}, {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}, "scheme-differs"),
    ],
)
def test_a_bad_notice_is_refused_for_its_reason(
    changes: dict[str, Any], headers: dict[str, str], reason: str
) -> None:
    notice = a_notice()
    case = notice | changes | {"headers": notice["headers"] | headers}
    assert judge(case, "notification_negative") == (True, reason)
    assert judge(case, "notification") == (False, reason)


def test_one_second_inside_the_window_is_fresh() -> None:
    assert judge(a_notice(now=NOW + 299), "notification")[0]


def test_a_notice_sealed_under_another_key_is_refused() -> None:
    other = a_notice(apiv3_key_utf8="x" * 32)
    assert judge(other, "notification_negative") == (True, "seal-broken")


@pytest.mark.parametrize("sm", [False, True])
def test_answers_are_verified_over_raw_bytes(sm: bool) -> None:
    notice = a_notice(sm=sm)
    assert judge({**notice, "expected_valid": True}, "response_verify")[0]
    reformatted = json.dumps(json.loads(notice["body"]))
    case = {**notice, "body": reformatted, "expected_valid": False}
    assert judge(case, "response_verify")[0]
    flat = {
        "provider": notice["provider"],
        "key": notice["key"],
        "timestamp": str(NOW),
        "nonce": "n",
        "body": notice["body"],
        "signature": notice["headers"]["Wechatpay-Signature"],
        "expected_valid": True,
    }
    assert judge(flat, "response_verify")[0]


@pytest.mark.parametrize("sm", [False, True])
def test_requests_sign_and_verify(sm: bool) -> None:
    name = "sm_merchant" if sm else "merchant"
    case = {
        "provider": "wechatpay-v3-sm" if sm else "wechatpay-v3",
        "key": name,
        "method": "GET",
        "url_path": "/v3/refund/domestic/refunds/R1",
        "timestamp": "1554208460",
        "nonce_str": "n",
        "body": "",
        "message": "GET\n/v3/refund/domestic/refunds/R1\n1554208460\nn\n\n",
    }
    passed, signature = judge(case, "request_signature")
    assert passed
    good = {**case, "signature": signature, "expected_valid": True}
    assert judge(good, "request_signature_verify")[0]
    tampered = {**good, "url_path": "/v3/other", "expected_valid": False}
    tampered.pop("message")
    assert judge(tampered, "request_signature_verify")[0]


@pytest.mark.parametrize("sm", [False, True])
def test_sealed_things_open_or_are_refused(sm: bool) -> None:
    case = {
        "provider": "wechatpay-v3-sm" if sm else "wechatpay-v3",
        "apiv3_key_utf8": API_V3_KEY,
        "resource": seal(b"plain", sm=sm),
    }
    opened = {**case, "expected_plaintext_sha256": hashlib.sha256(b"plain").hexdigest()}
    assert judge(opened, "notification_decrypt")[0]
    assert not judge(case, "aead_negative")[0]
    resource = case["resource"]
    assert isinstance(resource, dict)
    for change in (
        {"associated_data": "refund"},
        {"nonce": "0123456789ac"},
        {"nonce": "short"},
        {"ciphertext": "AAAA"},
        {"ciphertext": "not base64!"},
    ):
        bad = {**case, "resource": resource | change}
        assert judge(bad, "aead_negative")[0]
    assert judge({**case, "apiv3_key_utf8": "short"}, "aead_negative")[0]


def test_sm_sensitive_fields_round_trip() -> None:
    key = shangmi.Sm2SigningKey(KEYS["sm_merchant"]["pem"])
    assert key.decrypt_field(key.verify_key().encrypt_field("测试甲")) == "测试甲"


def test_rsa_sensitive_fields_round_trip() -> None:
    sealed = signing.RsaVerifyKey.from_public_pem(key_pair("merchant")[1]).encrypt_field("测试甲")
    assert signing.RsaSigningKey(key_pair("merchant")[0]).decrypt_field(sealed) == "测试甲"


def test_the_apps_last_line_is_the_bare_prepay_id() -> None:
    message = "wx1\n1554208460\nn\nwx2026\n"
    signature = signing.RsaSigningKey(key_pair("merchant")[0]).sign(message.encode())
    case = {
        "provider": "wechatpay-v3",
        "key": "merchant",
        "fields": {
            "appid": "wx1",
            "partnerid": "190",
            "prepayid": "wx2026",
            "package": "Sign=WXPay",
            "noncestr": "n",
            "timestamp": "1554208460",
        },
        "message": message,
        "expected_signature": signature,
    }
    assert judge(case, "client_invoke_signature")[0]


def test_v2_by_hmac_and_its_refund_notice() -> None:
    fields = {"mch_id": "190", "nonce_str": "n", "empty": ""}
    sign = apiv2.sign_v2(fields, "k" * 32, "HMAC-SHA256")
    assert len(sign) == 64
    assert apiv2.verify_v2({**fields, "sign": sign}, "k" * 32, "HMAC-SHA256")
    assert not apiv2.verify_v2({**fields, "sign": sign, "x": "1"}, "k" * 32, "HMAC-SHA256")
    key = apiv2.refund_notice_key("k" * 32)
    assert apiv2.ecb_decrypt(key, apiv2.ecb_encrypt(key, b"<xml/>")) == b"<xml/>"
    for sealed in (b"", b"short", bytes(32)):
        with pytest.raises(apiv2.V2Refused):
            apiv2.ecb_decrypt(key, sealed)


def test_fifteen_places_become_eighteen() -> None:
    case = {"id_number": "990001800101001", "normalised": "99000119800101001" + "9"}
    passed, got = judge(case, "id_digest")
    assert passed, got
