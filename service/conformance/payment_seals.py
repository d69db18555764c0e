"""Judges of sealed texts: notices, certificates, sensitive fields, ECB, digests."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from crypto.errors import CryptoError
from crypto.sm3 import sm3
from integrations.wechatpay import apiv2, sealing, shangmi, signing
from integrations.wechatpay.sealing import SealBroken
from integrations.wechatpay.wire import NoticeEnvelope, WireInvalid, decode
from service.conformance import payment_keys
from service.conformance.payment_signatures import check_signed, raw_body
from service.conformance.verdict import Case, CaseJudge, Judgement


def open_resource(case: Case, keys: Mapping[str, Any], resource: Case) -> bytes:
    """Open an AEAD resource by its own algorithm, else the case's. Raises ``SealBroken``."""
    key = payment_keys.api_v3_key(case, keys).encode()
    named = str(resource.get("algorithm") or case.get("alg") or "")
    nonce, associated = str(resource.get("nonce", "")), resource.get("associated_data") or ""
    ciphertext = str(resource.get("ciphertext", ""))
    if "SM4" in named:
        return shangmi.open_sm4(
            api_v3_key=key, nonce=nonce, associated=associated, ciphertext_text=ciphertext
        )
    return sealing.open_aes(key=key, nonce=nonce, associated=associated, ciphertext_text=ciphertext)


def _plain_matches(case: Case, plain: bytes) -> bool:
    expected = case.get("expected_plaintext")
    if isinstance(expected, dict):
        return _contains(msgspec.json.decode(plain), expected)
    if isinstance(expected, str) and plain != expected.encode():
        return False
    digest = case.get("expected_plaintext_sha256")
    if digest is not None and hashlib.sha256(plain).hexdigest() != digest:
        return False
    if "expected_plaintext_json" in case:
        return _contains(msgspec.json.decode(plain), case["expected_plaintext_json"])
    return expected is not None or digest is not None


def _contains(found: object, expected: object) -> bool:
    """Every key that is expected is there with that value; others are free."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            name in found and _contains(found[name], value) for name, value in expected.items()
        )
    return found == expected


def _resource(case: Case) -> Case:
    resource = case.get("resource")
    if isinstance(resource, dict):
        return resource
    if "ciphertext" not in case and raw_body(case):
        whole = msgspec.json.decode(raw_body(case))
        found: Case = whole.get("resource", whole)
        return found
    return case


def judge_aead(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """Opens to the plaintext; for SM the derived key is checked too."""
    derived = case.get("derived_sm4_key_hex")
    if derived is not None:
        got_key = shangmi.sm4_key(payment_keys.api_v3_key(case, keys).encode()).hex()
        if got_key != derived:
            return False, got_key
    try:
        plain = open_resource(case, keys, _resource(case))
    except SealBroken as broken:
        return case.get("expected_valid") is False, str(broken)
    if case.get("expected_valid") is False:
        return False, "opened"
    return _plain_matches(case, plain), plain.decode("utf-8", "replace")


def judge_aead_negative(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """Must not open."""
    try:
        open_resource(case, keys, _resource(case))
    except SealBroken as broken:
        return True, str(broken)
    return False, "opened"


def judge_certificate(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """A platform certificate: opens, and has the serial."""
    plain = open_resource(case, keys, _resource(case))
    certificate = signing.load_certificate(plain.decode())
    serial = signing.certificate_serial(certificate)
    wanted = case.get("expected_certificate_serial", serial)
    known = "expected_plaintext_sha256" in case or "expected_plaintext" in case
    return serial == wanted and (not known or _plain_matches(case, plain)), serial


def judge_sensitive_field(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """A sensitive field opens with the merchant's key."""
    key = payment_keys.signing_key(case, keys)
    try:
        plain = key.decrypt_field(str(case["ciphertext"]))
    except (ValueError, CryptoError):
        return case.get("expected_valid") is False, "refused"
    return plain == case.get("expected_plaintext"), plain


def read_notice(case: Case, keys: Mapping[str, Any]) -> tuple[str, bytes]:
    """``ok`` with the opened content, or the reason for refusing; by the order of 1.4."""
    said = check_signed(case, keys)
    if said != "ok":
        return said, b""
    try:
        envelope = decode(raw_body(case), NoticeEnvelope)
        resource = msgspec.to_builtins(envelope.resource)
        listed = shangmi.SM_ALGORITHM if payment_keys.is_sm(case) else sealing.AES_ALGORITHM
        if envelope.resource.algorithm != listed:
            return "algorithm-unlisted", b""
        return "ok", open_resource(case, keys, resource)
    except WireInvalid:
        return "unreadable", b""
    except SealBroken:
        return "seal-broken", b""


def judge_notification(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """Accepted at ``now``, opened, and every expected key is there."""
    said, plain = read_notice(case, keys)
    if said != "ok":
        return False, said
    return _plain_matches(case, plain), plain.decode("utf-8", "replace")


def judge_notification_negative(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """Refused."""
    said, _ = read_notice(case, keys)
    return said != "ok", said


def judge_aes_ecb(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """V2's sealed refund notice; the key may be the one derived from the V2 key."""
    key = (
        apiv2.refund_notice_key(str(case["api_key"]))
        if "api_key" in case
        else str(case["key_utf8"]).encode()
    )
    if "expected_ciphertext" in case:
        sealed = apiv2.ecb_encrypt(key, str(case["plaintext"]).encode())
        got = base64.b64encode(sealed).decode()
        return got == case["expected_ciphertext"] and (
            apiv2.ecb_decrypt(key, sealed).decode() == case["plaintext"]
        ), got
    plain = apiv2.ecb_decrypt(key, base64.b64decode(str(case["ciphertext"]))).decode()
    return plain == case.get("expected_plaintext"), plain


def judge_digest(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """A plain digest by name."""
    message = str(case["message"]).encode()
    name = str(case["alg"]).lower().replace("-", "")
    got = sm3(message).hex() if name == "sm3" else hashlib.new(name, message).hexdigest()
    return got == case["expected_hex"], got


JUDGES: dict[str, CaseJudge] = {
    "aead_decrypt": judge_aead,
    "aead_negative": judge_aead_negative,
    "notification_decrypt": judge_aead,
    "notification": judge_notification,
    "notification_negative": judge_notification_negative,
    "platform_certificate_decrypt": judge_certificate,
    "sensitive_field_decrypt": judge_sensitive_field,
    "aes_ecb": judge_aes_ecb,
    "digest": judge_digest,
}
