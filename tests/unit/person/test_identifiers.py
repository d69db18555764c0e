"""Typing of citizen numbers, phones and names against the shared cases."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from service.person.identity.names import check_name, compatible
from service.person.identity.numbers import check_citizen_number
from service.person.identity.phones import check_phone

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "identity.json").read_text("utf-8"))
TODAY = date.fromisoformat(CASES["meta"]["reference_day"])
NONE: frozenset[str] = frozenset()
SEX = {"M": "1", "F": "2"}


def cases(section: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES[section]]


@pytest.mark.parametrize("case", cases("citizen_id"))
def test_citizen_number(case: dict[str, Any]) -> None:
    got, expected = check_citizen_number(case["input"], TODAY, NONE), case["expect"]
    assert got.reason == expected.get("reason")
    assert got.upgraded == expected.get("upgraded")
    if expected["valid"]:
        assert got.normalized == expected["normalized"]
        assert got.province == expected["province"]
        assert str(got.birth_date) == expected["birthday"]
        assert SEX[got.sex or ""] == expected["gender"]
        assert got.warnings == [w for w in expected["warnings"] if w != "region_unlisted"]


@pytest.mark.parametrize("case", cases("phone"))
def test_phone(case: dict[str, Any]) -> None:
    got, expected = check_phone(case["input"]), case["expect"]
    assert got.reason == expected.get("reason")
    if expected["valid"]:
        assert (got.normalized, got.kind) == (expected["normalized"], expected["class"])


@pytest.mark.parametrize("case", cases("name"))
def test_name(case: dict[str, Any]) -> None:
    got, expected = check_name(case["input"]), case["expect"]
    assert got.reason == expected.get("reason")
    if expected["valid"]:
        assert got.normalized == expected["normalized"]
        assert got.match_key == expected["match_key"]
        assert got.warnings == expected["warnings"]
        assert expected.get("kind", got.kind) == got.kind


def test_every_single_digit_error_in_a_number_is_refused() -> None:
    number = "529901197701015318"
    for place in range(18):
        for digit in "0123456789X":
            changed = number[:place] + digit + number[place + 1 :]
            if changed != number:
                assert check_citizen_number(changed, TODAY, NONE).reason is not None


def test_the_unassigned_province_is_only_for_a_sandbox() -> None:
    number = "990001198001010019"
    assert check_citizen_number(number, TODAY, NONE).reason == "region"
    assert check_citizen_number(number, TODAY, frozenset({"99"})).reason is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("<b>测试</b>", "charset"),
        ("测试<script>", "charset"),
        ("测\x00试", "charset"),
        ("测\x1b[31m试", "charset"),
        ("测\u202e试", "charset"),
        ('测"试', "charset"),
        ("测试" * 1000, "length"),
        ("\ufe00测", "charset"),
    ],
)
def test_markup_and_control_characters_never_pass_as_a_name(name: str, reason: str) -> None:
    assert check_name(name).reason == reason


def test_a_hundred_thousand_characters_are_refused_before_any_work() -> None:
    assert check_citizen_number("1" * 100_000, TODAY, NONE).reason == "length"
    assert check_phone("1" * 100_000).reason == "length"
    assert check_name("测" * 100_000).reason == "length"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("测试甲", "测试甲", True),
        ("测·试", "测试", True),
        ("葛󠄀测", "葛测", True),
        ("TEST CASE", "CASE TEST", True),
        ("Test Case", "TEST-CASE", True),
        ("测试甲", "测试乙", False),
        ("测试甲", "测试甲之女", False),
        ("甲测试之女", "甲测试之女", False),
        ("无名氏", "无名氏", False),
    ],
)
def test_names_are_compared_by_their_own_key(one: str, other: str, same: bool) -> None:
    assert compatible(one, other) is same
