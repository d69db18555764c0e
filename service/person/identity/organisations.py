"""Typing of institutions' codes: unified social credit code (GB 32100), medical institution code
(WS 218) and the insurance's institution code, whose form no public source confirms.
"""

import re

import msgspec

from service.person.identity.texts import TEXT_MAX, bare, is_masked, upper

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""Of the credit code: without I, O, S, V and Z."""
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_MEDICAL = re.compile(r"([0-9A-Z]{9})([0-9]{6})([0-9]{2})([A-Z][0-9]{3})([0-9])", re.ASCII)
_INSURANCE_KINDS = {"H": "nhsa_hospital", "P": "nhsa_pharmacy"}


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on an institution's code, with the parts it is made of."""

    normalized: str
    reason: str | None
    warnings: list[str]
    kind: str | None = None
    org_code: str | None = None
    region: str | None = None
    economy: str | None = None
    category: str | None = None
    management: str | None = None


def check_credit_code(text: str) -> Organisation:
    """Type an 18-place unified social credit code.

    Reasons: empty, masked, charset, length, check_char, org_code_check (the organisation code
    inside, GB 11714).
    """
    code, warnings, reason = _read(text)
    if reason is None and not set(code) <= set(_ALPHABET):
        reason = "charset"
    if reason is None and len(code) != 18:
        reason = "length"
    if reason is None and _credit_check(code[:17]) != code[17]:
        reason = "check_char"
    if reason is None and organisation_check(code[8:16]) != code[16]:
        reason = "org_code_check"
    if reason is not None:
        return Organisation(normalized=code, reason=reason, warnings=warnings)
    return Organisation(
        normalized=code,
        reason=None,
        warnings=warnings,
        kind="uscc",
        org_code=code[8:17],
        region=code[2:8],
    )


def check_medical_institution(text: str) -> Organisation:
    """Type a medical institution's code of 22 places, or the insurance's of 12.

    Reasons: empty, masked, charset, prefix, length, org_code_check.
    """
    code, warnings, reason = _read(text)
    if reason is None and not (code.isascii() and code.isalnum()):
        reason = "charset"
    if reason is not None:
        return Organisation(normalized=code, reason=reason, warnings=warnings)
    if len(code) == 12:
        return _insurance_code(code, warnings)
    found = _MEDICAL.fullmatch(code)
    if found is None:
        reason = "charset" if len(code) == 22 else "length"
    elif organisation_check(found[1][:8]) != found[1][8]:
        reason = "org_code_check"
    if found is None or reason is not None:
        return Organisation(normalized=code, reason=reason, warnings=warnings)
    org_code, region, economy, category, management = found.groups()
    return Organisation(
        normalized=code,
        reason=None,
        warnings=warnings,
        kind="medical_institution",
        org_code=org_code,
        region=region,
        economy=economy,
        category=category,
        management=management,
    )


def organisation_check(first_8: str) -> str:
    """The last place of an organisation code (GB 11714) over its first eight."""
    total = sum(
        int(character, 36) * weight
        for character, weight in zip(first_8, _ORGANISATION_WEIGHTS, strict=True)
    )
    check = 11 - total % 11
    return {10: "X", 11: "0"}.get(check, str(check))


def _insurance_code(code: str, warnings: list[str]) -> Organisation:
    kind = _INSURANCE_KINDS.get(code[0])
    if kind is None or not code[1:].isdecimal():
        reason = "prefix" if kind is None else "charset"
        return Organisation(normalized=code, reason=reason, warnings=warnings)
    return Organisation(
        normalized=code, reason=None, warnings=warnings, kind=kind, region=code[1:7]
    )


def _read(text: str) -> tuple[str, list[str], str | None]:
    if len(text) > TEXT_MAX:
        return "", [], "length"
    folded, warnings = bare(text)
    code = upper(folded, warnings)
    if not code:
        return code, warnings, "empty"
    return code, warnings, "masked" if is_masked(code) else None


def _credit_check(first_17: str) -> str:
    total = sum(_VALUES[character] * pow(3, place, 31) for place, character in enumerate(first_17))
    return _ALPHABET[(31 - total % 31) % 31]
