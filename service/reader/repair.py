"""What scanner guns, input methods and careless carriers do to our texts, undone before judging.

The verifier stays strict; this stands before it and says nothing about validity. No repair can
lead to another person: what comes out is one code that stood in the text whole, or something that
the verifier refuses, and the signatures cover every letter. One pass, no patterns, bounded.
"""

from enum import StrEnum
from urllib.parse import unquote

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import SIZES, VERSION

RAW_MAX = 1280
"""Letters typed as four digits each make a bound code 1,180 long."""
NOISE_MAX = 16
"""So many letters typed before or behind a code are cut off; more of them, and we do not guess."""


class Damage(StrEnum):
    """What was undone, in words for a person."""

    URL_ESCAPES = "URL escapes"
    BLANKS = "blanks, line ends or control characters"
    FORMS = "small or full-width letters, or an input method's signs"
    NUMBERS = "letters typed as decimal numbers"
    LETTERS_BEFORE = "letters typed before the code"
    LETTERS_BEHIND = "letters typed behind the code"
    TWICE = "the same code twice"


def _fold_table() -> dict[int, str | None]:
    table: dict[int, str | None] = {}
    table |= dict.fromkeys([*range(0x21), 0x7F, *range(0x80, 0xA1)])  # control, blank, no-break
    table |= dict.fromkeys([0xAD, *range(0x2000, 0x2010), *range(0x2028, 0x2030), 0x205F, 0x2060])
    table |= dict.fromkeys([0x3000, 0xFEFF, ord("+")])
    table |= {point: chr(point - 0xFEE0) for point in range(0xFF01, 0xFF5F)}
    table |= {ord("￥"): "$", ord("¥"): "$", ord("。"): ".", ord("∶"): ":", ord("×"): "*"}
    table |= {ord("–"): "-", ord("—"): "-", ord("−"): "-"}
    small = {chr(point): chr(point - 32) for point in range(ord("a"), ord("z") + 1)}
    table |= {ord(letter): capital for letter, capital in small.items()}
    table |= {ord(letter) + 0xFEE0: capital for letter, capital in small.items()}
    return table


def _marks() -> dict[str, int]:
    """What a text of each kind begins with (prefix, version, kind), and its length."""
    texts = [
        code_text.encode(bytes((VERSION, kind)).ljust(size, b"\0")) for kind, size in SIZES.items()
    ]
    return {text[:7]: len(text) for text in texts}


_ALPHABET = code_text.ALPHABET.encode("ascii")
_FOLD = _fold_table()
_MARKS = _marks()


def repair(text: str) -> str | None:
    """The text that was meant, ready for the strict verifier; None if it is no text of ours.

    Undone: blanks, line ends, byte-order marks and control characters anywhere, full-width and
    small letters, what an input method makes of ``$ . : * -``, URL escapes, letters typed as
    decimal numbers, up to 16 letters typed before or behind, the same code twice. Two different
    codes in one text stay together, which the verifier refuses: nobody knows whose was meant.
    """
    return examine(text)[0]


def examine(text: str) -> tuple[str | None, list[Damage]]:
    """What ``repair`` gives, and what it had to undo."""
    if len(text) > RAW_MAX:
        return None, []
    if _MARKS.get(text[:7]) == len(text) and _is_clean(text):
        return text, []
    folded, damages = fold(text)
    at = _first_mark(folded)
    if at is None:
        return (folded, damages) if folded.startswith(code_text.PREFIX) else (None, [])
    if at:
        damages.append(Damage.LETTERS_BEFORE)
    size = _MARKS[folded[at : at + 7]]
    code, rest = folded[at : at + size], folded[at + size :]
    is_twice = code_text.PREFIX in rest and not rest.replace(code, "")
    if rest and not is_twice and (code_text.PREFIX in rest or len(rest) > NOISE_MAX):
        return folded[at:], damages
    if rest:
        damages.append(Damage.TWICE if is_twice else Damage.LETTERS_BEHIND)
    return code, damages


def fold(text: str) -> tuple[str, list[Damage]]:
    """The letters that were meant, wherever in the text, and what was undone to get at them."""
    damages = []
    for _ in range(2):
        if "%" in text and (plain := unquote(text, errors="replace")) != text:
            text, damages = plain, [Damage.URL_ESCAPES]
    folded = text.translate(_FOLD)
    if len(folded) != len(text):
        damages.append(Damage.BLANKS)
    if any(_FOLD.get(ord(letter)) for letter in text):
        damages.append(Damage.FORMS)
    if folded.isascii() and folded.isdecimal():
        typed = _from_numbers(folded)
        if typed != folded:
            damages.append(Damage.NUMBERS)
        folded = typed
    return folded, damages


def _is_clean(text: str) -> bool:
    return text.isascii() and not text.encode("ascii").translate(None, _ALPHABET)


def _first_mark(folded: str) -> int | None:
    places = [folded.find(mark, 0, NOISE_MAX + len(mark)) for mark in _MARKS]
    return min((place for place in places if place >= 0), default=None)


def _from_numbers(digits: str) -> str:
    """A text typed as the decimal numbers of its letters (Alt and number pad), else ``digits``."""
    for width in (2, 3, 4):
        if len(digits) % width == 0 and digits.startswith(
            f"{ord('Y'):0{width}}{ord('M'):0{width}}"
        ):
            numbers = [int(digits[at : at + width]) for at in range(0, len(digits), width)]
            if max(numbers) < 0x80:
                return "".join(map(chr, numbers)).translate(_FOLD)
    return digits
