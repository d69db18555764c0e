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


def _heads(letter: bytes) -> tuple[bytes, ...]:
    """Letter and length of what rows hold: a MAC has dozens of them."""
    return tuple(letter + size.to_bytes(4, "big") for size in range(65))


_INTEGERS, _INSTANTS, _BYTES, _TEXTS, _DAYS = map(_heads, (b"I", b"M", b"B", b"S", b"D"))


def _sized(content: bytes, heads: tuple[bytes, ...]) -> bytes:
    size = len(content)
    if size < len(heads):
        return heads[size] + content
    if size > PART_MAX:
        raise BadEncoding("a value is too long")
    return heads[0][:1] + size.to_bytes(4, "big") + content


def _integer(value: int) -> bytes:
    """Two's complement, big-endian, one byte more than the magnitude may need."""
    size = value.bit_length() // 8 + 1
    if size < len(_INTEGERS):
        return _INTEGERS[size] + value.to_bytes(size, "big", signed=True)
    return _sized(value.to_bytes(size, "big", signed=True), _INTEGERS)


def _instant(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise BadEncoding("an instant needs a time zone")
    since = (value - _EPOCH) // _MICROSECOND
    size = since.bit_length() // 8 + 1
    return _INSTANTS[size] + since.to_bytes(size, "big", signed=True)


class _Encoders(dict[type, Callable[[Any], bytes]]):
    """By type; a class derived from one has its form: an enumeration of texts is a text."""

    def __missing__(self, kind: type) -> Callable[[Any], bytes]:
        for parent in kind.__mro__[1:]:
            if parent in self:
                self[kind] = self[parent]
                return self[kind]
        raise BadEncoding("this type has no canonical form")


_ENCODERS = _Encoders(
    {
        type(None): lambda _value: _NONE,
        bool: lambda value: _TRUE if value else _FALSE,
        int: _integer,
        bytes: lambda value: _sized(value, _BYTES),
        str: lambda value: _sized(value.encode(), _TEXTS),
        datetime: _instant,
        date: lambda value: _sized(value.isoformat().encode("ascii"), _DAYS),
    }
)


def encode_parts(parts: Sequence[Value]) -> bytes:
    """The bytes of at most 255 values; ``BadEncoding`` for a type or size without a form."""
    if len(parts) > PARTS_MAX:
        raise BadEncoding("too many values")
    return bytes((len(parts),)) + b"".join([_ENCODERS[type(part)](part) for part in parts])
