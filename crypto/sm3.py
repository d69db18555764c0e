"""SM3 (GB/T 32905) and HMAC-SM3 by ``cryptography``: one-shot functions over bytes."""

from functools import lru_cache

from cryptography.hazmat.primitives import hashes, hmac

DIGEST_SIZE = 32
KEYS_KEPT = 256
"""Begun with, for the next MAC under the same key: half of what a short one costs."""
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


@lru_cache(maxsize=KEYS_KEPT)
def _begun(key: bytes) -> hmac.HMAC:
    return hmac.HMAC(key, _SM3)


def hmac_sm3(key: bytes, b: bytes) -> bytes:
    """The 32-byte HMAC of ``b`` under ``key`` (any length, GM/T 0042)."""
    mac = _begun(key).copy()
    mac.update(b)
    return mac.finalize()
