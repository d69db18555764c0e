"""SM3 (GB/T 32905) and HMAC-SM3: one-shot functions over bytes.

The digest is hashlib's, from the libcrypto that SM2 uses too: between two signatures another
library's code would have to come into the processor's caches first.
"""

import hashlib
from functools import lru_cache
from typing import Protocol, Self

from cryptography.hazmat.primitives import hashes, hmac

DIGEST_SIZE = 32
KEYS_KEPT = 256
"""Begun with, for the next MAC under the same key: half of what a short one costs."""
_SM3 = hashes.SM3()


class _Digest(Protocol):
    """As hashlib's."""

    def copy(self) -> Self: ...

    def update(self, b: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class BundledSm3:
    """The digest of ``cryptography``, for a Python whose OpenSSL was built without SM3."""

    def __init__(self, state: hashes.Hash | None = None) -> None:
        self._state = state or hashes.Hash(_SM3)

    def copy(self) -> "BundledSm3":
        return BundledSm3(self._state.copy())

    def update(self, b: bytes, /) -> None:
        self._state.update(b)

    def digest(self) -> bytes:
        return self._state.finalize()


def _nothing_yet() -> _Digest:
    try:
        return hashlib.new("sm3")
    except ValueError:
        return BundledSm3()


_NOTHING = _nothing_yet()
"""To copy it costs half of looking the algorithm up again."""


def sm3(b: bytes) -> bytes:
    """The 32-byte digest of ``b``."""
    digest = _NOTHING.copy()
    digest.update(b)
    return digest.digest()


def sm3_parts(*parts: bytes) -> bytes:
    """The digest of the parts one after another, without joining them in memory."""
    digest = _NOTHING.copy()
    for part in parts:
        digest.update(part)
    return digest.digest()


@lru_cache(maxsize=KEYS_KEPT)
def _begun(key: bytes) -> hmac.HMAC:
    return hmac.HMAC(key, _SM3)


def hmac_sm3(key: bytes, b: bytes) -> bytes:
    """The 32-byte HMAC of ``b`` under ``key`` (any length, GM/T 0042)."""
    mac = _begun(key).copy()
    mac.update(b)
    return mac.finalize()
