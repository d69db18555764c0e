"""Judges of signed texts: requests, answers, client parameters, certificates, form signatures."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.wechatpay import apiv2, medins, signing
from integrations.wechatpay.verifier import SignatureRefused, Verifier, lower_names
from service.conformance import payment_keys
from service.conformance.verdict import Case, CaseJudge, Judgement


def raw_body(case: Case) -> bytes:
    """The body's bytes: from ``body_base64``, or one of the text fields."""
    if "body_base64" in case:
        return base64.b64decode(case["body_base64"])
    for field in ("body", "raw_body", "raw"):
        if isinstance(case.get(field), str):
            return str(case[field]).encode()
    return b""


def instant(case: Case) -> datetime | None:
    """``now`` as seconds or RFC 3339."""
    now = case.get("now")
    if now is None:
        return None
    if isinstance(now, str) and not now.isdigit():
        at = datetime.fromisoformat(now)
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return datetime.fromtimestamp(int(now), UTC)


def headers_of(case: Case) -> dict[str, str]:
    """The signature headers: as given, or put together from the case's own fields."""
    if isinstance(case.get("headers"), dict):
        return {str(name): str(value) for name, value in case["headers"].items()}
    single = {
        "Wechatpay-Timestamp": case.get("timestamp"),
        "Wechatpay-Nonce": case.get("nonce") or case.get("nonce_str"),
        "Wechatpay-Signature": case.get("signature") or case.get("expected_signature"),
        "Wechatpay-Serial": case.get("serial") or case.get("serial_no"),
    }
    return {name: str(value) for name, value in single.items() if value is not None}


def check_signed(case: Case, keys: Mapping[str, Any]) -> str:
    """``ok`` or the verifier's reason, over the case's headers and raw body at ``now``."""
    headers = headers_of(case)
    found = lower_names(headers)
    key = payment_keys.verify_key(case, keys)
    known = payment_keys.known_serials(case, keys, found.get("wechatpay-serial", ""))
    if "headers" not in case and "Wechatpay-Serial" not in headers:
        # A case of single fields that names no serial means the one key it gives.
        known = {"PUB_KEY_ID_UNNAMED"}
        headers["Wechatpay-Serial"] = "PUB_KEY_ID_UNNAMED"
    at = instant(case)
    if at is None:
        stamp = found.get("wechatpay-timestamp", "")
        at = datetime.fromtimestamp(int(stamp) if stamp.isdigit() else 0, UTC)
    try:
        Verifier(dict.fromkeys(known, key)).check(headers, raw_body(case), at)
    except SignatureRefused as refused:
        return refused.reason
    return "ok"


def _message(case: Case) -> bytes:
    return signing.request_message(
        method=str(case.get("method", "GET")),
        path_and_query=str(case.get("url_path") or case.get("path") or case.get("url") or ""),
        timestamp=str(case.get("timestamp", "")),
        nonce=str(case.get("nonce_str") or case.get("nonce") or ""),
        body=raw_body(case),
    )


def _expected_message(case: Case) -> str | None:
    for field in ("message", "expected_message"):
        if isinstance(case.get(field), str):
            return str(case[field])
    return None


def judge_request_signature(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """String to sign, then signature and header: equal for RSA, verifying for SM2."""
    message = _message(case)
    expected_message = _expected_message(case)
    if expected_message is not None and message != expected_message.encode():
        return False, message.decode("utf-8", "replace")
    key = payment_keys.signing_key(case, keys)
    signature = key.sign(message)
    expected = case.get("expected_signature")
    if payment_keys.is_sm(case):
        public = payment_keys.verify_key(case, keys)
        good = public.verify(message, signature)
        return good and (expected is None or public.verify(message, str(expected))), signature
    if expected is not None and signature != expected:
        return False, signature
    return _header_equal(case, keys, key.scheme, signature)


def _header_equal(case: Case, keys: Mapping[str, Any], scheme: str, signature: str) -> Judgement:
    expected = case.get("expected_authorization")
    if expected is None:
        return True, signature
    entry = payment_keys.entry_of(case, keys)
    line = signing.authorization(
        scheme=scheme,
        mchid=str(case.get("mchid") or entry.get("mchid")),
        serial=str(case.get("serial_no") or entry.get("serial_no")),
        timestamp=str(case["timestamp"]),
        nonce=str(case.get("nonce_str") or case.get("nonce")),
        signature=signature,
    )
    same = signing.parse_authorization(line) == signing.parse_authorization(str(expected))
    return same, line


def judge_authorization_format(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """An example that must be readable, or a string to sign, with a header where one is given."""
    example = case.get("example") or case.get("authorization")
    if isinstance(example, str):
        scheme, items = signing.parse_authorization(example)
        wanted = signing.SM_SCHEME if payment_keys.is_sm(case) else signing.RSA_SCHEME
        fields = {name: case[name] for name in items if name in case}
        return scheme == wanted and fields.items() <= items.items(), {"scheme": scheme, **items}
    message = _message(case)
    expected = _expected_message(case)
    if expected is not None and message != expected.encode():
        return False, message.decode("utf-8", "replace")
    if "expected_authorization" not in case:
        return expected is not None, message.decode("utf-8", "replace")
    if any(case.get(field) in keys for field in payment_keys.KEY_FIELDS):
        return judge_request_signature(case, keys)
    _, wanted_items = signing.parse_authorization(str(case["expected_authorization"]))
    return _header_equal(case, keys, signing.RSA_SCHEME, wanted_items["signature"])


def judge_request_signature_verify(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """A request's signature, alone or inside its Authorization line, over the rebuilt string."""
    line = case.get("authorization") or case.get("expected_authorization")
    if isinstance(line, str):
        try:
            _, items = signing.parse_authorization(line)
        except signing.AuthorizationRefused:
            return case.get("expected_valid", True) is False, False
        case = {"timestamp": items["timestamp"], "nonce_str": items["nonce_str"], **case}
        case.setdefault("signature", items["signature"])
    signature = str(case.get("signature") or case.get("expected_signature") or "")
    message = _message(case)
    expected_message = _expected_message(case)
    if expected_message is not None and message != expected_message.encode():
        return False, message.decode("utf-8", "replace")
    valid = payment_keys.verify_key(case, keys).verify(message, signature)
    return valid is bool(case.get("expected_valid", True)), valid


def judge_response_verify(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """An answer's signature by the rules of 1.4."""
    said = check_signed(case, keys)
    return (said == "ok") is bool(case.get("expected_valid", True)), said


def judge_raw_signature(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """A signature over the message as it stands."""
    signature = str(case.get("signature") or case.get("expected_signature") or "")
    message = (
        base64.b64decode(case["message_base64"])
        if "message_base64" in case
        else str(case.get("message", "")).encode()
    )
    valid = payment_keys.verify_key(case, keys).verify(message, signature)
    negative = case.get("kind") == "raw_signature_negative"
    return valid is bool(case.get("expected_valid", not negative)), valid


def judge_client_invoke(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """``paySign``; in the native app the last line is the bare prepay id."""
    fields = {name.lower(): str(value) for name, value in case["fields"].items()}
    message = signing.client_message(
        appid=fields["appid"],
        timestamp=fields["timestamp"],
        nonce=fields["noncestr"],
        package=fields.get("prepayid") or fields["package"],
    )
    expected_message = _expected_message(case)
    if expected_message is not None and message != expected_message.encode():
        return False, message.decode("utf-8", "replace")
    signature = payment_keys.signing_key(case, keys).sign(message)
    expected = case.get("expected_signature") or case.get("expected_pay_sign")
    if payment_keys.is_sm(case):
        return payment_keys.verify_key(case, keys).verify(message, str(expected)), signature
    return signature == expected, signature


def judge_certificate_serial(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """The serial as the partner writes it."""
    serial = signing.certificate_serial(payment_keys.certificate_of(case, keys))
    expected = case.get("expected_serial_hex_upper") or case.get("expected_serial")
    return serial == expected, serial


def judge_v2_signature(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """Upper-case hex over sorted fields; QRA signs alike."""
    fields = {name: _text(value) for name, value in case["params"].items()}
    sign_type = "HMAC-SHA256" if "HMAC" in str(case.get("alg", "MD5")) else "MD5"
    key = str(case.get("key_utf8") or case.get("api_key") or "")
    if "expected_valid" in case:
        valid = apiv2.verify_v2(fields, key, sign_type)
        return valid is bool(case["expected_valid"]), valid
    sign = apiv2.sign_v2(fields, key, sign_type)
    return sign == case.get("expected_sign", case.get("expected_signature")), sign


def _text(value: object) -> str:
    return "" if value is None else str(value)


def judge_id_digest(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """Normalised number and digest."""
    number = str(case["id_number"])
    try:
        got = {
            "normalised": medins.normalised_id_number(number),
            "digest": medins.id_digest(number),
        }
    except medins.IdNumberRefused:
        return case.get("expected_valid") is False, "refused"
    expected = case.get("expected_md5_lower_hex", case.get("expected_digest", got["digest"]))
    normal = case.get("normalised", got["normalised"])
    return (normal, expected) == (got["normalised"], got["digest"]), got


def judge_amount_formula(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """Amounts of a mixed order."""
    fault = mixed_fault(case["fields"])
    return (fault is None) is bool(case["expected_valid"]), fault or "valid"


def mixed_fault(fields: Case) -> str | None:
    """Our check over the partner's field names; also reads plain lists of adds and reduces."""
    kind = fields.get("mix_pay_type")
    amounts = [fields.get(name, 0) or 0 for name in _AMOUNTS]
    adds = _list(fields, "cash_add_detail", "cash_add", "cash_add_fee")
    reduces = _list(fields, "cash_reduce_detail", "cash_reduce", "cash_reduce_fee")
    if not all(type(amount) is int for amount in [*amounts, *adds, *reduces]):
        return "amount-no-integer"
    if kind is not None and kind not in set(medins.MixPayType):
        return "mix-pay-type-unlisted"
    if kind == "INSURANCE_ONLY" and fields.get("prepay_id"):
        return "insurance-only-with-prepay"
    if kind == "CASH_ONLY" and any(fields.get(name) for name in _INSURANCE_FIELDS):
        return "cash-only-with-insurance"
    return medins.amounts_fault(
        medins.MixedAmounts(
            **dict(zip(_AMOUNTS, amounts, strict=True)),
            adds=tuple(adds),
            reduces=tuple(reduces),
            mix_pay_type=None if kind is None else medins.MixPayType(kind),
        )
    )


_AMOUNTS = (
    "total_fee",
    "med_ins_gov_fee",
    "med_ins_self_fee",
    "med_ins_other_fee",
    "med_ins_cash_fee",
    "wechat_pay_cash_fee",
)
_INSURANCE_FIELDS = ("pay_order_id", "pay_auth_no", "geo_location", "med_ins_order_create_time")


def _list(fields: Case, detail: str, plain: str, amount: str) -> list[Any]:
    if isinstance(fields.get(detail), list):
        return [entry.get(amount) for entry in fields[detail]]
    return list(fields.get(plain) or [])


JUDGES: dict[str, CaseJudge] = {
    "request_signature": judge_request_signature,
    "authorization_format": judge_authorization_format,
    "request_signature_verify": judge_request_signature_verify,
    "response_verify": judge_response_verify,
    "raw_signature": judge_raw_signature,
    "raw_signature_negative": judge_raw_signature,
    "client_invoke_signature": judge_client_invoke,
    "certificate_serial": judge_certificate_serial,
    "v2_signature": judge_v2_signature,
    "id_digest": judge_id_digest,
    "amount_formula": judge_amount_formula,
}
