"""SM3 (GB/T 32905) and HMAC-SM3 by ``cryptography``: one-shot functions over bytes."""

from cryptography.hazmat.primitives import hashes, hmac

DIGEST_SIZE = 32
_SM3 = hashes.SM3()
_NOTHING = hashes.Hash(_SM3)
"""A digest of nothing yet: to copy it costs half of looking the algorithm up again."""


def sm3(b: bytes) -> bytes:
    """The 32-byte digest of ``b``."""
    digest = _NOTHING.copy()
    digest.update(b)
    return digest.finalize()


def sm3_parts(*parts: bytes) -> bytes:
    """The digest of the parts one after another, without joining them in memory."""
    digest = _NOTHING.copy()
    for part in parts:
        digest.update(part)
    return digest.finalize()


def hmac_sm3(key: bytes, b: bytes) -> bytes:
    """The 32-byte HMAC of ``b`` under ``key`` (any length, GM/T 0042)."""
    mac = hmac.HMAC(key, _SM3)
    mac.update(b)
    return mac.finalize()
