"""SM2 in plain Python: the second opinion, and the fallback for verifying.

Not constant-time. It signs and decrypts only when that was allowed on purpose; the functions that
take a nonce exist for known-answer tests and reproducible vectors, never for keys in use.
"""

import hmac
import secrets

from crypto import curve
from crypto.curve import N
from crypto.errors import BackendUnavailable, BadCiphertext, BadKey, CryptoError
from crypto.sm3 import sm3, sm3_parts


def kdf(shared: bytes, size: int) -> bytes:
    """The key derivation of GB/T 32918.4: SM3 over ``shared`` and a counter from 1."""
    blocks = (size + 31) // 32
    stream = b"".join(sm3_parts(shared, i.to_bytes(4, "big")) for i in range(1, blocks + 1))
    return stream[:size]


def _xor(left: bytes, right: bytes) -> bytes:
    size = len(left)
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(size, "big")


def sign_with_nonce(d: int, e: bytes, k: int) -> bytes | None:
    """r || s for private key, digest and nonce; None when the standard says to draw again."""
    point = curve.to_affine(curve.multiply_generator(k))
    if point is None:
        return None
    r = (int.from_bytes(e, "big") + point[0]) % N
    if not r or r + k == N:
        return None
    s = pow(1 + d, -1, N) * (k - r * d) % N
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") if s else None


def encrypt_with_nonce(
    point: curve.Affine, plaintext: bytes, k: int
) -> tuple[bytes, bytes, bytes] | None:
    """(C1, C3, C2); None when the key stream is all zero and another nonce is needed."""
    c1 = curve.to_affine(curve.multiply_generator(k))
    shared = curve.to_affine(curve.multiply(k, point))
    if c1 is None or shared is None:
        return None
    x, y = shared[0].to_bytes(32, "big"), shared[1].to_bytes(32, "big")
    stream = kdf(x + y, len(plaintext))
    if not any(stream):
        return None
    c2 = _xor(plaintext, stream)
    return curve.write_point(*c1)[1:], sm3(x + plaintext + y), c2


class _Public:
    def __init__(self, point: bytes) -> None:
        self.point = point
        self._affine = curve.read_point(point)

    def verify_digest(self, e: bytes, signature: bytes) -> bool:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not (0 < r < N and 0 < s < N):
            return False
        t = (r + s) % N
        if not t:
            return False
        found = curve.combine(s, t, self._affine)
        return found is not None and (int.from_bytes(e, "big") + found[0]) % N == r

    def encrypt_parts(self, plaintext: bytes) -> tuple[bytes, bytes, bytes]:
        while True:
            parts = encrypt_with_nonce(self._affine, plaintext, secrets.randbelow(N - 1) + 1)
            if parts is not None:
                return parts


class _Private:
    def __init__(self, d: bytes, allow: bool) -> None:
        self._d = int.from_bytes(d, "big")
        self._allow = allow
        point = curve.to_affine(curve.multiply_generator(self._d))
        if point is None:
            raise BadKey("the private key is out of range")
        self.point = curve.write_point(*point)

    def _refuse_unless_allowed(self) -> None:
        if not self._allow:
            raise BackendUnavailable("software may not use private keys: allow_software_signing")

    def sign_digest(self, e: bytes) -> bytes:
        self._refuse_unless_allowed()
        while True:
            signature = sign_with_nonce(self._d, e, secrets.randbelow(N - 1) + 1)
            if signature is not None:
                return signature

    def decrypt_parts(self, c1: bytes, c3: bytes, c2: bytes) -> bytes:
        self._refuse_unless_allowed()
        try:
            point = curve.read_point(b"\x04" + c1)
        except CryptoError:
            raise BadCiphertext from None
        shared = curve.to_affine(curve.multiply(self._d, point))
        if shared is None:
            raise BadCiphertext
        x, y = shared[0].to_bytes(32, "big"), shared[1].to_bytes(32, "big")
        stream = kdf(x + y, len(c2))
        plaintext = _xor(c2, stream)
        if not hmac.compare_digest(sm3(x + plaintext + y), c3) or not any(stream):
            raise BadCiphertext
        return plaintext


class PurePythonBackend:
    """Verifies and encrypts always; signs and decrypts only when allowed."""

    name = "purepy"
    version = "pure Python, 8-bit fixed-base table"
    constant_time = False

    def __init__(self, *, allow_signing: bool) -> None:
        self._allow = allow_signing

    @property
    def may_sign(self) -> bool:
        """True if private keys may be used."""
        return self._allow

    def load_public(self, point: bytes) -> _Public:
        """``04 x y`` or ``02|03 x``."""
        return _Public(curve.decompress(point) if len(point) == 33 else point)

    def load_private(self, d: bytes) -> _Private:
        """32 bytes in [1, n-2]."""
        return _Private(d, self._allow)
