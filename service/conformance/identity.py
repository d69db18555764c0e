"""Judges of identity and code-text sections. Each is called with the case and the document."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from service.conformance.verdict import Case, CaseJudge, Judgement
from service.person.identity.documents import Document, check_birth_certificate, check_document
from service.person.identity.names import check_name
from service.person.identity.numbers import (
    check_citizen_number,
    check_permanent_resident,
    check_residence_permit,
)
from service.person.identity.organisations import (
    Organisation,
    check_credit_code,
    check_medical_institution,
)
from service.person.identity.phones import check_phone
from service.person.identity.registrations import Declared, Guardian, check_together

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


def residence_permit(case: Case, document: Mapping[str, Any]) -> Judgement:
    """A residence permit for people from Hong Kong, Macao or Taiwan."""
    number = check_residence_permit(case["input"], _today(document))
    got = _verdict(number.reason, number.warnings) | {
        "kind": "hmt_residence_permit",
        "origin": number.origin,
        "normalized": number.normalized,
        "birthday": _day(number.birth_date),
        "gender": _SEXES[number.sex],
    }
    return _meets(case["expect"], got), got


def permanent_resident(case: Case, document: Mapping[str, Any]) -> Judgement:
    """A foreigner's permanent residence card."""
    number = check_permanent_resident(case["input"], _today(document), frozenset())
    got = _verdict(number.reason, number.warnings) | {
        "kind": number.kind,
        "normalized": number.normalized,
        "accepting_province": number.province,
        "country_numeric": number.country,
        "birthday": _day(number.birth_date),
    }
    return _meets(case["expect"], got), got


def other_document(case: Case, document: Mapping[str, Any]) -> Judgement:
    """A document by its type's code."""
    got = _document(check_document(case["id_type"], case["input"], _today(document), frozenset()))
    return _meets(case["expect"], got), got


def birth_certificate(case: Case, _shared: Mapping[str, Any]) -> Judgement:
    """A birth certificate."""
    got = _document(check_birth_certificate(case["input"], frozenset()))
    return _meets(case["expect"], got), got


def credit_code(case: Case, _shared: Mapping[str, Any]) -> Judgement:
    """A unified social credit code."""
    got = _organisation(check_credit_code(case["input"]))
    return _meets(case["expect"], got), got


def medical_institution(case: Case, _shared: Mapping[str, Any]) -> Judgement:
    """A medical institution's code, or the insurance's of one."""
    got = _organisation(check_medical_institution(case["input"]))
    return _meets(case["expect"], got), got


def cross_field(case: Case, document: Mapping[str, Any]) -> Judgement:
    """Several fields of a registration together."""
    sent = case["input"]
    guardian, born = sent.get("guardian"), sent.get("birthday")
    declared = Declared(
        id_type=sent["id_type"],
        id_no=sent["id_no"],
        gender=sent.get("gender"),
        birth_date=date.fromisoformat(born) if born else None,
        nation=sent.get("nation"),
        guardian=None if guardian is None else msgspec.convert(guardian, Guardian),
    )
    agreed = check_together(declared, _today(document), frozenset())
    got: dict[str, Any] = _verdict(agreed.reason, agreed.document.warnings) | {
        "provisional": agreed.provisional,
        "derived": agreed.derived,
    }
    expected = dict(case["expect"])
    derived = expected.pop("derived", {})
    return _meets(expected, got) and _meets(derived, agreed.derived), got


def _today(document: Mapping[str, Any]) -> date:
    return date.fromisoformat(document["meta"]["reference_day"])


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _document(typed: Document) -> dict[str, Any]:
    return _verdict(typed.reason, typed.warnings) | {
        "kind": typed.kind,
        "normalized": typed.normalized,
        "renewal": typed.renewal,
        "province": typed.province,
        "birthday": _day(typed.birth_date),
        "gender": _SEXES[typed.sex],
    }


def _organisation(typed: Organisation) -> dict[str, Any]:
    parts = ("kind", "org_code", "region", "economy", "category", "management")
    return _verdict(typed.reason, typed.warnings) | {
        "normalized": typed.normalized,
        **{part: getattr(typed, part) for part in parts},
    }


JUDGES: dict[str, CaseJudge] = {
    "citizen_id": citizen_id,
    "hmt_residence_permit": residence_permit,
    "foreign_permanent_resident": permanent_resident,
    "other_documents": other_document,
    "uscc": credit_code,
    "medical_institution_code": medical_institution,
    "birth_certificate": birth_certificate,
    "phone": phone,
    "name": name,
    "cross_field": cross_field,
}
