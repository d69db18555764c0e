"""What all identifiers share: blanks, full-width digits, the check of 18 places, provinces, ages.

Texts from outside are bounded before anything is done with them.
"""

from datetime import date

TEXT_MAX = 64
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
FULL_WIDTH = {ord("０") + digit: str(digit) for digit in range(10)} | {
    ord("Ｘ"): "X",
    ord("ｘ"): "x",
}


def strip_blanks(text: str) -> tuple[str, list[str]]:
    """The text without blanks and zero-width characters, and which of the two were there."""
    if text.isalnum():
        return text, []
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


def bare(text: str) -> tuple[str, list[str]]:
    """A number without blanks and with plain digits, and the warnings that this gives."""
    if text.isascii() and text.isalnum():
        return text, []
    kept, warnings = strip_blanks(text)
    folded = kept.translate(FULL_WIDTH)
    if folded != kept:
        warnings.append("fullwidth")
    return folded, warnings


def upper(text: str, warnings: list[str]) -> str:
    """The text in capitals; ``warnings`` is told where it was not."""
    raised = text.upper() if text.isascii() else text
    if raised != text:
        warnings.append("lowercase")
    return raised


def is_masked(text: str) -> bool:
    """Whether it was starred out for display: such a text is never matched by."""
    return "*" in text or "＊" in text
