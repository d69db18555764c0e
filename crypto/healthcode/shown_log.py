"""The log of a reader without a network: what it accepted, chained so that nothing is lost unseen.

    head of entry n = SM3( "YM1 shown log" NUL | head before 32 | number 8 | scanned-at 8 |
                           purpose 1 | text length 2 | text | offer length 2 | offer )

Numbers count from 1; the head before the first entry is 32 zero bytes; scanned-at is in whole
seconds since 1970; the offer is empty where the code was bound to none.
"""

from dataclasses import dataclass

from crypto.errors import BadEncoding
from crypto.healthcode.layout import Purpose
from crypto.sm3 import sm3

FIRST_HEAD = bytes(32)
_LABEL = b"YM1 shown log\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry:
    """One accepted code: its text as read, when by the reader's clock, and for what."""

    number: int
    scanned_at: int
    purpose: Purpose
    text: str
    offer: str = ""


def next_head(head: bytes, entry: ShownEntry) -> bytes:
    """The head behind an entry; ``BadEncoding`` for fields that do not fit their sizes."""
    text, offer = entry.text.encode("utf-8"), entry.offer.encode("utf-8")
    fits = (
        len(head) == 32
        and 0 < entry.number < 1 << 63
        and 0 <= entry.scanned_at < 1 << 40
        and max(len(text), len(offer)) <= 0xFFFF
    )
    if not fits:
        raise BadEncoding("a field of the shown log is out of range")
    return sm3(
        _LABEL
        + head
        + entry.number.to_bytes(8, "big")
        + entry.scanned_at.to_bytes(8, "big")
        + bytes((entry.purpose,))
        + len(text).to_bytes(2, "big")
        + text
        + len(offer).to_bytes(2, "big")
        + offer
    )
