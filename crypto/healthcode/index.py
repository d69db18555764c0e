"""The index inside a code: record id, card and epoch, enciphered for the platform alone.

Decrypt only after the signatures hold, or the reader becomes an oracle.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from crypto.errors import BadEncoding
from crypto.healthcode.layout import Code, Head, Kind
from crypto.sm3 import hmac_sm3, sm3
from crypto.sm4 import cbc_decrypt_blocks, cbc_encrypt_blocks

_CHECK = bytes(4)
_PERIOD_S = {Kind.BOUND: 86400, Kind.ONCE: 86400, Kind.PRINTED: 31_536_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Which record, which of its cards, and the card's epoch when the code was issued."""

    record_id: bytes
    card: int
    epoch: int

    def __repr__(self) -> str:
        return "Index(hidden)"

    def to_bytes(self) -> bytes:
        """16 bytes: record id 8, card 2, epoch 2, zero check 4."""
        if len(self.record_id) != 8:
            raise BadEncoding("a record id has 8 bytes")
        if not (0 <= self.card <= 0xFFFF and 0 <= self.epoch <= 0xFFFF):
            raise BadEncoding("card and epoch have two bytes")
        return (
            self.record_id + self.card.to_bytes(2, "big") + self.epoch.to_bytes(2, "big") + _CHECK
        )


def index_period(head: Head) -> int:
    """The day (bound, one-time) or year of 365 days (printed) in which the code was issued."""
    return head.issued // _PERIOD_S[head.kind]


def index_key(root: bytes, head: Head) -> bytes:
    """The 16-byte key of this kind, key id, class and period."""
    message = (
        b"YM1 index key\0"
        + bytes((head.kind,))
        + head.key_id.to_bytes(2, "big")
        + bytes((head.code_class,))
        + index_period(head).to_bytes(4, "big")
    )
    return hmac_sm3(root, message)[:16]


def _initial_value(before_index: bytes) -> bytes:
    return sm3(b"YM1 index iv\0" + before_index)[:16]


def encrypt_index(key: bytes, before_index: bytes, index: Index) -> bytes:
    """16 bytes. ``before_index`` holds a nonce or fresh holder key, so no two are alike."""
    return cbc_encrypt_blocks(key, _initial_value(before_index), index.to_bytes())


def decrypt_index(key: bytes, code: Code) -> Index | None:
    """The index, or None when the check word says that this is not the key."""
    plain = cbc_decrypt_blocks(key, _initial_value(code.before_index()), code.index)
    if not hmac.compare_digest(plain[12:], _CHECK):
        return None
    return Index(
        record_id=plain[:8],
        card=int.from_bytes(plain[8:10], "big"),
        epoch=int.from_bytes(plain[10:12], "big"),
    )


def find_index(roots: Sequence[bytes], code: Code) -> Index | None:
    """The index under the first root (newest first) whose key fits, or None."""
    for root in roots:
        found = decrypt_index(index_key(root, code.head), code)
        if found is not None:
            return found
    return None
