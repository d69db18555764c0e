"""Rising numbers in few bytes: gaps in Golomb-Rice code, one canonical form for each sequence.

    section   parameter k 1 | count 4 | bits, padded with zeros to a whole byte

A number's gap is its distance from the one before, less one; the first number is its own gap.
A gap is written as gap >> k ones, a zero, then its low k bits, highest first. k is the one that
takes the fewest bits, of several the smallest; with no numbers it is 0.

Decoding costs time in proportion to the bytes given, whatever they are.
"""

from array import array
from collections.abc import Iterable, Sequence

from crypto.errors import BadEncoding

COUNT_MAX = 1_000_000
PARAMETER_MAX = 63
_HEAD_SIZE = 5


def _gaps(numbers: Iterable[int]) -> list[int]:
    gaps, before = [], -1
    for number in numbers:
        if number <= before:
            raise BadEncoding("the numbers do not rise")
        gaps.append(number - before - 1)
        before = number
    return gaps


def _parameter(gaps: Sequence[int]) -> int:
    """The smallest k for which k + 1 would take no fewer bits.

    One bit more in the remainders costs ``len(gaps)`` and saves, for each gap, half of its ones,
    rounded up. The saving falls as k grows, so the search may halve.
    """
    low, high = 0, PARAMETER_MAX
    while low < high:
        k = (low + high) // 2
        if sum([((gap >> k) + 1) >> 1 for gap in gaps]) <= len(gaps):
            high = k
        else:
            low = k + 1
    return low


def encode_section(numbers: Sequence[int]) -> bytes:
    """The section of strictly rising numbers from 0 to 2**64 - 1. ``BadEncoding`` otherwise."""
    if len(numbers) > COUNT_MAX:
        raise BadEncoding("too many entries")
    gaps = _gaps(numbers)
    if gaps and not 0 <= numbers[0] <= numbers[-1] < 1 << 64:
        raise BadEncoding("a number is out of range")
    k = _parameter(gaps)
    mask = (1 << k) - 1
    low_bits = f"0{k}b" if k else ""
    bits = "".join(
        ["1" * (gap >> k) + "0" + (format(gap & mask, low_bits) if k else "") for gap in gaps]
    )
    size = (len(bits) + 7) // 8
    body = int(bits.ljust(size * 8, "0"), 2).to_bytes(size, "big") if bits else b""
    return bytes((k,)) + len(gaps).to_bytes(4, "big") + body


def decode_section(blob: bytes, limit: int) -> tuple["array[int]", bytes]:
    """The numbers of the section at the front, and the bytes behind it.

    ``BadEncoding`` unless this is the canonical form of rising numbers below ``limit``
    (at most 2**64).
    """
    k, count = blob[0] if blob else 0, int.from_bytes(blob[1:_HEAD_SIZE], "big")
    body = blob[_HEAD_SIZE:]
    if len(blob) < _HEAD_SIZE or k > PARAMETER_MAX or count > min(COUNT_MAX, len(body) * 8):
        raise BadEncoding("not a section of entries")
    bits = bin(int.from_bytes(b"\1" + body, "big"))[3:]
    numbers: array[int] = array("Q")
    gaps: list[int] = []
    at, number = 0, -1
    for _ in range(count):
        zero = bits.find("0", at)
        end = zero + 1 + k
        if zero < 0 or end > len(bits):
            raise BadEncoding("the entries are cut short")
        gap = zero - at << k | (int(bits[zero + 1 : end], 2) if k else 0)
        number += gap + 1
        if number >= limit:
            raise BadEncoding("an entry is out of range")
        gaps.append(gap)
        numbers.append(number)
        at = end
    size = (at + 7) // 8
    if "1" in bits[at : size * 8]:
        raise BadEncoding("the padding is not zero")
    if k != _parameter(gaps):
        raise BadEncoding("not the shortest form of these entries")
    return numbers, body[size:]
