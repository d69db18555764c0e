"""Typing of the numbers of 18 places: citizens, residents from Hong Kong, Macao and Taiwan, and
foreigners with permanent residence (GB 11643; health-card dossier 10).

Checks in this order: empty, masked, charset, length (legacy_15 for a citizen's first generation),
region, date, future_date, implausible_age, check_digit. ``test_provinces`` are first pairs accepted
beside the real ones: the sandbox's invented people live in 99.
"""

import re
from datetime import date

import msgspec

from service.person.identity.texts import (
    PROVINCES,
    TEXT_MAX,
    age_on,
    bare,
    check_character,
    is_masked,
    upper,
)

AGE_MAX = 130
ORIGINS = {"810000": "HK", "820000": "MO", "830000": "TW"}
"""First six places of residence permits."""
_NUMBER = re.compile(r"[0-9]*[0-9X]", re.ASCII)
_OLD_CARD = re.compile(r"[A-Z]{3}[0-9]{12}", re.ASCII)


class CitizenNumber(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on an 18-place citizen ID number.

    ``reason`` is None when it is valid; ``sex`` is M or F. ``upgraded`` is the 18-place form of a
    first-generation number of 15 digits, to offer, never to take silently.
    """

    normalized: str
    reason: str | None
    warnings: list[str]
    province: str | None = None
    birth_date: date | None = None
    sex: str | None = None
    upgraded: str | None = None


class ResidencePermit(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on the number of a residence permit. ``origin``: HK, MO or TW."""

    normalized: str
    reason: str | None
    warnings: list[str]
    origin: str | None = None
    birth_date: date | None = None
    sex: str | None = None


class PermanentResident(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a foreigner's permanent residence number.

    ``kind``: ``foreign_pr_2023`` of 18 places, or ``foreign_pr_2017`` of three letters and twelve
    digits, of which only the shape is checked. ``country`` is the three digits of ISO 3166.
    """

    normalized: str
    reason: str | None
    warnings: list[str]
    kind: str | None = None
    province: str | None = None
    country: str | None = None
    birth_date: date | None = None


def check_citizen_number(text: str, today: date, test_provinces: frozenset[str]) -> CitizenNumber:
    """Type a citizen ID number."""
    if len(text) > TEXT_MAX:
        return CitizenNumber(normalized="", reason="length", warnings=[])
    number, warnings = _read(text)
    if reason := _shape_fault(number):
        upgraded = _upgrade(number) if reason == "legacy_15" else None
        return CitizenNumber(normalized=number, reason=reason, warnings=warnings, upgraded=upgraded)
    if number[:2] not in PROVINCES | test_provinces:
        return CitizenNumber(normalized=number, reason="region", warnings=warnings)
    reason, born = _born_fault(number, number[6:14], today)
    if reason is not None:
        return CitizenNumber(normalized=number, reason=reason, warnings=warnings)
    return CitizenNumber(
        normalized=number,
        reason=None,
        warnings=warnings,
        province=number[:2],
        birth_date=born,
        sex=_sex(number),
    )


def check_residence_permit(text: str, today: date) -> ResidencePermit:
    """Type the number of a residence permit for people from Hong Kong, Macao or Taiwan."""
    if len(text) > TEXT_MAX:
        return ResidencePermit(normalized="", reason="length", warnings=[])
    number, warnings = _read(text)
    reason = _shape_fault(number)
    reason = "length" if reason == "legacy_15" else reason
    if reason is None and number[:6] not in ORIGINS:
        reason = "region"
    born = None
    if reason is None:
        reason, born = _born_fault(number, number[6:14], today)
    if reason is not None:
        return ResidencePermit(normalized=number, reason=reason, warnings=warnings)
    return ResidencePermit(
        normalized=number,
        reason=None,
        warnings=warnings,
        origin=ORIGINS[number[:6]],
        birth_date=born,
        sex=_sex(number),
    )


def check_permanent_resident(
    text: str, today: date, test_provinces: frozenset[str]
) -> PermanentResident:
    """Type a foreigner's permanent residence number, of the card of 2023 or the one before."""
    if len(text) > TEXT_MAX:
        return PermanentResident(normalized="", reason="length", warnings=[])
    folded, warnings = bare(text)
    number = upper(folded, warnings)
    if number[:1].isalpha() and number[:1] != "X":
        reason = None if _OLD_CARD.fullmatch(number) else _old_card_fault(number)
        kind = None if reason else "foreign_pr_2017"
        return PermanentResident(normalized=number, reason=reason, warnings=warnings, kind=kind)
    reason = _shape_fault(number)
    reason = "length" if reason == "legacy_15" else reason
    if reason is None and number[0] != "9":
        reason = "prefix"
    if reason is None and number[1:3] not in PROVINCES | test_provinces:
        reason = "region"
    born = None
    if reason is None:
        reason, born = _born_fault(number, number[6:14], today)
    if reason is not None:
        return PermanentResident(normalized=number, reason=reason, warnings=warnings)
    return PermanentResident(
        normalized=number,
        reason=None,
        warnings=warnings,
        kind="foreign_pr_2023",
        province=number[1:3],
        country=number[3:6],
        birth_date=born,
    )


def _read(text: str) -> tuple[str, list[str]]:
    folded, warnings = bare(text)
    number = folded[:-1] + "X" if folded.endswith("x") else folded
    if number != folded:
        warnings.append("lowercase_x")
    return number, warnings


def _shape_fault(number: str) -> str | None:
    if not number:
        return "empty"
    if is_masked(number):
        return "masked"
    if _NUMBER.fullmatch(number) is None:
        return "charset"
    if len(number) == 15 and number.isdecimal():
        return "legacy_15"
    return None if len(number) == 18 else "length"


def _old_card_fault(number: str) -> str:
    if is_masked(number):
        return "masked"
    return "charset" if len(number) == 15 or not number.isalnum() else "length"


def _born_fault(number: str, digits: str, today: date) -> tuple[str | None, date | None]:
    """What is wrong with the birth date or the check character, and the date."""
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return "date", None
    if born > today:
        return "future_date", None
    if age_on(born, today) > AGE_MAX:
        return "implausible_age", None
    if check_character(number[:17]) != number[17]:
        return "check_digit", None
    return None, born


def _sex(number: str) -> str:
    return "M" if int(number[16]) % 2 else "F"


def _upgrade(number: str) -> str:
    """15 to 18 places: serials 996 to 999 were given to people born before 1900."""
    century = "18" if number[12:] >= "996" else "19"
    first_17 = number[:6] + century + number[6:]
    return first_17 + check_character(first_17)
