"""Judges of identity and code-text sections. Each is called with the case and the document."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from service.conformance.verdict import Case, CaseJudge, Judgement
from service.person.identifiers import check_citizen_number, check_phone
from service.person.names import check_name

_SEXES = {"M": "1", "F": "2", None: None}
_LISTED_ELSEWHERE = "region_unlisted"
"""A checker may give this warning or not: counties are judged by their province alone."""


def _meets(expected: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    """Key by key; keys that the case does not name are free."""
    reasons = expected.get("reason_any")
    if reasons is not None and got.get("reason") not in reasons:
        return False
    return all(got.get(key) == value for key, value in expected.items() if key != "reason_any")


def _verdict(reason: str | None, warnings: list[str]) -> dict[str, Any]:
    return {"valid": reason is None, "reason": reason, "warnings": warnings}


def citizen_id(case: Case, document: Mapping[str, Any]) -> Judgement:
    """An 18-place citizen number on the document's reference day."""
    today = date.fromisoformat(document["meta"]["reference_day"])
    number = check_citizen_number(case["input"], today, frozenset())
    got = _verdict(number.reason, number.warnings) | {
        "normalized": number.normalized,
        "province": number.province,
        "birthday": number.birth_date and number.birth_date.isoformat(),
        "gender": _SEXES[number.sex],
        "upgraded": number.upgraded,
    }
    expected = dict(case["expect"])
    if "warnings" in expected:
        expected["warnings"] = [w for w in expected["warnings"] if w != _LISTED_ELSEWHERE]
    return _meets(expected, got), got


def phone(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """A phone number."""
    number = check_phone(case["input"])
    got = _verdict(number.reason, []) | {"normalized": number.normalized, "class": number.kind}
    return _meets(case["expect"], got), got


def name(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """A personal name and its lengths in the encodings that partners count in."""
    typed = check_name(case["input"])
    text = typed.normalized
    got = _verdict(typed.reason, typed.warnings) | {
        "normalized": text,
        "match_key": typed.match_key,
        "kind": typed.kind,
        "code_points": len(text),
        "utf16_units": len(text.encode("utf-16-le")) // 2,
        "utf8_bytes": len(text.encode()),
        "gb18030_bytes": len(text.encode("gb18030")),
    }
    return _meets(case["expect"], got), got


JUDGES: dict[str, CaseJudge] = {"citizen_id": citizen_id, "phone": phone, "name": name}
