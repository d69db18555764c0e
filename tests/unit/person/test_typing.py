"""Whose a registration's number is, documents of every kind, and fields set against each other.

First the published cases of every section, as ``yimatong conformance`` judges them; then what they
leave open.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.conformance.identity import JUDGES
from service.person.identity import ethnic_groups
from service.person.identity.documents import check_document
from service.person.identity.names import check_name
from service.person.identity.numbers import check_permanent_resident, check_residence_permit
from service.person.identity.organisations import check_credit_code
from service.person.identity.registrations import (
    Declared,
    Guardian,
    Whose,
    check_together,
    is_dummy,
    type_number,
)
from service.person.identity.texts import check_character

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "identity.json").read_text("utf-8"))
TODAY = date.fromisoformat(CASES["meta"]["reference_day"])
NONE: frozenset[str] = frozenset()
TEST = frozenset({"99"})
CREDIT_CODE = "12520100000000123Q"


def number(region: str, born: str, serial: str) -> str:
    first = region + born + serial
    return first + check_character(first)


def whose(id_no: str, id_type: str = "01", **said: object) -> Whose:
    declared = Declared(id_type=id_type, id_no=id_no, **said)  # type: ignore[arg-type]
    return type_number(declared, TODAY, TEST).whose


@pytest.mark.parametrize(
    ("section", "case"),
    [pytest.param(section, case, id=case["id"]) for section in JUDGES for case in CASES[section]],
)
def test_the_published_cases(section: str, case: dict[str, Any]) -> None:
    passed, got = JUDGES[section](case, CASES)
    assert passed, got


GROWN = number("990001", "19770101", "531")
CHILD_BORN = date(2020, 5, 1)


@pytest.mark.parametrize(
    ("id_no", "said", "expected"),
    [
        (GROWN, {}, Whose.OWN),
        (GROWN, {"birth_date": date(1977, 1, 1), "gender": "1"}, Whose.OWN),
        (GROWN, {"birth_date": date(1977, 1, 1), "gender": "2"}, Whose.OWN),
        (GROWN, {"gender": "2"}, Whose.BORROWED),
        (GROWN, {"birth_date": date(1978, 1, 1)}, Whose.BORROWED),
        (GROWN, {"birth_date": CHILD_BORN}, Whose.GUARDIAN),
        (GROWN, {"birth_date": CHILD_BORN, "guardian": Guardian(id_no=GROWN)}, Whose.GUARDIAN),
        (GROWN[:-1], {}, Whose.MALFORMED),
        ("", {}, Whose.ABSENT),
        (" 　", {}, Whose.ABSENT),
        ("111111111111111111", {}, Whose.DUMMY),
        ("123456789012345678", {}, Whose.DUMMY),
        ("00000000000000000X", {}, Whose.DUMMY),
        ("无", {}, Whose.MALFORMED),
        ("990001770101531", {}, Whose.OLD),
        ("990001770101531", {"birth_date": date(1977, 1, 1)}, Whose.OLD),
        ("990001770101531", {"birth_date": date(1979, 1, 1)}, Whose.BORROWED),
    ],
)
def test_whose_a_number_is(id_no: str, said: dict[str, object], expected: Whose) -> None:
    assert whose(id_no, **said) is expected


def test_an_old_number_counts_by_the_one_that_it_became() -> None:
    old = Declared(id_type="01", id_no="990001770101531")
    new = Declared(id_type="01", id_no=GROWN)
    assert type_number(old, TODAY, TEST).number == type_number(new, TODAY, TEST).number == GROWN


def test_a_dummy_is_digits_only_and_long_enough() -> None:
    assert not is_dummy("12345")
    assert not is_dummy("A1111111B1")
    assert not is_dummy(GROWN)


@given(st.integers(0, 17), st.sampled_from("0123456789"))
def test_a_wrong_digit_in_a_permit_or_a_card_is_never_another_person(place: int, to: str) -> None:
    permit = number("810000", "19940823", "002")
    card = number("952124", "19810803", "902")
    for text, check in (
        (permit, lambda t: check_residence_permit(t, TODAY).reason),
        (card, lambda t: check_permanent_resident(t, TODAY, NONE).reason),
    ):
        changed = text[:place] + to + text[place + 1 :]
        assert (check(changed) is None) == (changed == text)


@given(st.integers(0, 17), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_a_wrong_character_in_a_credit_code_is_refused(place: int, to: str) -> None:
    changed = CREDIT_CODE[:place] + to + CREDIT_CODE[place + 1 :]
    assert (check_credit_code(changed).reason is None) == (changed == CREDIT_CODE)


@given(
    st.sampled_from(["01", "02", "03", "04", "05", "06", "07", "08", "99", "42", "", "1"]),
    st.text(max_size=80),
)
def test_any_text_is_typed_or_refused(id_type: str, text: str) -> None:
    typed = check_document(id_type, text, TODAY, NONE)
    assert (typed.reason is None) == (typed.kind is not None)
    assert len(typed.normalized) <= 64
    if typed.reason is None:
        again = check_document(typed.id_type, typed.normalized, TODAY, NONE)
        assert (again.reason, again.normalized) == (None, typed.normalized)


@pytest.mark.parametrize(
    ("id_type", "text", "kind", "warnings"),
    [
        ("99", number("830000", "20010930", "251"), "hmt_residence_permit", ["type_mismatch"]),
        ("01", number("952124", "19810803", "902"), "foreign_pr_2023", ["type_mismatch"]),
        ("99", "身份不明003", "other", []),
        ("04", "军字第0012345", "officer", []),
        ("3", "ex0000000", "passport", ["lowercase"]),
        ("02", "HK-0012(3)", "household_book", []),
    ],
)
def test_documents_under_the_codes_they_come_as(
    id_type: str, text: str, kind: str, warnings: list[str]
) -> None:
    typed = check_document(id_type, text, TODAY, NONE)
    assert (typed.reason, typed.kind, typed.warnings) == (None, kind, warnings)


def test_a_child_needs_a_guardian_who_is_none() -> None:
    child = Declared(
        id_type="08", id_no="X990000000", birth_date=CHILD_BORN, guardian=Guardian(id_no="990001")
    )
    assert check_together(child, TODAY, TEST).reason == "guardian"
    good = number("990001", "19880808", "002")
    small = number("990001", "20150808", "002")
    for theirs, reason in ((good, None), (small, "guardian"), ("", "guardian")):
        asked = Declared(
            id_type="08",
            id_no="X990000000",
            birth_date=CHILD_BORN,
            guardian=Guardian(relation="mother", id_no=theirs),
        )
        agreed = check_together(asked, TODAY, TEST)
        assert (agreed.reason, agreed.provisional) == (reason, reason is None)
    unsaid = Declared(id_type="08", id_no="X990000000")
    assert check_together(unsaid, TODAY, TEST).reason == "guardian_required"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("01", "01"),
        ("1", "01"),
        ("汉族", "01"),
        ("土家", "15"),
        ("土族", "30"),
        ("基诺族", "56"),
        ("97", "97"),
        ("57", None),
        ("火星族", None),
        ("0", None),
        ("", None),
        ("٣", None),
    ],
)
def test_ethnic_groups_by_code_or_name(text: str, code: str | None) -> None:
    assert ethnic_groups.code_of(text) == code


@pytest.mark.parametrize(
    "name", ["Иванова Анна", "ئايگۈل مەمەت", "བསོད་ནམས", "김민지", "さとう はな", "Łukasz Ćwik"]
)
def test_names_of_any_script_are_kept_whole(name: str) -> None:
    typed = check_name(name)
    assert (typed.reason, typed.normalized) == (None, name)


@pytest.mark.parametrize("name", ["测\u202e试", "a\u200eb", "测\x00试", "A\u0660B", "<b>A</b>"])
def test_what_turns_or_hides_a_text_is_no_name(name: str) -> None:
    assert check_name(name).reason == "charset"
