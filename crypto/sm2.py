"""SM2 keys (GB/T 32918): sign, verify, encrypt, decrypt over a chosen backend.

Everything from outside is parsed strictly here before a backend sees it; the digest
``e = SM3(Z || M)`` is always computed here, with Z kept per key and user id.
"""

import secrets
from enum import StrEnum
from typing import Self

from crypto import curve, der
from crypto.errors import BadCiphertext, BadEncoding, BadKey, BadSignature, CryptoError
from crypto.sm2_backend import PrivateHandle, PublicHandle, Sm2Backend, installed_backend
from crypto.sm3 import sm3_parts

DEFAULT_ID = b"1234567812345678"
USER_ID_MAX = 8191
PLAINTEXT_MAX = 1 << 20
_Z_MAX = 16
_ZERO, _ORDER = bytes(32), curve.N.to_bytes(32, "big")
_CURVE_BYTES = b"".join(v.to_bytes(32, "big") for v in (curve.A, curve.B, curve.GX, curve.GY))


class CiphertextForm(StrEnum):
    """The wire forms in use; which one a partner speaks is his setting, never guessed."""

    C1C3C2 = "c1c3c2"
    C1C3C2_NO04 = "c1c3c2_no04"
    C1C2C3 = "c1c2c3"
    C1C2C3_NO04 = "c1c2c3_no04"
    DER = "der"


def user_digest(point: bytes, user_id: bytes) -> bytes:
    """Z of a public point and user id (at most 8,191 bytes: its length is 16 bits of bits)."""
    if len(user_id) > USER_ID_MAX:
        raise BadKey("a user id has at most 8191 bytes")
    return sm3_parts(_id_and_curve(user_id), point[1:])


def _id_and_curve(user_id: bytes) -> bytes:
    """What stands before the point in Z."""
    return (len(user_id) * 8).to_bytes(2, "big") + user_id + _CURVE_BYTES


_DEFAULT_ID_AND_CURVE = _id_and_curve(DEFAULT_ID)


def check_raw(signature: bytes) -> None:
    """``BadSignature`` unless 64 bytes with 1 <= r, s <= n-1."""
    if len(signature) != 64:
        raise BadSignature("a raw signature has 64 bytes")
    if not (_ZERO < signature[:32] < _ORDER and _ZERO < signature[32:] < _ORDER):
        raise BadSignature("r and s must be in [1, n-1]")


def der_to_raw(sig: bytes) -> bytes:
    """Strict DER ``SEQUENCE { r, s }`` to 64 bytes; ``BadSignature`` otherwise."""
    try:
        raw = der.signature_to_raw(sig)
    except BadEncoding as error:
        raise BadSignature(str(error)) from None
    check_raw(raw)
    return raw


def raw_to_der(sig: bytes) -> bytes:
    """64 bytes r || s to DER; ``BadSignature`` otherwise."""
    check_raw(sig)
    return der.signature_from_raw(sig)


class PublicKey:
    """A public key on the curve. Equal when the points are equal."""

    __slots__ = ("_handle", "_point", "_user_digests")

    def __init__(self, handle: PublicHandle) -> None:
        self._handle = handle
        self._point = handle.point
        self._user_digests = {DEFAULT_ID: sm3_parts(_DEFAULT_ID_AND_CURVE, self._point[1:])}
        """Z per user id; bounded, so that hostile user ids cannot grow it."""

    @classmethod
    def from_bytes(
        cls, b: bytes, *, allow_compressed: bool = False, backend: Sm2Backend | None = None
    ) -> Self:
        """65 bytes ``04 x y``, 64 bytes ``x y``, or 33 bytes if allowed; else ``BadKey``.

        The length alone decides; no prefix is ever stripped.
        """
        if len(b) == 64:
            b = b"\x04" + b
        elif len(b) != 65 and not (len(b) == 33 and allow_compressed):
            raise BadKey("a public key has 65 or 64 bytes")
        return cls((backend or installed_backend()).load_public(bytes(b)))

    def to_bytes(self) -> bytes:
        """65 bytes, ``04 x y``."""
        return self._point

    def compressed(self) -> bytes:
        """33 bytes, ``02|03 x``."""
        return bytes((2 + (self._point[64] & 1),)) + self._point[1:33]

    def digest(self, message: bytes, user_id: bytes = DEFAULT_ID) -> bytes:
        """``e = SM3(Z || M)``."""
        z = self._user_digests.get(user_id)
        if z is None:
            z = user_digest(self._point, user_id)
            if len(self._user_digests) < _Z_MAX:
                self._user_digests[user_id] = z
        return sm3_parts(z, message)

    def verify(self, message: bytes, signature_raw64: bytes, user_id: bytes = DEFAULT_ID) -> bool:
        """True if the 64 bytes r || s are this key's over ``message``; malformed is False."""
        return self.verify_digest(self.digest(message, user_id), signature_raw64)

    def verify_der(self, message: bytes, signature: bytes, user_id: bytes = DEFAULT_ID) -> bool:
        """The same for a strict DER signature."""
        try:
            raw = der_to_raw(signature)
        except BadSignature:
            return False
        return self.verify(message, raw, user_id)

    def verify_digest(self, e: bytes, signature_raw64: bytes) -> bool:
        """The same over a ready digest of 32 bytes."""
        try:
            check_raw(signature_raw64)
        except BadSignature:
            return False
        return len(e) == 32 and self._handle.verify_digest(e, signature_raw64)

    def encrypt(self, plaintext: bytes, form: CiphertextForm = CiphertextForm.C1C3C2) -> bytes:
        """Encrypt 1 byte to 1 MiB."""
        if not 1 <= len(plaintext) <= PLAINTEXT_MAX:
            raise BadEncoding("a plaintext has 1 byte to 1 MiB")
        return join_ciphertext(*self._handle.encrypt_parts(plaintext), form)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.to_bytes() == self._point

    def __hash__(self) -> int:
        return hash(self._point)

    def __repr__(self) -> str:
        return f"PublicKey({self.compressed().hex()})"


class PrivateKey:
    """A private key in [1, n-2]. Its repr never shows it."""

    __slots__ = ("_d", "_handle", "public")

    def __init__(self, d: bytes, handle: PrivateHandle, public: PublicKey) -> None:
        self._d = d
        self._handle = handle
        self.public = public

    @classmethod
    def generate(cls, *, backend: Sm2Backend | None = None) -> Self:
        """A new key from the system's randomness."""
        d = secrets.randbelow(curve.N - 2) + 1
        return cls.from_bytes(d.to_bytes(32, "big"), backend=backend)

    @classmethod
    def from_bytes(cls, b: bytes, *, backend: Sm2Backend | None = None) -> Self:
        """32 bytes, big-endian; ``BadKey`` unless in [1, n-2]."""
        if len(b) != 32 or not 0 < int.from_bytes(b, "big") < curve.N - 1:
            raise BadKey("a private key is 32 bytes in [1, n-2]")
        chosen = backend or installed_backend()
        handle = chosen.load_private(bytes(b))
        return cls(bytes(b), handle, PublicKey.from_bytes(handle.point, backend=chosen))

    def to_bytes(self) -> bytes:
        """The 32 secret bytes."""
        return self._d

    def public_point(self) -> bytes:
        """``04 x y`` of the public half."""
        return self.public.to_bytes()

    def sign(self, message: bytes, user_id: bytes = DEFAULT_ID) -> bytes:
        """64 bytes r || s."""
        return self._handle.sign_digest(self.public.digest(message, user_id))

    def sign_der(self, message: bytes, user_id: bytes = DEFAULT_ID) -> bytes:
        """The same as DER."""
        return der.signature_from_raw(self.sign(message, user_id))

    def sign_digest(self, e: bytes) -> bytes:
        """64 bytes r || s over a ready 32-byte digest."""
        if len(e) != 32:
            raise BadEncoding("a digest has 32 bytes")
        return self._handle.sign_digest(e)

    def decrypt(self, ciphertext: bytes, form: CiphertextForm = CiphertextForm.C1C3C2) -> bytes:
        """The plaintext; every refusal is the same ``BadCiphertext``."""
        try:
            c1, c3, c2 = split_ciphertext(ciphertext, form)
            curve.read_point(b"\x04" + c1)
        except CryptoError:
            raise BadCiphertext from None
        return self._handle.decrypt_parts(c1, c3, c2)

    def __repr__(self) -> str:
        return "PrivateKey(hidden)"


def join_ciphertext(c1: bytes, c3: bytes, c2: bytes, form: CiphertextForm) -> bytes:
    """C1 (64 bytes), C3, C2 in a wire form."""
    if form is CiphertextForm.DER:
        return der.ciphertext_from_parts(c1, c3, c2)
    if form is CiphertextForm.C1C3C2:
        return b"\x04" + c1 + c3 + c2
    if form is CiphertextForm.C1C3C2_NO04:
        return c1 + c3 + c2
    return (b"\x04" if form is CiphertextForm.C1C2C3 else b"") + c1 + c2 + c3


def split_ciphertext(ciphertext: bytes, form: CiphertextForm) -> tuple[bytes, bytes, bytes]:
    """The reverse: (C1 as 64 bytes, C3, C2), C2 of 1 byte to 1 MiB; ``BadEncoding`` otherwise."""
    if form is CiphertextForm.DER:
        c1, c3, c2 = der.ciphertext_to_parts(ciphertext)
    else:
        if form in {CiphertextForm.C1C3C2, CiphertextForm.C1C2C3}:
            if ciphertext[:1] != b"\x04":
                raise BadEncoding("the ciphertext must begin with 04")
            ciphertext = ciphertext[1:]
        c1, rest = ciphertext[:64], ciphertext[64:]
        if form in {CiphertextForm.C1C3C2, CiphertextForm.C1C3C2_NO04}:
            c3, c2 = rest[:32], rest[32:]
        else:
            c3, c2 = rest[-32:], rest[:-32]
    if len(c1) != 64 or len(c3) != 32 or not 1 <= len(c2) <= PLAINTEXT_MAX:
        raise BadEncoding("the ciphertext has a wrong length")
    return c1, c3, c2
