"""Typing of documents by their CV02.01.101 code, birth certificates among them.

What no public rule describes is bounded and kept as written. Residence permits have no code of
their own and come as 01 or 99 (health-card dossier 10): the kind that is read is kept, with the
warning ``type_mismatch``.
"""

import re
from datetime import date

import msgspec

from service.person.identity.numbers import (
    check_citizen_number,
    check_permanent_resident,
    check_residence_permit,
)
from service.person.identity.texts import PROVINCES, TEXT_MAX, bare, is_masked, upper

CITIZEN_ID, HOUSEHOLD_BOOK, PASSPORT, OFFICER = "01", "02", "03", "04"
DRIVING_LICENCE, HONG_KONG_MACAO, TAIWAN, BIRTH_CERTIFICATE, OTHER = "05", "06", "07", "08", "99"
KINDS = {
    CITIZEN_ID: "citizen_id",
    HOUSEHOLD_BOOK: "household_book",
    PASSPORT: "passport",
    OFFICER: "officer",
    DRIVING_LICENCE: "driving_licence",
    HONG_KONG_MACAO: "hong_kong_macao_permit",
    TAIWAN: "taiwan_permit",
    BIRTH_CERTIFICATE: "birth_certificate",
    OTHER: "other",
}
"""The value set; 08 is a later addition to it."""
_LENGTHS = {
    PASSPORT: tuple(range(5, 18)),
    TAIWAN: (8,),
    HONG_KONG_MACAO: (9, 11),
    BIRTH_CERTIFICATE: (10,),
}
_ALLOWED = {
    PASSPORT: re.compile(r"[0-9A-Z]+", re.ASCII),
    TAIWAN: re.compile(r"[0-9]+", re.ASCII),
    HONG_KONG_MACAO: re.compile(r"[A-Z][0-9]+", re.ASCII),
    BIRTH_CERTIFICATE: re.compile(r"[A-Z][0-9]+", re.ASCII),
}
_ANY = re.compile(r"[0-9A-Z()\-\u4e00-\u9fff]{1,32}")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a document's number. ``kind`` is what it is, whatever it came as."""

    id_type: str
    normalized: str
    reason: str | None
    warnings: list[str]
    kind: str | None = None
    province: str | None = None
    birth_date: date | None = None
    sex: str | None = None
    """M or F, where the number says it."""
    renewal: str | None = None
    """The two digits of an old Hong Kong or Macao permit that no person is known by."""
    upgraded: str | None = None
    """The form of 18 places of a first-generation citizen number."""


def id_type_of(text: str) -> str:
    """A code with the zero that a spreadsheet lost."""
    kept = bare(text)[0]
    return kept.zfill(2) if kept.isdecimal() and kept.isascii() else kept


def check_document(
    id_type: str, text: str, today: date, test_provinces: frozenset[str]
) -> Document:
    """Type a number by its document's code. Reasons: ``id_type`` for a code that is none, else
    those of the kind."""
    code = id_type_of(id_type)
    if code not in KINDS:
        return Document(id_type=code, normalized="", reason="id_type", warnings=[])
    if len(text) > TEXT_MAX:
        return Document(id_type=code, normalized="", reason="length", warnings=[])
    if code == CITIZEN_ID:
        return _numbered(text, today, test_provinces)
    if code == OTHER:
        found = _numbered(text, today, test_provinces)
        if found.reason is None:
            return msgspec.structs.replace(found, id_type=OTHER)
    return _shaped(code, text, test_provinces)


def check_birth_certificate(text: str, test_provinces: frozenset[str]) -> Document:
    """Type the number of a birth certificate: a letter and nine digits, two of them a province."""
    if len(text) > TEXT_MAX:
        return Document(id_type=BIRTH_CERTIFICATE, normalized="", reason="length", warnings=[])
    return _shaped(BIRTH_CERTIFICATE, text, test_provinces)


def _numbered(text: str, today: date, test_provinces: frozenset[str]) -> Document:
    """A citizen's number, or one of those that come in its place."""
    citizen = check_citizen_number(text, today, test_provinces)
    if citizen.reason == "region":
        permit = check_residence_permit(text, today)
        if permit.reason is None:
            return Document(
                id_type=CITIZEN_ID,
                normalized=permit.normalized,
                reason=None,
                warnings=[*permit.warnings, "type_mismatch"],
                kind="hmt_residence_permit",
                birth_date=permit.birth_date,
                sex=permit.sex,
            )
        foreign = check_permanent_resident(text, today, test_provinces)
        if foreign.reason is None:
            return Document(
                id_type=CITIZEN_ID,
                normalized=foreign.normalized,
                reason=None,
                warnings=[*foreign.warnings, "type_mismatch"],
                kind=foreign.kind,
                province=foreign.province,
                birth_date=foreign.birth_date,
            )
    return Document(
        id_type=CITIZEN_ID,
        normalized=citizen.normalized,
        reason=citizen.reason,
        warnings=citizen.warnings,
        kind=KINDS[CITIZEN_ID] if citizen.reason is None else None,
        province=citizen.province,
        birth_date=citizen.birth_date,
        sex=citizen.sex,
        upgraded=citizen.upgraded,
    )


def _shaped(code: str, text: str, test_provinces: frozenset[str]) -> Document:
    folded, warnings = bare(text)
    number = upper(folded, warnings)
    reason = _fault(code, number)
    renewal = None
    if reason is None and code == HONG_KONG_MACAO and len(number) == 11:
        number, renewal = number[:9], number[9:]
    province = None
    if reason is None and code == BIRTH_CERTIFICATE:
        province = number[1:3]
        if province not in PROVINCES | test_provinces:
            reason = "region"
    return Document(
        id_type=code,
        normalized=number,
        reason=reason,
        warnings=warnings,
        kind=KINDS[code] if reason is None else None,
        province=province if reason is None else None,
        renewal=renewal,
    )


def _fault(code: str, number: str) -> str | None:
    if not number:
        return "empty"
    if is_masked(number):
        return "masked"
    if _ALLOWED.get(code, _ANY).fullmatch(number) is None:
        return "charset"
    if code == HONG_KONG_MACAO and number[0] not in "HM":
        return "prefix"
    return None if code not in _LENGTHS or len(number) in _LENGTHS[code] else "length"
