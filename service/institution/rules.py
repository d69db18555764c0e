"""Pure decisions about callers."""

import hmac

from crypto.errors import CryptoError
from crypto.sm2 import PublicKey
from crypto.sm3 import hmac_sm3


def signature_holds(public_key: bytes, text: bytes, signature: bytes) -> bool:
    """Whether the SM2 signature (64 bytes, default user id) is over ``text``."""
    try:
        return PublicKey.from_bytes(public_key).verify(text, signature)
    except CryptoError:
        return False


def mac_holds(key: bytes, text: bytes, mac: bytes) -> bool:
    """Whether the 32-byte HMAC-SM3 is over ``text``, compared in constant time."""
    return hmac.compare_digest(hmac_sm3(key, text), mac)
