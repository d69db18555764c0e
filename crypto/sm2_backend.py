"""What an SM2 backend is, which ones there are, and how one is chosen.

A backend gets only input that our own strict parsing has passed. It works on digests: Z and SM3
stay here, so a cipher card (``sign_digest``) fits behind the same two handles.
"""

from collections.abc import Callable
from typing import Protocol

from crypto.errors import BackendUnavailable

Warn = Callable[[str], None]


class PublicHandle(Protocol):
    """A loaded public key. Safe to share between threads."""

    @property
    def point(self) -> bytes:
        """``04 x y``, 65 bytes."""

    def verify_digest(self, e: bytes, signature: bytes) -> bool:
        """Judge 64 bytes r || s (both already in [1, n-1]) over the 32-byte digest ``e``."""

    def encrypt_parts(self, plaintext: bytes) -> tuple[bytes, bytes, bytes]:
        """(C1 as 64 bytes, C3, C2) of a non-empty plaintext."""


class PrivateHandle(Protocol):
    """A loaded private key. Safe to share between threads."""

    @property
    def point(self) -> bytes:
        """The public point, ``04 x y``."""

    def sign_digest(self, e: bytes) -> bytes:
        """64 bytes r || s over the 32-byte digest ``e``."""

    def decrypt_parts(self, c1: bytes, c3: bytes, c2: bytes) -> bytes:
        """The plaintext, or ``BadCiphertext``. ``c1`` is 64 bytes and on the curve."""


class Sm2Backend(Protocol):
    """A way to compute SM2."""

    @property
    def name(self) -> str:
        """The registry name."""

    @property
    def version(self) -> str:
        """Name and version of what does the work, for the health page."""

    @property
    def constant_time(self) -> bool:
        """True if secrets do not steer its timing by design."""

    def load_public(self, point: bytes) -> PublicHandle:
        """Load ``04 x y`` (checked) or a compressed point; ``BadKey`` if not on the curve."""

    def load_private(self, d: bytes) -> PrivateHandle:
        """Load 32 bytes already in [1, n-2]."""


class SM2Signer(Protocol):
    """A signing key whose private half may live in a cipher card (GM/T 0018)."""

    def public_point(self) -> bytes:
        """``04 x y``."""

    def sign_digest(self, e: bytes) -> bytes:
        """64 bytes r || s over ``e = SM3(Z || M)``."""


def _make_libcrypto(_allow: bool, _warn: Warn) -> Sm2Backend:
    from crypto.sm2_libcrypto import LibcryptoBackend  # noqa: PLC0415  loads a shared library

    return LibcryptoBackend.load()


def _make_purepy(allow: bool, warn: Warn) -> Sm2Backend:
    from crypto.sm2_purepy import PurePythonBackend  # noqa: PLC0415  the registry is lazy

    if allow:
        warn(
            "SM2 signing runs in pure Python: it is not constant-time and must not hold "
            "production keys. Install OpenSSL 3 with SM2 or a cipher card."
        )
    return PurePythonBackend(allow_signing=allow)


REGISTRY: dict[str, Callable[[bool, Warn], Sm2Backend]] = {
    "libcrypto": _make_libcrypto,
    "purepy": _make_purepy,
}
"""Registry name to maker; the order is the order of preference."""


def _silent(_text: str) -> None:
    return None


def select_backend(
    name: str | None = None,
    *,
    allow_software_signing: bool = False,
    warn: Warn = _silent,
) -> Sm2Backend:
    """The named backend, or the best that works here.

    Without ``allow_software_signing`` the software backend verifies and encrypts only. ``warn``
    hears when software signs, and when the preferred backend was not usable. Raises
    ``BackendUnavailable`` for an unknown name or a backend that does not work here.
    """
    if name is not None:
        make = REGISTRY.get(name)
        if make is None:
            raise BackendUnavailable(f"no such SM2 backend; known: {', '.join(REGISTRY)}")
        return make(allow_software_signing, warn)
    for candidate, make in REGISTRY.items():
        try:
            return make(allow_software_signing, warn)
        except BackendUnavailable as error:
            warn(f"SM2 backend {candidate} is not usable: {error}")
    raise BackendUnavailable("no SM2 backend works on this host")


class _Default:
    """The backend that keys use when none is named. Set once, by the wiring."""

    backend: Sm2Backend | None = None


def install_backend(backend: Sm2Backend) -> None:
    """Make ``backend`` the one for keys loaded from now on. For the wiring file alone."""
    _Default.backend = backend


def installed_backend() -> Sm2Backend:
    """The installed backend; on first use the best one of this host, never signing in software."""
    if _Default.backend is None:
        _Default.backend = select_backend()
    return _Default.backend
