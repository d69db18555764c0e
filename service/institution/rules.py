"""Pure decisions about callers, and the form of message numbers."""

import hmac
from datetime import datetime
from functools import lru_cache

from crypto.errors import CryptoError
from crypto.sm2 import PublicKey
from crypto.sm3 import hmac_sm3
from service.kernel.clock import CHINA

KEYS_KEPT = 1_000
"""Imported for the caller's next request; whether a key still counts is asked of its row."""
SEQUENCES = 9_900
"""The last hundred are left to the adapter's own messages, such as signing in."""


@lru_cache(maxsize=KEYS_KEPT)
def _imported(public_key: bytes) -> PublicKey:
    return PublicKey.from_bytes(public_key)


def signature_holds(public_key: bytes, text: bytes, signature: bytes) -> bool:
    """Whether the SM2 signature (64 bytes, default user id) is over ``text``."""
    try:
        return _imported(public_key).verify(text, signature)
    except CryptoError:
        return False


def mac_holds(key: bytes, text: bytes, mac: bytes) -> bool:
    """Whether the 32-byte HMAC-SM3 is over ``text``, compared in constant time."""
    return hmac.compare_digest(hmac_sm3(key, text), mac)


def message_no(institution_code: str, at: datetime, sequence: int) -> str:
    """Institution 12, Beijing time 14, sequence 4: 30 characters (insurance dossier 1.1)."""
    stamp = at.astimezone(CHINA).strftime("%Y%m%d%H%M%S")
    return f"{institution_code}{stamp}{sequence % SEQUENCES:04d}"
