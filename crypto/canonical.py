"""One unambiguous byte string for a list of values: what is authenticated beside a ciphertext.

Every value is a type letter, a length of four bytes and its content, and the list begins with its
count, so no two different lists give the same bytes: None is not the empty string, 1 is not "1"
and not True, and values cannot run into each other. Floats and naive times are refused.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from crypto.errors import BadEncoding

Value = None | bool | int | bytes | str | date  # datetime is a date
PARTS_MAX = 255
PART_MAX = 1 << 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _integer(value: int) -> bytes:
    """Two's complement, big-endian, one byte more than the magnitude may need."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _content(value: Value) -> tuple[bytes, bytes]:  # noqa: PLR0911  one return a type
    match value:
        case None:
            return b"N", b""
        case bool():
            return (b"T" if value else b"F"), b""
        case int():
            return b"I", _integer(value)
        case bytes():
            return b"B", value
        case str():
            return b"S", value.encode("utf-8", "strict")
        case datetime():
            if value.tzinfo is None:
                raise BadEncoding("an instant needs a time zone")
            return b"M", _integer((value - _EPOCH) // timedelta(microseconds=1))
        case date():
            return b"D", value.isoformat().encode("ascii")
    raise BadEncoding("this type has no canonical form")


def encode_parts(parts: Sequence[Value]) -> bytes:
    """The bytes of at most 255 values; ``BadEncoding`` for a type or size without a form."""
    if len(parts) > PARTS_MAX:
        raise BadEncoding("too many values")
    out = [bytes((len(parts),))]
    for part in parts:
        letter, content = _content(part)
        if len(content) > PART_MAX:
            raise BadEncoding("a value is too long")
        out += (letter, len(content).to_bytes(4, "big"), content)
    return b"".join(out)
