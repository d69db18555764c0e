"""Known answers, run at start and shown by the health page: a broken cipher must not serve.

Answers: GB/T 32918.5 (sign, verify, decrypt), GB/T 32905 (SM3), RFC 8998 (SM4-GCM).
"""

from collections.abc import Callable
from dataclasses import dataclass

from crypto.errors import CryptoError
from crypto.sm2 import CiphertextForm, PrivateKey
from crypto.sm2_backend import Sm2Backend
from crypto.sm2_libcrypto import arm64_timing_warning
from crypto.sm2_purepy import PurePythonBackend, sign_with_nonce
from crypto.sm3 import hmac_sm3, sm3
from crypto.sm4 import gcm_decrypt, gcm_encrypt

_D = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
_POINT = bytes.fromhex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
_K = int("59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21", 16)
_MESSAGE = b"message digest"
_SIGNATURE = bytes.fromhex(
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)
_CIPHERTEXT = bytes.fromhex(
    "0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
    "e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
    "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
    "21886ca989ca9c7d58087307ca93092d651efa"
)
_PLAINTEXT = b"encryption standard"
_SM3_ABC = bytes.fromhex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
_HMAC = bytes.fromhex("c0ba18c68b90c88bc07de794bfc7d2c8d19ec31ed8773bc2b390c9604e0be11e")
_GCM_KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
_GCM_NONCE = bytes.fromhex("00001234567800000000abcd")
_GCM_AAD = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
_GCM_PLAIN = bytes.fromhex("".join(digit * 16 for digit in "abcdefea"))
_GCM_OUT = bytes.fromhex(
    "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
    "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
    "83de3541e4c2b58177e065a9bf7b62ec"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestReport:
    """What the health page shows of the ciphers."""

    backend: str
    version: str
    constant_time: bool
    can_sign: bool
    passed: bool
    checks: tuple[tuple[str, bool], ...]
    warnings: tuple[str, ...]


def run_self_test(backend: Sm2Backend) -> SelfTestReport:
    """Run every known answer on ``backend``; never raises. Refuse to serve unless ``passed``.

    A software backend that may not sign passes without the two private-key answers, and says so
    in ``can_sign``.
    """
    can_sign = not (isinstance(backend, PurePythonBackend) and not backend.may_sign)
    checks: list[tuple[str, Callable[[], bool]]] = [
        ("sm3", lambda: sm3(b"abc") == _SM3_ABC),
        ("hmac-sm3", lambda: hmac_sm3(b"\x0b" * 32, b"Hi There") == _HMAC),
        ("sm4-gcm", _gcm),
        ("sm2-verify", lambda: _verify(backend)),
        (
            "sm2-arithmetic",
            lambda: sign_with_nonce(int.from_bytes(_D, "big"), _e(), _K) == _SIGNATURE,
        ),
    ]
    if can_sign:
        checks.append(("sm2-sign", lambda: _sign(backend)))
        checks.append(("sm2-decrypt", lambda: _decrypt(backend)))
    results = tuple((name, _outcome(check)) for name, check in checks)
    warning = arm64_timing_warning(backend.version) if backend.name == "libcrypto" else None
    return SelfTestReport(
        backend=backend.name,
        version=backend.version,
        constant_time=backend.constant_time,
        can_sign=can_sign,
        passed=all(ok for _, ok in results),
        checks=results,
        warnings=(warning,) if warning else (),
    )


def _outcome(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except CryptoError:
        return False


def _e() -> bytes:
    return _key(PurePythonBackend(allow_signing=False)).public.digest(_MESSAGE)


def _key(backend: Sm2Backend) -> PrivateKey:
    return PrivateKey.from_bytes(_D, backend=backend)


def _gcm() -> bool:
    sealed = gcm_encrypt(_GCM_KEY, _GCM_NONCE, _GCM_PLAIN, _GCM_AAD)
    return sealed == _GCM_OUT and gcm_decrypt(_GCM_KEY, _GCM_NONCE, sealed, _GCM_AAD) == _GCM_PLAIN


def _verify(backend: Sm2Backend) -> bool:
    public = _key(backend).public
    changed = _SIGNATURE[:-1] + bytes((_SIGNATURE[-1] ^ 1,))
    return (
        public.to_bytes() == _POINT
        and public.verify(_MESSAGE, _SIGNATURE)
        and not public.verify(_MESSAGE, changed)
    )


def _sign(backend: Sm2Backend) -> bool:
    """Signatures are random, so the other implementation judges a fresh one."""
    signature = _key(backend).sign(_MESSAGE)
    other = _key(PurePythonBackend(allow_signing=False)).public
    return other.verify(_MESSAGE, signature)


def _decrypt(backend: Sm2Backend) -> bool:
    key = _key(backend)
    fresh = key.public.encrypt(_PLAINTEXT, CiphertextForm.DER)
    return (
        key.decrypt(_CIPHERTEXT) == _PLAINTEXT
        and key.decrypt(fresh, CiphertextForm.DER) == _PLAINTEXT
    )
