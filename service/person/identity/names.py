"""Typing and comparing of personal names. Pure.

A name keeps what the person entered apart from blanks, zero-width characters and the form of the
middle dot; comparison uses a key of its own. Anything that is not a letter of a name is refused
here, so no markup or control character ever reaches a screen through a name.
"""

import re
import unicodedata

import msgspec

from service.person.identity.texts import BLANKS, ZERO_WIDTH, strip_blanks

LENGTH_MAX = 50
DOT = "·"
_DOTS = str.maketrans(dict.fromkeys("•．・‧∙⋅･", DOT))
_HAN = (
    (0x3007, 0x3007),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFD),
)
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc"})
"""Letters and the marks that belong to them, of any script. Digits, signs, controls and marks that
turn the direction of a text are none."""
_LATIN_BELOW = 0x250
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_PRIVATE = ((0xE000, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))
_PLACEHOLDER = re.compile(r".{2,49}(?:之[长次大小]?[子女]|之?[大小]双)")
_UNKNOWN = re.compile(r"无名[氏男女]?|未知|不详|未命名|待定")
_BETWEEN_HAN = re.compile(r"(?<=[^\x00-\x7f])\.(?=[^\x00-\x7f])")


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a name. ``kind``: han, latin, other, newborn_placeholder or unknown_person."""

    normalized: str
    match_key: str
    reason: str | None
    warnings: list[str]
    kind: str | None = None


def _within(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    point = ord(character)
    return any(low <= point <= high for low, high in ranges)


def check_name(text: str) -> Name:
    """Type a name.

    Checks in this order: empty, masked, private_use, charset, dot_position, length (50 code
    points). Blanks leave a Chinese name and are single inside a Latin one.
    """
    if len(text) > 4 * LENGTH_MAX:
        return Name(normalized="", match_key="", reason="length", warnings=[])
    kept, warnings = strip_blanks(text)
    if any(_within(character, _HAN) for character in kept):
        name = _BETWEEN_HAN.sub(DOT, kept.translate(_DOTS))
        if name != kept:
            warnings.append("dot_folded")
    else:
        spaced = "".join(" " if c in BLANKS else c for c in text if c not in ZERO_WIDTH)
        name = re.sub(" +", " ", spaced).strip(" ")
        warnings = [w for w in warnings if w != "whitespace" or name != text]
    if reason := _fault(name):
        return Name(normalized=name, match_key="", reason=reason, warnings=warnings)
    if any(_within(character, _SELECTORS) for character in name):
        warnings.append("variation_selector")
    if len(name) == 1:
        warnings.append("single_character")
    return Name(
        normalized=name,
        match_key=match_key(name),
        reason=None,
        warnings=warnings,
        kind=_kind(name),
    )


def _fault(name: str) -> str | None:
    if not name:
        return "empty"
    if "*" in name or "＊" in name:
        return "masked"
    if any(_within(character, _PRIVATE) for character in name):
        return "private_use"
    if not all(_is_allowed(character) for character in name) or _within(name[0], _SELECTORS):
        return "charset"
    if name[0] in DOT + "'-." or name[-1] in DOT + "'-" or DOT * 2 in name:
        return "dot_position"
    return "length" if len(name) > LENGTH_MAX else None


def _is_allowed(character: str) -> bool:
    return (
        character in "·'-. ’་"
        or _within(character, _HAN)
        or _within(character, _SELECTORS)
        or unicodedata.category(character) in _LETTERS
    )


def _kind(name: str) -> str:
    if _UNKNOWN.match(name):
        return "unknown_person"
    if _PLACEHOLDER.fullmatch(name):
        return "newborn_placeholder"
    if any(_within(character, _HAN) for character in name):
        return "han"
    return "latin" if all(ord(character) < _LATIN_BELOW for character in name) else "other"


def match_key(name: str) -> str:
    """The form in which two names are compared: NFC without variation selectors, upper case."""
    bare = "".join(c for c in name if not _within(c, _SELECTORS))
    return unicodedata.normalize("NFC", bare).upper()


def compatible(one: str, other: str) -> bool:
    """Whether two normalised names may be one person's.

    Equal apart from middle dots, or, in Latin letters, the same words in any order. A placeholder
    (an unnamed newborn, an unknown person) is compatible with nothing.
    """
    if {_kind(one), _kind(other)} & {"newborn_placeholder", "unknown_person"}:
        return False
    return compare_key(one) == compare_key(other)


def compare_key(name: str) -> str:
    """What ``compatible`` compares and match keys are made over."""
    key = match_key(name).replace(DOT, "")
    return " ".join(sorted(re.split(r"[ '.’-]+", key))).strip()
