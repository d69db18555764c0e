"""SM2 over the host's libcrypto (OpenSSL 3 and later) by ctypes, EVP calls only.

The digest goes in ready made, so libcrypto's empty default user id never matters. Handles are
EVP_PKEY, loaded once, freed once by a finaliser; each call uses its own EVP_PKEY_CTX, so a handle
may be shared between threads, and ctypes releases the interpreter lock during the call.
"""

import ctypes
import hashlib
import platform
import re
import ssl
import weakref
from typing import Any

from crypto import curve, der
from crypto.errors import BackendUnavailable, BadCiphertext, BadKey, CryptoError

# hashlib and ssl are imported first so that the copy they already mapped is the one found by name.
_ALREADY_MAPPED = (hashlib.__name__, ssl.OPENSSL_VERSION)
_NAMES = (
    "libcrypto.so.3",
    "libcrypto.so.4",
    "libcrypto.3.dylib",
    "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib",
    "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib",
    "libcrypto-3-x64.dll",
    "libcrypto-3-arm64.dll",
)
_VERSION_MIN = 0x30000000
_ALGORITHM = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
_PRIVATE_HEAD = bytes.fromhex("3041020100") + _ALGORITHM + bytes.fromhex("042730250201010420")

_POINTER = ctypes.c_void_p
_SELECT_PUBLIC = 0x86  # EVP_PKEY_PUBLIC_KEY: parameters and the public key
_TEXT, _OCTETS = 4, 5  # OSSL_PARAM types
_SIZE = ctypes.c_size_t
_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "OpenSSL_version_num": (ctypes.c_ulong, []),
    "OpenSSL_version": (ctypes.c_char_p, [ctypes.c_int]),
    "ERR_clear_error": (None, []),
    "EVP_SIGNATURE_fetch": (_POINTER, [_POINTER, ctypes.c_char_p, ctypes.c_char_p]),
    "EVP_SIGNATURE_free": (None, [_POINTER]),
    "EVP_ASYM_CIPHER_fetch": (_POINTER, [_POINTER, ctypes.c_char_p, ctypes.c_char_p]),
    "EVP_ASYM_CIPHER_free": (None, [_POINTER]),
    "EVP_PKEY_CTX_new_from_name": (_POINTER, [_POINTER, ctypes.c_char_p, ctypes.c_char_p]),
    "EVP_PKEY_fromdata_init": (ctypes.c_int, [_POINTER]),
    "EVP_PKEY_fromdata": (
        ctypes.c_int,
        [_POINTER, ctypes.POINTER(_POINTER), ctypes.c_int, ctypes.c_void_p],
    ),
    "d2i_AutoPrivateKey": (_POINTER, [_POINTER, ctypes.POINTER(ctypes.c_char_p), ctypes.c_long]),
    "i2d_PUBKEY": (ctypes.c_int, [_POINTER, ctypes.POINTER(ctypes.c_char_p)]),
    "EVP_PKEY_free": (None, [_POINTER]),
    "EVP_PKEY_get_bn_param": (
        ctypes.c_int,
        [_POINTER, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)],
    ),
    "BN_bn2binpad": (ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int]),
    "BN_free": (None, [_POINTER]),
    "EVP_PKEY_CTX_new_from_pkey": (_POINTER, [_POINTER, _POINTER, ctypes.c_char_p]),
    "EVP_PKEY_CTX_free": (None, [_POINTER]),
}
for _step in ("sign", "verify", "encrypt", "decrypt"):
    _SIGNATURES[f"EVP_PKEY_{_step}_init"] = (ctypes.c_int, [_POINTER])
for _step in ("sign", "encrypt", "decrypt"):
    _SIGNATURES[f"EVP_PKEY_{_step}"] = (
        ctypes.c_int,
        [_POINTER, ctypes.c_char_p, ctypes.POINTER(_SIZE), ctypes.c_char_p, _SIZE],
    )
_SIGNATURES["EVP_PKEY_verify"] = (
    ctypes.c_int,
    [_POINTER, ctypes.c_char_p, _SIZE, ctypes.c_char_p, _SIZE],
)


class _Parameter(ctypes.Structure):
    """OSSL_PARAM (OpenSSL 3, public ABI)."""

    _fields_ = (
        ("key", ctypes.c_char_p),
        ("data_type", ctypes.c_uint),
        ("data", ctypes.c_void_p),
        ("data_size", ctypes.c_size_t),
        ("return_size", ctypes.c_size_t),
    )


class _Library:
    """The shared library with every function's types declared; pointers would be cut otherwise."""

    def __init__(self, handle: ctypes.CDLL, name: str) -> None:
        self.name = name
        for function, (result, arguments) in _SIGNATURES.items():
            try:
                bound = getattr(handle, function)
            except AttributeError:
                raise BackendUnavailable(f"{name} lacks {function}") from None
            bound.restype = result
            bound.argtypes = arguments
            setattr(self, function, bound)

    def __getattr__(self, function: str) -> Any:
        raise AttributeError(function)

    def load_public(self, point: bytes) -> int:
        """Import a point, whole or compressed; four times faster than decoding a DER key."""
        context = self.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
        if not context:
            self.ERR_clear_error()
            raise CryptoError("libcrypto: no context")
        try:
            group = ctypes.create_string_buffer(b"SM2")
            octets = ctypes.create_string_buffer(point, len(point))
            parameters = (_Parameter * 3)(
                _Parameter(b"group", _TEXT, ctypes.addressof(group), 3, 0),
                _Parameter(b"pub", _OCTETS, ctypes.addressof(octets), len(point), 0),
                _Parameter(None, 0, None, 0, 0),
            )
            made = ctypes.c_void_p()
            if (
                self.EVP_PKEY_fromdata_init(context) != 1
                or self.EVP_PKEY_fromdata(context, ctypes.byref(made), _SELECT_PUBLIC, parameters)
                != 1
                or not made.value
            ):
                self.ERR_clear_error()
                raise BadKey("the key was refused")
            return made.value
        finally:
            self.EVP_PKEY_CTX_free(context)

    def load_private(self, encoded: bytes) -> int:
        """Decode a PKCS#8 key; libcrypto computes the public half."""
        text = ctypes.c_char_p(encoded)
        pointer: int | None = self.d2i_AutoPrivateKey(None, ctypes.byref(text), len(encoded))
        if not pointer:
            self.ERR_clear_error()
            raise BadKey("the key was refused")
        return pointer

    def transform(self, step: str, key: int, source: bytes, room: int) -> bytes | None:
        """Run sign, encrypt or decrypt; None when libcrypto refuses."""
        context = self.EVP_PKEY_CTX_new_from_pkey(None, key, None)
        if not context:
            self.ERR_clear_error()
            raise CryptoError("libcrypto: no context")
        try:
            out, size = ctypes.create_string_buffer(room), _SIZE(room)
            if getattr(self, f"EVP_PKEY_{step}_init")(context) == 1 and (
                getattr(self, f"EVP_PKEY_{step}")(
                    context, out, ctypes.byref(size), source, len(source)
                )
                == 1
            ):
                return out.raw[: size.value]
            self.ERR_clear_error()
            return None
        finally:
            self.EVP_PKEY_CTX_free(context)

    def verify(self, key: int, e: bytes, signature: bytes) -> bool:
        """True only for the answer 1; 0 and negative answers are both a refusal."""
        context = self.EVP_PKEY_CTX_new_from_pkey(None, key, None)
        if not context:
            self.ERR_clear_error()
            raise CryptoError("libcrypto: no context")
        try:
            verdict: bool = (
                self.EVP_PKEY_verify_init(context) == 1
                and self.EVP_PKEY_verify(context, signature, len(signature), e, len(e)) == 1
            )
            if not verdict:
                self.ERR_clear_error()
            return verdict
        finally:
            self.EVP_PKEY_CTX_free(context)

    def read_y(self, key: int) -> bytes:
        """The y coordinate of a loaded public key."""
        number = ctypes.c_void_p()
        if self.EVP_PKEY_get_bn_param(key, b"qy", ctypes.byref(number)) != 1:
            self.ERR_clear_error()
            raise BadKey("the key was refused")
        try:
            out = ctypes.create_string_buffer(32)
            if self.BN_bn2binpad(number, out, 32) != 32:
                raise BadKey("the key was refused")
            return out.raw
        finally:
            self.BN_free(number)

    def read_point(self, key: int) -> bytes:
        """``04 x y`` of a loaded private key."""
        size = self.i2d_PUBKEY(key, None)
        if not 65 <= size <= 256:
            self.ERR_clear_error()
            raise BadKey("the key was refused")
        out = ctypes.create_string_buffer(size)
        cursor = ctypes.c_char_p(ctypes.addressof(out))
        self.i2d_PUBKEY(key, ctypes.byref(cursor))
        return out.raw[-65:]


class _Public:
    def __init__(self, library: _Library, pointer: int, point: bytes) -> None:
        self._library = library
        self._pointer = pointer
        self._free = weakref.finalize(self, library.EVP_PKEY_free, pointer)
        self._free.atexit = False
        self.point = point

    def verify_digest(self, e: bytes, signature: bytes) -> bool:
        return self._library.verify(self._pointer, e, der.signature_from_raw(signature))

    def encrypt_parts(self, plaintext: bytes) -> tuple[bytes, bytes, bytes]:
        while True:
            out = self._library.transform("encrypt", self._pointer, plaintext, len(plaintext) + 160)
            if out is None:
                raise CryptoError("libcrypto: encryption failed")
            c1, c3, c2 = der.ciphertext_to_parts(out)
            if c2 != plaintext:  # equal means an all-zero key stream: draw again
                return c1, c3, c2


class _Private:
    def __init__(self, library: _Library, pointer: int) -> None:
        self._library = library
        self._pointer = pointer
        self._free = weakref.finalize(self, library.EVP_PKEY_free, pointer)
        self._free.atexit = False
        self.point = library.read_point(pointer)

    def sign_digest(self, e: bytes) -> bytes:
        out = self._library.transform("sign", self._pointer, e, 80)
        if out is None:
            raise CryptoError("libcrypto: signing failed")
        return der.signature_to_raw(out)

    def decrypt_parts(self, c1: bytes, c3: bytes, c2: bytes) -> bytes:
        source = der.ciphertext_from_parts(c1, c3, c2)
        out = self._library.transform("decrypt", self._pointer, source, len(c2) + 16)
        if out is None or len(out) != len(c2) or out == c2:
            raise BadCiphertext
        return out


class LibcryptoBackend:
    """The production backend. ``version`` is what the library says of itself."""

    name = "libcrypto"
    constant_time = True

    def __init__(self, library: _Library) -> None:
        self._library = library
        self.version_number = int(library.OpenSSL_version_num())
        self.version = str(library.OpenSSL_version(0).decode("ascii", "replace"))

    @classmethod
    def load(cls, names: tuple[str, ...] = _NAMES) -> "LibcryptoBackend":
        """Find libcrypto by its soname, check version and SM2; ``BackendUnavailable`` if not."""
        why = "no libcrypto 3 found"
        for name in names:
            try:
                handle = ctypes.CDLL(name)
            except OSError:
                continue
            try:
                return cls._checked(_Library(handle, name))
            except BackendUnavailable as error:
                why = str(error)
        raise BackendUnavailable(why)

    @classmethod
    def _checked(cls, library: _Library) -> "LibcryptoBackend":
        if library.OpenSSL_version_num() < _VERSION_MIN:
            raise BackendUnavailable(f"{library.name} is older than OpenSSL 3")
        for kind in ("SIGNATURE", "ASYM_CIPHER"):
            found = getattr(library, f"EVP_{kind}_fetch")(None, b"SM2", None)
            if not found:
                library.ERR_clear_error()
                raise BackendUnavailable(f"{library.name} was built without SM2")
            getattr(library, f"EVP_{kind}_free")(found)
        return cls(library)

    def load_public(self, point: bytes) -> _Public:
        """``04 x y`` or ``02|03 x``; our own check of the curve comes first."""
        if len(point) == 33:
            if point[0] not in {2, 3} or int.from_bytes(point[1:], "big") >= curve.P:
                raise BadKey("the public key is not a point of the curve")
        else:
            curve.read_point(point)
        pointer = self._library.load_public(point)
        if len(point) == 33:
            try:
                point = b"\x04" + point[1:] + self._library.read_y(pointer)
                curve.read_point(point)
            except CryptoError:
                self._library.EVP_PKEY_free(pointer)
                raise
        return _Public(self._library, pointer, point)

    def load_private(self, d: bytes) -> _Private:
        """32 bytes in [1, n-2]; the public point is computed by libcrypto."""
        pointer = self._library.load_private(_PRIVATE_HEAD + d)
        return _Private(self._library, pointer)


_PATCHED = {(3, 2): 6, (3, 3): 5, (3, 4): 3, (3, 5): 4}


def arm64_timing_warning(version: str, machine: str | None = None) -> str | None:
    """A warning when this is ARM64 with a libcrypto open to CVE-2025-9231, else None.

    Source: dossier "crypto", pitfall 9: OpenSSL 3.2 and later on ARM64, fixed in 3.2.6, 3.3.5,
    3.4.3 and 3.5.4. A version text that cannot be read is warned about on ARM64.
    """
    machine = platform.machine() if machine is None else machine
    if machine.lower() not in {"aarch64", "arm64"}:
        return None
    found = re.search(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})", version)
    if found is None:
        return "cannot read the libcrypto version: check it for CVE-2025-9231"
    major, minor, patch = (int(part) for part in found.groups())
    needed = _PATCHED.get((major, minor))
    if needed is not None and patch < needed:
        return f"libcrypto leaks SM2 timing on ARM64 (CVE-2025-9231): need {major}.{minor}.{needed}"
    return None
