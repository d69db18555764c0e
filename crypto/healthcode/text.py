"""The text of a code: ``YM1:`` and base41. Strict and canonical; repairs nothing.

Two bytes (big-endian w) are three letters: w % 41, w // 41 % 41, w // 1681; an odd last byte is
two. 41**3 > 65,536, so the length is base45's, without the space, percent, plus and slash that
scanners, spreadsheets and URLs spoil.
"""

from crypto.errors import BadEncoding

PREFIX = "YM1:"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*-.:"
TEXT_MAX = 311
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
    if not values or _BAD in values or len(values) % 3 == 1:
        raise BadEncoding("a letter or length outside the form")
    whole = len(values) - len(values) % 3
    words = [values[at] + 41 * values[at + 1] + 1681 * values[at + 2] for at in range(0, whole, 3)]
    if words and max(words) > 0xFFFF:
        raise BadEncoding("three letters stand for more than two bytes")
    raw = b"".join([word.to_bytes(2, "big") for word in words])
    if whole == len(values):
        return raw
    last = values[-2] + 41 * values[-1]
    if last > 0xFF:
        raise BadEncoding("two letters stand for more than a byte")
    return raw + bytes((last,))
