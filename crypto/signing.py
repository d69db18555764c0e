"""What every signed list, code and certificate needs of a private key, wherever it is kept."""

from typing import Protocol

from crypto.sm2 import PublicKey


class Signer(Protocol):
    """A key that signs whole messages under the default user id; ``PrivateKey`` is one."""

    @property
    def public(self) -> PublicKey:
        """Its public half."""

    def sign(self, message: bytes) -> bytes:
        """64 bytes r || s."""
