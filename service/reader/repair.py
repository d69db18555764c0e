"""What scanner guns, input methods and careless carriers do to our texts, undone before judging.

The verifier stays strict; this stands before it and says nothing about validity. No repair can
lead to another person: what comes out is one code that stood in the text whole, or something that
the verifier refuses, and the signatures cover every letter. One pass, no patterns, bounded.
"""

from urllib.parse import unquote

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import SIZES, VERSION

RAW_MAX = 1280
"""Letters typed as four digits each make a bound code 1,180 long."""
NOISE_MAX = 16
"""So many letters typed before or behind a code are cut off; more of them, and we do not guess."""


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
    if len(text) > RAW_MAX:
        return None
    if _MARKS.get(text[:7]) == len(text) and _is_clean(text):
        return text
    for _ in range(2):
        if "%" in text:
            text = unquote(text, errors="replace")
    folded = text.translate(_FOLD)
    if folded.isascii() and folded.isdecimal():
        folded = _from_numbers(folded)
    at = _first_mark(folded)
    if at is None:
        return folded if folded.startswith(code_text.PREFIX) else None
    size = _MARKS[folded[at : at + 7]]
    code, rest = folded[at : at + size], folded[at + size :]
    if code_text.PREFIX in rest:
        return folded[at:] if rest.replace(code, "") else code
    return code if len(rest) <= NOISE_MAX else folded[at:]


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
