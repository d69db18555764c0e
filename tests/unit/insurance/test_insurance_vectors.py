"""Every judged case of the insurance vectors passes its judge, and a spoilt one does not."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from service.conformance.insurance import JUDGES

DOCUMENT = json.loads(
    (Path(__file__).parents[2] / "vectors" / "medical-insurance.json").read_text(encoding="utf-8")
)
CASES = [
    pytest.param(section, case, id=f"{section}-{case.get('id', case.get('code'))}")
    for section in JUDGES
    for case in DOCUMENT[section]
]


def one(section: str, number: int = 0) -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT[section][number])


@pytest.mark.parametrize(("section", "case"), CASES)
def test_case_passes(section: str, case: dict[str, Any]) -> None:
    passed, got = JUDGES[section](case, DOCUMENT)
    assert passed, got


def test_all_judged_sections_have_a_judge() -> None:
    aside = {"meta", "persons", "sandbox_policy", "uncertain_outcomes"}
    assert set(DOCUMENT) - aside == set(JUDGES)


def test_another_amount_fails() -> None:
    case = one("amount_cases", 2)
    case["setlinfo_amounts"]["psn_cash_pay"] = "72.07"
    assert not JUDGES["amount_cases"](case, DOCUMENT)[0]


def test_another_line_split_fails() -> None:
    case = one("amount_cases", 3)
    case["fee_lines"][1]["preselfpay_amt"] = "12.01"
    assert not JUDGES["amount_cases"](case, DOCUMENT)[0]


def test_an_engine_input_that_is_not_known_is_an_error() -> None:
    case = one("amount_cases")
    case["engine_inputs"]["weather"] = "1"
    with pytest.raises(ValueError, match="unknown engine input"):
        JUDGES["amount_cases"](case, DOCUMENT)


def test_a_field_our_structures_do_not_know_fails() -> None:
    case = one("messages")
    case["request"]["input"]["signIn"]["novelty"] = "1"
    assert not JUDGES["messages"](case, DOCUMENT)[0]


def test_the_right_signature_on_other_text_fails() -> None:
    case = one("x_tif_headers", 1)
    case["timestamp"] = "1767571201"
    assert not JUDGES["x_tif_headers"](case, DOCUMENT)[0]


def test_a_genuine_envelope_offered_as_negative_fails() -> None:
    genuine = next(one for one in DOCUMENT["crypto"] if one["kind"] == "envelope")
    case = {**genuine, "kind": "negative", "base": genuine["id"]}
    assert not JUDGES["crypto"](case, DOCUMENT)[0]
