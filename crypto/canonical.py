"""One unambiguous byte string for a list of values: what is authenticated beside a ciphertext.

Every value is a type letter, a length of four bytes and its content, and the list begins with its
count, so no two different lists give the same bytes: None is not the empty string, 1 is not "1"
and not True, and values cannot run into each other. Floats and naive times are refused.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from crypto.errors import BadEncoding

Value = None | bool | int | bytes | str | date  # datetime is a date
PARTS_MAX = 255
PART_MAX = 1 << 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_MICROSECOND = timedelta(microseconds=1)
_NONE, _TRUE, _FALSE = (letter + bytes(4) for letter in (b"N", b"T", b"F"))


def _sized(letter: bytes, content: bytes) -> bytes:
    if len(content) > PART_MAX:
        raise BadEncoding("a value is too long")
    return letter + len(content).to_bytes(4, "big") + content


def _integer(letter: bytes, value: int) -> bytes:
    """Two's complement, big-endian, one byte more than the magnitude may need."""
    size = value.bit_length() // 8 + 1
    if size > PART_MAX:
        raise BadEncoding("a value is too long")
    return letter + size.to_bytes(4, "big") + value.to_bytes(size, "big", signed=True)


def _instant(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise BadEncoding("an instant needs a time zone")
    return _integer(b"M", (value - _EPOCH) // _MICROSECOND)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _value: _NONE,
    bool: lambda value: _TRUE if value else _FALSE,
    int: lambda value: _integer(b"I", value),
    bytes: lambda value: _sized(b"B", value),
    str: lambda value: _sized(b"S", value.encode("utf-8", "strict")),
    datetime: _instant,
    date: lambda value: _sized(b"D", value.isoformat().encode("ascii")),
}


def _encoder(kind: type) -> Callable[[Any], bytes]:
    """Of the nearest class that has a form: an enumeration of texts is a text."""
    for parent in kind.__mro__:
        if parent in _ENCODERS:
            return _ENCODERS[parent]
    raise BadEncoding("this type has no canonical form")


def encode_parts(parts: Sequence[Value]) -> bytes:
    """The bytes of at most 255 values; ``BadEncoding`` for a type or size without a form."""
    if len(parts) > PARTS_MAX:
        raise BadEncoding("too many values")
    out = [bytes((len(parts),))]
    for part in parts:
        kind = type(part)
        out.append((_ENCODERS.get(kind) or _encoder(kind))(part))
    return b"".join(out)
