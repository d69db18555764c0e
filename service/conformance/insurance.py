"""Judges of insurance sections. Each is called with the case and the whole document.

Amounts are judged twice: by the twin's engine, and by our own identities over the expected answer.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from crypto.sm2 import PublicKey
from integrations.fiscal_invoice import signing as invoice
from integrations.fiscal_invoice import wire as invoice_wire
from integrations.fiscal_invoice.mapping import invoice_of
from integrations.insurance_nhsa import amounts, mobile, orders, statement, transactions
from integrations.insurance_nhsa.credential import decoded, person_in, read_credential_answer
from integrations.insurance_nhsa.envelope import read_json, text_of
from integrations.insurance_nhsa.signing import tif_signature, tif_signature_matches
from integrations.insurance_nhsa.wire_credential import CredentialRequest
from integrations.insurance_nhsa.wire_mobile import MobileOrder, RefundRequest
from integrations.insurance_nhsa.wire_settlement import SetlDetail, SetlInfo
from integrations.ports.outcomes import Accepted, Rejected
from integrations.sandbox.insurance.wording import worked
from service.conformance.payment_signatures import mixed_fault

Case = Mapping[str, Any]
Judgement = tuple[bool, object]


def _agrees(expected: Any, got: Any) -> bool:
    """Key by key: what the case does not name is free."""
    if isinstance(expected, Mapping):
        return isinstance(got, Mapping) and all(
            name in got and _agrees(value, got[name]) for name, value in expected.items()
        )
    return bool(expected == got)


def judge_amounts(case: Case, document: Mapping[str, Any]) -> Judgement:
    """The engine gives these amounts and rows (in any order), and the identities hold in them."""
    got = worked(case["engine_inputs"], case["fee_lines"], document["sandbox_policy"])
    info = msgspec.convert(got["setlinfo_amounts"], SetlInfo)
    details = msgspec.convert(got["setldetail"], list[SetlDetail])
    found, faults = amounts.amounts_of(info)
    faults += amounts.identity_faults(found) + amounts.detail_faults(found, details)
    got["identity_faults"] = faults
    lines = {line["feedetl_sn"]: line for line in got["fee_lines"]}
    return (
        not faults
        and _agrees(case["setlinfo_amounts"], got["setlinfo_amounts"])
        and _same_rows(case["setldetail"], got["setldetail"])
        and all(
            line[part] == lines[line["feedetl_sn"]][part]
            for line in case["fee_lines"]
            for part in ("fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt", "inscp_scp_amt")
            if part in line
        )
    ), got


def _same_rows(expected: list[dict[str, str]], got: list[dict[str, str]]) -> bool:
    by_fund = {row["fund_pay_type"]: row for row in got}
    return len(expected) == len(got) and all(
        _agrees(row, by_fund.get(row["fund_pay_type"])) for row in expected
    )


def judge_message(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """Request and answer through our structures come back as the same JSON values."""
    infno = str(case["infno"])
    got: dict[str, object] = {}
    if "request" in case:
        got["request"] = transactions.reread_request(infno, case["request"])
    if "response" in case:
        got["response"] = transactions.reread_answer(infno, case["response"])
    return bool(got) and all(case[name] == value for name, value in got.items()), got


def judge_mobile(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """As for messages, with the plain text of the envelope."""
    asked, answered = transactions.MOBILE_SHAPES[str(case["infno"])]
    got: dict[str, object] = {}
    if "request" in case:
        got["request"] = transactions.reread_mobile(asked, case["request"])
    if "response" in case:
        got["response"] = transactions.reread_mobile(answered, case["response"])
    return bool(got) and all(case[name] == value for name, value in got.items()), got


def judge_credential(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """The answer becomes the person and token that stand in it, or a refusal."""
    request = msgspec.to_builtins(msgspec.convert(case["request"], CredentialRequest))
    answer = read_credential_answer(msgspec.json.encode(case["response"]))
    expected = _told(case["response"])
    if str(case["response"]["code"]) != "0":
        outcome = decoded(answer)
        refused = isinstance(outcome, Rejected)
        return refused and request == case["request"], {"refused": refused}
    person = person_in(answer)
    if "ecToken" not in expected:
        got: dict[str, Any] = {"authNo": text_of(person.authNo)}
        return request == case["request"] and bool(got["authNo"]) and _agrees(
            {"authNo": expected.get("authNo")}, got
        ), got
    outcome = decoded(answer)
    if not isinstance(outcome, Accepted):
        return False, msgspec.to_builtins(outcome)
    found = outcome.value
    got = {
        "ecToken": found.token,
        "userName": found.name,
        "idNo": found.id_no,
        "insuOrg": found.region,
    }
    named = {name: expected[name] for name in got if name in expected}
    return request == case["request"] and _agrees(named, got), got


def _told(response: Mapping[str, Any]) -> dict[str, Any]:
    data = response.get("data")
    found = read_json(data) if isinstance(data, str) and data else data
    return found if isinstance(found, dict) else {}


def _application(case: Case) -> mobile.Application:
    return mobile.Application(app_id=case["appId"], app_secret=case["appSecret"])


def _key_derivation(case: Case, _document: Mapping[str, Any]) -> Judgement:
    got = mobile.derive_key(_application(case)).decode()
    return got == case["sm4_key_ascii"], {"sm4_key_ascii": got}


def _canonical(case: Case, _document: Mapping[str, Any]) -> Judgement:
    body = case["body_before_signing"]
    plain = mobile.canonical_json(body["data"])
    got = {
        "sign_string": mobile.sign_string(body, case["appSecret"]),
        "cleaned_data_json": plain,
        "encData": mobile.encipher(_application(case), plain),
    }
    back = mobile.decipher(_application(case), case["encData"])
    return back == plain and all(got[name] == case[name] for name in got), got


def _verify(case: Case, _document: Mapping[str, Any]) -> Judgement:
    key = mobile.load_public_key(case["publicKeyHex"])
    signature = base64.b64decode(case["signDataBase64"])
    held = key.verify(case["message"].encode(), signature, case["userId"].encode())
    same = signature.hex() == case["signatureRSHex"]
    return held is case["expected"] and same, {"verified": held}


def _envelope(case: Case, _document: Mapping[str, Any]) -> Judgement:
    application, wire = _application(case), case["wire"]
    outer = {name: wire[name] for name in ("appId", "encType", "signType", "timestamp", "version")}
    got: dict[str, Any] = {
        "sign_string": mobile.sign_string({**outer, "data": case["data"]}, case["appSecret"]),
        "cleaned_data_json": mobile.canonical_json(case["data"]),
        "sm4_key_ascii": mobile.derive_key(application).decode(),
    }
    same = all(got[name] == case[name] for name in got)
    got["encData"] = mobile.encipher(application, got["cleaned_data_json"])
    opened = mobile.open_envelope(application, wire, _public(case))
    got["data"] = opened
    return same and got["encData"] == wire["encData"] and opened == mobile.cleaned(
        case["data"]
    ), got


def _public(case: Case) -> PublicKey:
    return mobile.load_public_key(case["publicKeyHex"])


def _negative(case: Case, document: Mapping[str, Any]) -> Judgement:
    """Refused, with the keys of the case it was made from."""
    keys = {**_base_of(case, document), **case}
    try:
        mobile.open_envelope(_application(keys), case["wire"], _public(keys))
    except mobile.EnvelopeRefused as refused:
        return True, {"refused": refused.reason}
    return False, {"refused": None}


def _base_of(case: Case, document: Mapping[str, Any]) -> Case:
    """The case named as ``base``; where it is not in the file, one of the same application."""
    envelopes = [one for one in document["crypto"] if one.get("kind") == "envelope"]
    named = [one for one in envelopes if one["id"] == case.get("base")]
    alike = [one for one in envelopes if one["appId"] == case["wire"].get("appId")]
    return next(iter(named + alike), {})


CRYPTO_KINDS: dict[str, Callable[[Case, Mapping[str, Any]], Judgement]] = {
    "sm4_key_derivation": _key_derivation,
    "canonicalise_and_encrypt": _canonical,
    "sm2_verify": _verify,
    "envelope": _envelope,
    "negative": _negative,
}


def judge_crypto(case: Case, document: Mapping[str, Any]) -> Judgement:
    """By ``kind``."""
    return CRYPTO_KINDS[case["kind"]](case, document)


def judge_header(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """The signature is the expected one."""
    got = tif_signature(case["timestamp"], case["token"], case["nonce"])
    held = tif_signature_matches(
        timestamp=case["timestamp"],
        secret=case["token"],
        nonce=case["nonce"],
        signature=case["signature"],
    )
    return held and got == case["signature"], {"signature": got}


def judge_invoice(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """String and signature are equal, the wire decodes to what the case says and back again, and
    an answer becomes an invoice."""
    message = msgspec.convert(case["wire"], invoice.InvoiceMessage)
    got: dict[str, Any] = {
        "sign_string": invoice.sign_string(message, case["appKey"]),
        "sign": invoice.signature(message, case["appKey"]),
    }
    held = got["sign_string"] == case["sign_string"] and got["sign"] == case["wire"]["sign"]
    plain = invoice.unpack(message, case["appKey"])
    got["plain"] = plain
    if "plain" in case:
        packed = invoice.pack(
            appid=message.appid, key=case["appKey"], noise=message.noise, plain=case["plain"]
        )
        again = msgspec.to_builtins(invoice_wire.read(plain, invoice_wire.OutpatientBill))
        return held and plain == case["plain"] == again and packed == message, got
    answer = invoice.read_answer(message, case["appKey"])
    got["message"] = answer.content
    issued = invoice_of(invoice_wire.read(answer.content, invoice_wire.IssuedAnswer))
    got["invoice"] = msgspec.to_builtins(issued)
    return held and answer.result == invoice.SUCCESS, got


def judge_refund(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """Our check accepts exactly what the case accepts."""
    faults = orders.refund_faults(
        msgspec.convert(case["original"], MobileOrder),
        msgspec.convert(case["request"], RefundRequest),
    )
    return (not faults) is case["accept"], {"accept": not faults, "faults": faults}


def judge_statement(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """Lines become rows and rows become the same lines; amounts are amounts; so does the ZIP."""
    columns = tuple(case["columns"])
    rows = [statement.read_line(columns, line) for line in case["lines"]]
    again = [statement.write_line(columns, row) for row in rows]
    for row in rows:
        for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay"):
            amounts.read_fen(row[name])
    packed = statement.unpack(statement.pack(again, "lines.txt"))
    return again == case["lines"] and packed == case["lines"], {"rows": rows}


def judge_mixed(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """The payment provider's check, which is ours too, finds the order consistent when it is."""
    fault = mixed_fault(case["fields"])
    return (fault is None) is case["valid"], {"valid": fault is None, "fault": fault}


def judge_state(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """Our table classifies the code so."""
    got = orders.order_state(str(case["code"]))
    return got == case["classification"], {"classification": got}


JUDGES: dict[str, Callable[[Case, Mapping[str, Any]], Judgement]] = {
    "amount_cases": judge_amounts,
    "messages": judge_message,
    "mobile_payment_plain": judge_mobile,
    "electronic_credential": judge_credential,
    "crypto": judge_crypto,
    "x_tif_headers": judge_header,
    "fiscal_e_invoice": judge_invoice,
    "refund_validation": judge_refund,
    "reconciliation_files": judge_statement,
    "wechat_mixed_amounts": judge_mixed,
    "order_status": judge_state,
}
