"""Every Alipay vector of the payments file, and that each judge can say no."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.conformance.payments import JUDGES

FILE = json.loads((Path(__file__).parents[2] / "vectors" / "payments.json").read_bytes())
OURS = [case for case in FILE["vectors"] if case["provider"] == "alipay"]

SPOILS: dict[str, Any] = {
    "expected_sn": "00",
    "expected_signed_substring": "{}",
    "expected_rows": [{"支付宝交易号": "1"}],
    "content": "a=b",
}


def test_there_are_alipay_vectors() -> None:
    assert len(OURS) == 9


@pytest.mark.parametrize("case", OURS, ids=lambda case: case["id"])
def test_the_vector_passes(case: dict[str, Any]) -> None:
    passed, got = JUDGES[case["kind"]](case, FILE["keys"])
    assert passed, got


@pytest.mark.parametrize("case", OURS, ids=lambda case: case["id"])
def test_a_spoilt_expectation_fails(case: dict[str, Any]) -> None:
    spoilt = {name: SPOILS.get(name, value) for name, value in case.items()}
    if "expected_valid" in spoilt:
        spoilt["expected_valid"] = not spoilt["expected_valid"]
    assert spoilt != case
    passed, _ = JUDGES[case["kind"]](spoilt, FILE["keys"])
    assert not passed


@pytest.mark.parametrize("name", ["expected_totals_cents", "csv_sha256", "member_name"])
def test_each_expectation_about_the_bill_counts(name: str) -> None:
    case = next(case for case in OURS if case["kind"] == "bill_parse_zip")
    wrong: dict[str, Any] = {"expected_totals_cents": {"trade_received": 1}}
    passed, got = JUDGES["bill_parse_zip"]({**case, name: wrong.get(name, "other")}, FILE["keys"])
    assert not passed, got


def test_a_request_is_judged_by_its_content_and_signature() -> None:
    key = next(entry for entry in FILE["keys"].values() if "PRIVATE KEY" in entry.get("pem", ""))
    case: dict[str, Any] = {
        "kind": "gateway_request_sign",
        "pem": key["pem"],
        "params": {"b": "2 3", "a": "中", "empty": "", "sign": "x", "sign_type": "RSA2"},
        "content": "a=中&b=2 3&sign_type=RSA2",
    }
    judge = JUDGES["gateway_request_sign"]
    passed, sign = judge(case, FILE["keys"])
    assert passed
    assert judge({**case, "expected_sign": sign}, FILE["keys"])[0]
    assert not judge({**case, "expected_sign": "AAAA"}, FILE["keys"])[0]
    assert not judge({**case, "content": "a=中&b=2+3&sign_type=RSA2"}, FILE["keys"])[0]
    assert not judge({**case, "content_sha256_hex": "00"}, FILE["keys"])[0]
