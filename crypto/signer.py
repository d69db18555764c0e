"""The port behind which signing keys live: in this process, in another, or in a cipher card.

Whoever asks computes ``e = SM3(Z || M)`` itself and verifies what comes back before it lets it
out: a signer that is broken, confused or replaced can then refuse service and nothing else.
Key names are ``kind.version`` of the ring, such as ``issuer_once.3``.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from crypto.errors import BadKey
from crypto.keyring import SIGNING_KINDS, Key, KeyKind, KeyRing, KeyView
from crypto.sm2 import PrivateKey, PublicKey

DIGEST_SIZE = 32
SIGNATURE_SIZE = 64
NAME_MAX = 64


class SignerError(Exception):
    """Nothing was signed, as far as the caller may rely on it."""


class SignerUnavailable(SignerError):
    """The signer cannot be asked now. Asking again later is right."""


class SignerTimedOut(SignerUnavailable):
    """It was asked and did not answer in time. A signature may exist; nobody has it."""


class UnknownKey(SignerError):
    """The signer answers that it has no such key, or may not sign with it now."""


class SM2Signer(Protocol):
    """Signs ready digests with keys it never gives away."""

    async def sign_digest(self, key_name: str, e: bytes) -> bytes:
        """64 bytes r || s over 32 bytes. Raises ``UnknownKey``, ``SignerUnavailable``,
        ``SignerTimedOut``; never waits longer than its own deadline."""

    async def public_key(self, key_name: str) -> PublicKey:
        """The public half of a key it may sign with. Raises the same."""


def name_of(key: Key) -> str:
    """What a signer calls a key of the ring."""
    return f"{key.kind.value}.{key.version}"


def read_name(key_name: str) -> tuple[KeyKind, int]:
    """The reverse. Raises ``UnknownKey`` for a text that is no name."""
    kind, dot, version = key_name.partition(".")
    if not dot or not version.isascii() or not version.isdecimal() or len(version) > 3:
        raise UnknownKey("not a key name")
    try:
        return KeyKind(kind), int(version)
    except ValueError:
        raise UnknownKey("not a key name") from None


def may_sign(key: Key, now: datetime) -> bool:
    """Inside its window; an authority's key signs revocation lists as long as it is accepted."""
    if key.kind is KeyKind.CERTIFICATE_AUTHORITY:
        return key.use_from <= now and key.is_accepted(now)
    return key.is_usable(now)


def signing_key(key: Key) -> PrivateKey:
    """The private key of a signing key. ``BadKey`` when only its public half is there."""
    if key.kind not in SIGNING_KINDS or key.is_public_half:
        raise BadKey("no private key here")
    return _private_key(key.material)


def public_key_of(key: Key) -> PublicKey:
    """The public half of a signing key of the ring. ``BadKey`` for a kind that does not sign."""
    if key.kind not in SIGNING_KINDS:
        raise BadKey("only signing keys have a public half")
    return _public_key(key.material) if key.is_public_half else _private_key(key.material).public


def serving_ring(ring: KeyRing, kinds: Collection[KeyKind]) -> KeyRing:
    """The ring of those who ask a signer: of these kinds it holds public halves alone."""
    return ring.with_public_halves(kinds, lambda key: public_key_of(key).compressed())


class DividedSigner:
    """Keys whose private half is here sign here; the others are another signer's.

    What goes elsewhere is of the given kinds, and may sign now.
    """

    def __init__(
        self,
        ring: KeyView,
        now: Callable[[], datetime],
        here: SM2Signer,
        elsewhere: SM2Signer,
        kinds: Collection[KeyKind] = SIGNING_KINDS,
    ) -> None:
        self._ring = ring
        self._now = now
        self._kinds = frozenset(kinds)
        self._here = here
        self._elsewhere = elsewhere

    async def sign_digest(self, key_name: str, e: bytes) -> bytes:
        """As ``SM2Signer``."""
        return await self._of(key_name).sign_digest(key_name, e)

    async def public_key(self, key_name: str) -> PublicKey:
        """As ``SM2Signer``."""
        return await self._of(key_name).public_key(key_name)

    def _of(self, key_name: str) -> SM2Signer:
        named = read_name(key_name)
        for key in self._ring.keys:
            if (key.kind, key.version) != named:
                continue
            if not key.is_public_half:
                return self._here
            if key.kind in self._kinds and may_sign(key, self._now()):
                return self._elsewhere
        raise UnknownKey("no such key, or it may not sign now")


class RingSigner:
    """Signs with the keys of a ring in this process.

    Only keys of the given kinds, which must be signing kinds, and only inside their window.
    """

    def __init__(
        self,
        ring: KeyView,
        now: Callable[[], datetime],
        kinds: Collection[KeyKind] = SIGNING_KINDS,
    ) -> None:
        if not frozenset(kinds) <= SIGNING_KINDS:
            raise BadKey("only signing keys sign")
        self._ring = ring
        self._now = now
        self._kinds = frozenset(kinds)

    async def sign_digest(self, key_name: str, e: bytes) -> bytes:
        """As ``SM2Signer``."""
        return self._private(key_name).sign_digest(e)

    async def public_key(self, key_name: str) -> PublicKey:
        """As ``SM2Signer``."""
        return self._private(key_name).public

    def _private(self, key_name: str) -> PrivateKey:
        kind, version = read_name(key_name)
        now = self._now()
        if kind in self._kinds:
            for key in self._ring.keys:
                if (key.kind, key.version) != (kind, version) or key.is_public_half:
                    continue
                if may_sign(key, now):
                    return _private_key(key.material)
        raise UnknownKey("no such key, or it may not sign now")


@lru_cache(maxsize=32)
def _private_key(material: bytes) -> PrivateKey:
    """Kept by key material and nothing else; importing a key costs as much as a signature."""
    return PrivateKey.from_bytes(material)


@lru_cache(maxsize=64)
def _public_key(material: bytes) -> PublicKey:
    return PublicKey.from_bytes(material, allow_compressed=True)
