"""Typing of phone numbers."""

import re

import msgspec

from service.person.identity.texts import FULL_WIDTH, TEXT_MAX, strip_blanks

_LANDLINE = re.compile(r"(0(?:10|2[0-9]|[3-9][0-9]{2}))-?([2-9][0-9]{6,7})", re.ASCII)
_FOREIGN = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_PHONE_CHARACTERS = re.compile(r"\+?[0-9-]+", re.ASCII)


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a phone number. ``kind``: cn_mobile, cn_landline or foreign."""

    normalized: str
    reason: str | None
    kind: str | None = None


def check_phone(text: str) -> Phone:
    """Type a phone number: mobile of 11 digits, landline with area code, or +country number.

    Reasons: empty, masked, charset, length, prefix.
    """
    if len(text) > TEXT_MAX:
        return Phone(normalized="", reason="length")
    number = strip_blanks(text)[0].translate(FULL_WIDTH).replace("＋", "+")
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
