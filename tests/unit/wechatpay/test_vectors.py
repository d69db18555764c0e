"""Every WeChat vector of the payments file, and that each judge can say no."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.conformance.payments import JUDGES, resolve_base

FILE = json.loads((Path(__file__).parents[2] / "vectors" / "payments.json").read_bytes())
CASES = {case["id"]: case for case in FILE["vectors"]}
OURS = [case for case in FILE["vectors"] if case["provider"].startswith("wechatpay")]

SPOILS: dict[str, Any] = {
    "expected_signature": "AAAA",
    "expected_message": "other",
    "expected_plaintext": "other",
    "expected_serial_hex_upper": "00",
    "expected_certificate_serial": "00",
    "expected_sign": "00",
    "expected_ciphertext": "AAAA",
    "expected_md5_lower_hex": "00",
    "expected_rows": [{"微信订单号": "1", "资金流水单号": "1"}],
}


def test_there_are_wechat_vectors() -> None:
    assert len(OURS) == 23


@pytest.mark.parametrize("case", OURS, ids=lambda case: case["id"])
def test_the_vector_passes(case: dict[str, Any]) -> None:
    passed, got = JUDGES[case["kind"]](case, FILE["keys"])
    assert passed, got


@pytest.mark.parametrize("case", OURS, ids=lambda case: case["id"])
def test_a_spoilt_expectation_fails(case: dict[str, Any]) -> None:
    spoilt = dict(case)
    for name, value in SPOILS.items():
        if name in spoilt:
            spoilt[name] = value
    if "expected_valid" in spoilt:
        spoilt["expected_valid"] = not spoilt["expected_valid"]
    if "example" in spoilt:
        spoilt["example"] = spoilt["example"].replace("SM2-WITH-SM3", "SHA256-RSA2048")
    assert spoilt != case
    passed, _ = JUDGES[case["kind"]](spoilt, FILE["keys"])
    assert not passed


def test_a_case_takes_what_it_does_not_change_from_its_base() -> None:
    case = resolve_base(CASES["unionpay-510-callback-tampered"], CASES)
    base = CASES["unionpay-510-callback-yansongda"]
    assert case["params"] == {**base["params"], "txnAmt": "2"}
    assert "content_sha256_hex" not in case
    assert case["expected_valid"] is False
