"""The shown log: what a cut-off reader accepted, chained so that nothing is taken out unseen.

    entry   scanned 4 | purpose 1 | offer length 2 | offer | text
    head    SM3("YM1 shown log" NUL | head before, 32 | entry); 32 zero bytes before the first

``scanned`` is in seconds since 1970; offer (may be empty) and text are ASCII. Reader and platform
compute the heads alike: here.
"""

from crypto.errors import BadEncoding
from crypto.sm3 import sm3

FIRST_HEAD = bytes(32)
OFFER_MAX = 1024
TEXT_MAX = 310


def shown_entry(*, text: str, scanned: int, purpose: int, offer: str = "") -> bytes:
    """The bytes of one accepted code. ``BadEncoding`` for fields out of range."""
    if len(text) > TEXT_MAX or len(offer) > OFFER_MAX:
        raise BadEncoding("a text or offer is too long for the shown log")
    if not (text.isascii() and offer.isascii()):
        raise BadEncoding("the shown log holds ASCII")
    if not (0 <= scanned <= 0xFFFFFFFF and 0 <= purpose <= 0x7F):
        raise BadEncoding("an instant or purpose is out of range")
    return (
        scanned.to_bytes(4, "big")
        + bytes((purpose,))
        + len(offer).to_bytes(2, "big")
        + offer.encode("ascii")
        + text.encode("ascii")
    )


def next_head(head: bytes, entry: bytes) -> bytes:
    """The 32 bytes that stand for everything up to and with ``entry``."""
    if len(head) != 32:
        raise BadEncoding("a head has 32 bytes")
    return sm3(b"YM1 shown log\0" + head + entry)
