"""Typing of what people are registered by: citizen ID numbers and phone numbers. Pure.

A value is typed before it is used: normalised, then judged by a fixed order of checks, of which
the first that fails is the reason (GB 11643-1999; master-index dossier 4). ``today`` is a
parameter. Texts from outside are bounded before anything is done with them.
"""

import re
from datetime import date

import msgspec

TEXT_MAX = 64
AGE_MAX = 130
PROVINCES = frozenset(
    str(number)
    for low, high in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65))
    for number in range(low, high + 1)
)
"""Where citizen ID numbers are given. 71, 81 and 82 begin residence permits, another kind."""

BLANKS = frozenset(" \t\r\n\v\f\u00a0\u3000")
ZERO_WIDTH = frozenset("\u200b\u200c\u200d\u2060\ufeff")

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"
_FULL_WIDTH = {ord("０") + digit: str(digit) for digit in range(10)} | {
    ord("Ｘ"): "X",
    ord("ｘ"): "x",
}
_NUMBER = re.compile(r"[0-9]*[0-9X]", re.ASCII)
_LANDLINE = re.compile(r"(0(?:10|2[0-9]|[3-9][0-9]{2}))-?([2-9][0-9]{6,7})", re.ASCII)
_FOREIGN = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_PHONE_CHARACTERS = re.compile(r"\+?[0-9-]+", re.ASCII)


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


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a phone number. ``kind``: cn_mobile, cn_landline or foreign."""

    normalized: str
    reason: str | None
    kind: str | None = None


def strip_blanks(text: str) -> tuple[str, list[str]]:
    """The text without blanks and zero-width characters, and which of the two were there."""
    warnings = []
    if any(character in BLANKS for character in text):
        warnings.append("whitespace")
    if any(character in ZERO_WIDTH for character in text):
        warnings.append("zero_width")
    kept = "".join(c for c in text if c not in BLANKS and c not in ZERO_WIDTH)
    return kept, warnings


def check_character(first_17: str) -> str:
    """The last place of a citizen ID number (ISO 7064 MOD 11-2) over its first 17 digits."""
    total = sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True))
    return _CHECK_CHARACTERS[total % 11]


def age_on(birth_date: date, day: date) -> int:
    """Full years on ``day``."""
    had_birthday = (day.month, day.day) >= (birth_date.month, birth_date.day)
    return day.year - birth_date.year - (0 if had_birthday else 1)


def check_citizen_number(text: str, today: date, test_provinces: frozenset[str]) -> CitizenNumber:
    """Type a citizen ID number.

    Checks in this order: empty, masked, charset, length (legacy_15 for the first generation),
    region, date, future_date, implausible_age, check_digit. ``test_provinces`` are first pairs
    accepted beside the real ones: the sandbox's invented people live in 99.
    """
    if len(text) > TEXT_MAX:
        return CitizenNumber(normalized="", reason="length", warnings=[])
    kept, warnings = strip_blanks(text)
    folded = kept.translate(_FULL_WIDTH)
    if folded != kept:
        warnings.append("fullwidth")
    number = folded[:-1] + "X" if folded.endswith("x") else folded
    if number != folded:
        warnings.append("lowercase_x")
    if reason := _shape_fault(number):
        upgraded = _upgrade(number) if reason == "legacy_15" else None
        return CitizenNumber(normalized=number, reason=reason, warnings=warnings, upgraded=upgraded)
    reason, born = _content_fault(number, today, test_provinces)
    if reason is not None:
        return CitizenNumber(normalized=number, reason=reason, warnings=warnings)
    return CitizenNumber(
        normalized=number,
        reason=None,
        warnings=warnings,
        province=number[:2],
        birth_date=born,
        sex="M" if int(number[16]) % 2 else "F",
    )


def _shape_fault(number: str) -> str | None:
    if not number:
        return "empty"
    if "*" in number or "＊" in number:
        return "masked"
    if _NUMBER.fullmatch(number) is None:
        return "charset"
    if len(number) == 15 and number.isdecimal():
        return "legacy_15"
    return None if len(number) == 18 else "length"


def _content_fault(
    number: str, today: date, test_provinces: frozenset[str]
) -> tuple[str | None, date | None]:
    if number[:2] not in PROVINCES | test_provinces:
        return "region", None
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return "date", None
    if born > today:
        return "future_date", None
    if age_on(born, today) > AGE_MAX:
        return "implausible_age", None
    if check_character(number[:17]) != number[17]:
        return "check_digit", None
    return None, born


def _upgrade(number: str) -> str:
    """15 to 18 places: serials 996 to 999 were given to people born before 1900."""
    century = "18" if number[12:] >= "996" else "19"
    first_17 = number[:6] + century + number[6:]
    return first_17 + check_character(first_17)


def check_phone(text: str) -> Phone:
    """Type a phone number: mobile of 11 digits, landline with area code, or +country number.

    Reasons: empty, masked, charset, length, prefix.
    """
    if len(text) > TEXT_MAX:
        return Phone(normalized="", reason="length")
    number = strip_blanks(text)[0].translate(_FULL_WIDTH).replace("＋", "+")
    if reason := _phone_shape_fault(number):
        return Phone(normalized=number, reason=reason)
    number = number.removeprefix("+86").removeprefix("-")
    if _FOREIGN.fullmatch(number):
        return Phone(normalized=number, reason=None, kind="foreign")
    if landline := _LANDLINE.fullmatch(number):
        joined = f"{landline[1]}-{landline[2]}"
        return Phone(normalized=joined, reason=None, kind="cn_landline")
    return _check_mobile(number.replace("-", ""))


def _phone_shape_fault(number: str) -> str | None:
    if not number:
        return "empty"
    if "*" in number:
        return "masked"
    return None if _PHONE_CHARACTERS.fullmatch(number) else "charset"


def _check_mobile(digits: str) -> Phone:
    if len(digits) != 11:
        return Phone(normalized=digits, reason="length")
    if digits[0] != "1" or digits[1] < "3":
        return Phone(normalized=digits, reason="prefix")
    return Phone(normalized=digits, reason=None, kind="cn_mobile")
