"""The text of a code: ``YM1:`` and base41. Strict and canonical; repairs nothing.

Two bytes (big-endian w) are three letters: w % 41, w // 41 % 41, w // 1681; an odd last byte is
two. 41**3 > 65,536, so the length is base45's, without the space, percent, plus and slash that
scanners, spreadsheets and URLs spoil.
"""

from crypto.errors import BadEncoding

PREFIX = "YM1:"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*-.:"
TEXT_MAX = 310
_LETTERS = ALPHABET.encode("ascii")
_BAD = 0xFF
_VALUES = bytes(_LETTERS.find(byte) & _BAD for byte in range(256))
_PAIRS = tuple(a + b for b in ALPHABET for a in ALPHABET)
BYTES_MAX = (TEXT_MAX - len(PREFIX)) // 3 * 2


def encode(raw: bytes) -> str:
    """The one text of ``raw`` (1 to 204 bytes)."""
    if not 1 <= len(raw) <= BYTES_MAX:
        raise BadEncoding("a code has 1 to 204 bytes")
    return PREFIX + encode_letters(raw)


def encode_letters(raw: bytes) -> str:
    """The letters of any bytes, without a prefix."""
    out: list[str] = []
    for at in range(0, len(raw) - 1, 2):
        high, low = divmod(raw[at] << 8 | raw[at + 1], 1681)
        out += (_PAIRS[low], ALPHABET[high])
    if len(raw) & 1:
        out.append(_PAIRS[raw[-1]])
    return "".join(out)


def decode(text: str) -> bytes:
    """The bytes of a text; ``BadEncoding`` unless ``encode`` gives back this very text."""
    if len(text) > TEXT_MAX or not text.startswith(PREFIX):
        raise BadEncoding("not a health-code text")
    return decode_letters(text[len(PREFIX) :])


def decode_letters(letters: str) -> bytes:
    """The bytes of letters without a prefix; ``BadEncoding`` as ``decode``. Bound them before."""
    try:
        values = letters.encode("ascii").translate(_VALUES)
    except UnicodeEncodeError:
        raise BadEncoding("a letter outside the alphabet") from None
    count, rest = divmod(len(values), 3)
    if not values or _BAD in values or rest == 1:
        raise BadEncoding("a letter or length outside the form")
    raw = _pairs_of_bytes(values[: 3 * count])
    if rest == 0:
        return raw
    last = values[-2] + 41 * values[-1]
    if last > 0xFF:
        raise BadEncoding("two letters stand for more than a byte")
    return raw + bytes((last,))


def _pairs_of_bytes(values: bytes) -> bytes:
    """Two bytes for each three values.

    All at once, as one number with three bytes for each: three times faster than a loop.
    """
    count = len(values) // 3
    number, last_of_three = int.from_bytes(values), int.from_bytes(b"\0\0\xff" * count)
    words = (
        (number >> 16 & last_of_three)
        + 41 * (number >> 8 & last_of_three)
        + 1681 * (number & last_of_three)
    ).to_bytes(3 * count)
    if words[0::3] != bytes(count):
        raise BadEncoding("three letters stand for more than two bytes")
    raw = bytearray(2 * count)
    raw[0::2], raw[1::2] = words[1::3], words[2::3]
    return bytes(raw)
