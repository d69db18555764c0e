"""Judges of Alipay's cases: signed texts, notices, answers' slices, certificates, the bill."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from integrations.alipay import signing, statements
from integrations.alipay.slices import SliceRefused, answer_slices
from service.conformance import payment_bills, payment_keys
from service.conformance.verdict import Case, CaseJudge, Judgement


def parameters_of(case: Case) -> dict[str, str]:
    """The parameters as given, or a form decoded once."""
    if "form_body" in case:
        return dict(parse_qsl(str(case["form_body"]), keep_blank_values=True))
    return {str(name): str(value) for name, value in case["params"].items()}


def _key(case: Case, keys: Mapping[str, Any]) -> signing.VerifyKey:
    return signing.VerifyKey(payment_keys.rsa_public(payment_keys.entry_of(case, keys)))


def _content_faults(case: Case, content: bytes) -> list[str]:
    """Names of the expectations about the content that do not hold."""
    faults = [
        name
        for name in ("content", "expected_content")
        if isinstance(case.get(name), str) and case[name].encode() != content
    ]
    digest = case.get("content_sha256_hex")
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        faults.append("content_sha256_hex")
    return faults


def judge_notice(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """Content under the reading that the case names, and our verification under either one."""
    parameters = parameters_of(case)
    drop = frozenset(case.get("drop", signing.NOTICE_READINGS[0]))
    content = signing.notice_message(parameters, drop)
    faults = _content_faults(case, content) if drop in signing.NOTICE_READINGS else ["drop"]
    if faults:
        return False, faults
    valid = signing.notice_holds(_key(case, keys), parameters)
    expected = bool(case.get("expected_valid", case.get("kind") != "notify_negative"))
    ack = "success" if valid else "failure"
    good = valid is expected and case.get("expected_ack", ack) == ack
    return good, {"valid": valid, "ack": ack}


def judge_gateway_request(case: Case, keys: Mapping[str, Any]) -> Judgement:
    """Content and signature of a gateway request."""
    content = signing.gateway_message(parameters_of(case))
    faults = _content_faults(case, content)
    if faults:
        return False, faults
    pem = payment_keys.pem_of(payment_keys.entry_of(case, keys))
    sign = signing.SigningKey(pem).sign(content)
    expected = case.get("expected_sign", case.get("expected_signature", sign))
    return sign == expected, sign


def judge_certificate_sn(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """The number of one certificate."""
    number = signing.certificate_sn(signing.load_certificate(str(case["cert_pem"])))
    return number == case["expected_sn"], number


def judge_root_sn(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """The joined number of a root file."""
    number = signing.root_certificate_sn(str(case["certs_pem"]))
    return number == case["expected_sn"], number


def judge_slice(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """The signed object, byte for byte."""
    names = frozenset({str(case["response_key"])})
    try:
        content = answer_slices(str(case["raw"]).encode(), names).content
    except SliceRefused as refused:
        return case.get("expected_valid") is False, str(refused)
    return content == str(case["expected_signed_substring"]).encode(), content.decode()


def judge_bill(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """Rows by header name, the totals of the rows, the member and its hash."""
    content = base64.b64decode(case["zip_base64"])
    try:
        bill = statements.TradeBill(content, account=None)
        rows = [dict(zip(bill.names, row.cells, strict=True)) for row in bill.rows()]
    except statements.BillRefused as refused:
        return case.get("expected_valid") is False, str(refused)
    faults = payment_bills.rows_faults(rows, case.get("expected_rows", []))
    totals = {
        "trade_count": bill.totals.trade_count,
        "trade_received": bill.totals.trade_received_fen,
        "refund_count": bill.totals.refund_count,
        "refund_received": bill.totals.refund_received_fen,
    }
    expected = case.get("expected_totals_cents", {})
    faults += [name for name, value in expected.items() if totals.get(name) != value]
    faults += _member_faults(case, content)
    if case.get("expected_valid") is False:
        return False, "read"
    return not faults, faults or {"rows": len(rows), "totals": totals}


def _member_faults(case: Case, content: bytes) -> list[str]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = {statements.member_name(one): archive.read(one) for one in archive.infolist()}
    faults = []
    if "member_name" in case and case["member_name"] not in members:
        faults.append("member_name")
    digests = {hashlib.sha256(plain).hexdigest() for plain in members.values()}
    if case.get("csv_sha256") not in {None, *digests}:
        faults.append("csv_sha256")
    return faults


JUDGES: dict[str, CaseJudge] = {
    "notify_verify": judge_notice,
    "notify_negative": judge_notice,
    "gateway_request_sign": judge_gateway_request,
    "cert_sn": judge_certificate_sn,
    "root_cert_sn": judge_root_sn,
    "response_sign_substring": judge_slice,
    "bill_parse_zip": judge_bill,
}
