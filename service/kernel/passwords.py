"""What people type to prove who they are, stretched: nobody can read it back from the rows."""

import asyncio
import hmac
import secrets

import msgspec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_COST, _BLOCK, _LANES, _SIZE, _SALT = 2**14, 8, 1, 32, 16
"""Scrypt: 16 MB and some 50 ms a try."""


class Stretched(msgspec.Struct, frozen=True):
    """A salt of 16 bytes and the 32 bytes that scrypt makes of it and the secret."""

    salt: bytes
    hashed: bytes


async def stretch(secret: str) -> Stretched:
    """A new secret, as it is kept."""
    salt = secrets.token_bytes(_SALT)
    return Stretched(salt, await asyncio.to_thread(_derive, secret, salt))


async def is_same(secret: str, kept: Stretched | None) -> bool:
    """Whether this is the secret. Where none is kept it is not, and takes as long to say."""
    salt = kept.salt if kept is not None else bytes(_SALT)
    hashed = await asyncio.to_thread(_derive, secret, salt)
    return kept is not None and hmac.compare_digest(hashed, kept.hashed)


def _derive(secret: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_SIZE, n=_COST, r=_BLOCK, p=_LANES).derive(secret.encode())
