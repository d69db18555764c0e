"""One unambiguous byte string for a list of values: what is authenticated beside a ciphertext.

Every value is a type letter, a length of four bytes and its content, and the list begins with its
count, so no two different lists give the same bytes: None is not the empty string, 1 is not "1"
and not True, and values cannot run into each other. Floats and naive times are refused.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from crypto.errors import BadEncoding

Value = None | bool | int | bytes | str | date  # datetime is a date
PARTS_MAX = 255
PART_MAX = 1 << 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_DAY, _SECOND = 86_400_000_000, 1_000_000
"""In microseconds."""
_NONE, _TRUE, _FALSE = (letter + bytes(4) for letter in (b"N", b"T", b"F"))


def _sized(letter: bytes, content: bytes) -> bytes:
    if len(content) > PART_MAX:
        raise BadEncoding("a value is too long")
    return letter + len(content).to_bytes(4, "big") + content


def _heads(letter: bytes) -> tuple[bytes, ...]:
    """Letter and length of the integers that rows hold: a MAC has dozens of them."""
    return tuple(letter + size.to_bytes(4, "big") for size in range(17))


_INTEGERS, _INSTANTS = _heads(b"I"), _heads(b"M")


def _integer(value: int, heads: tuple[bytes, ...] = _INTEGERS) -> bytes:
    """Two's complement, big-endian, one byte more than the magnitude may need."""
    size = value.bit_length() // 8 + 1
    if size < len(heads):
        return heads[size] + value.to_bytes(size, "big", signed=True)
    return _sized(heads[0][:1], value.to_bytes(size, "big", signed=True))


def _instant(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise BadEncoding("an instant needs a time zone")
    since = value - _EPOCH
    return _integer(since.days * _DAY + since.seconds * _SECOND + since.microseconds, _INSTANTS)


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
        bytes: lambda value: _sized(b"B", value),
        str: lambda value: _sized(b"S", value.encode("utf-8", "strict")),
        datetime: _instant,
        date: lambda value: _sized(b"D", value.isoformat().encode("ascii")),
    }
)


def encode_parts(parts: Sequence[Value]) -> bytes:
    """The bytes of at most 255 values; ``BadEncoding`` for a type or size without a form."""
    if len(parts) > PARTS_MAX:
        raise BadEncoding("too many values")
    return bytes((len(parts),)) + b"".join([_ENCODERS[type(part)](part) for part in parts])
