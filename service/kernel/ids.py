"""Random identifiers. Order, volume and identity cannot be read from any of them.

A row has a 63-bit local id; what callers see is ``crypto.publicid`` over (shard id, local id),
so each request finds its shard without a look-up (design: ids carry their way).
"""

import secrets
from typing import Protocol

_TRADE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class IdSource(Protocol):
    """Gives new identifiers."""

    def new(self) -> int:
        """A random id in 1 … 2^63-1, for ``bigint`` columns."""

    def token(self) -> bytes:
        """Sixteen random bytes: lease tokens, salts, event ids."""

    def trade_no(self) -> str:
        """28 letters and digits: a number every provider takes (payments dossier 9.2)."""


class RandomIds:
    """Identifiers from the operating system's generator."""

    def new(self) -> int:
        return secrets.randbits(63) or 1

    def token(self) -> bytes:
        return secrets.token_bytes(16)

    def trade_no(self) -> str:
        return "YM" + "".join(secrets.choice(_TRADE_ALPHABET) for _ in range(26))
