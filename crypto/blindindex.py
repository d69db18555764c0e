"""Blind indexes: keyed SM3 of a normalised value, to find enciphered values by equality.

18 bytes: key version 1, kind 1, HMAC-SM3 cut to 16. The kind separates what a value is (ID
number, phone, name), so equal texts of different kinds do not meet. Normalising is the caller's.
"""

from datetime import datetime

from crypto.errors import BadEncoding
from crypto.keyring import Key, KeyKind, KeyView
from crypto.sm3 import hmac_sm3

SIZE = 18
_LABEL = b"YM blind index\0"


def blind_index(key: Key, kind: int, value: bytes) -> bytes:
    """The 18-byte index of ``value`` under one key version; ``kind`` is 0 to 255."""
    if key.kind is not KeyKind.BLIND_INDEX:
        raise BadEncoding("a blind index needs a blind index key")
    if not 0 <= kind <= 0xFF:
        raise BadEncoding("a kind has one byte")
    head = bytes((key.version, kind))
    return head + hmac_sm3(key.material, _LABEL + head + value)[:16]


def blind_index_to_store(ring: KeyView, kind: int, value: bytes, now: datetime) -> bytes:
    """The index under the current key: what a new row holds."""
    return blind_index(ring.current(KeyKind.BLIND_INDEX, now), kind, value)
