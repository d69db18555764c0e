"""What is still needed of API V2 (payments.md 2.5): its signature and the sealed refund notice.

Pure functions; MD5 and ECB are the partner's, used nowhere else.
"""

import hashlib
import hmac
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from integrations.kit.signing import sorted_pairs

SIGN_TYPES = frozenset({"MD5", "HMAC-SHA256"})


class V2Refused(ValueError):
    """A V2 text cannot be read, or a sign type is unknown."""


def sign_v2(fields: Mapping[str, str], key: str, sign_type: str = "MD5") -> str:
    """Upper-case hex over the sorted non-empty fields with ``&key=`` behind them."""
    text = f"{sorted_pairs(fields, without=frozenset({'sign'}))}&key={key}".encode()
    if sign_type == "MD5":
        return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()
    if sign_type == "HMAC-SHA256":
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    raise V2Refused("unknown sign type")


def verify_v2(fields: Mapping[str, str], key: str, sign_type: str = "MD5") -> bool:
    """Whether ``sign`` fits the other fields."""
    expected = sign_v2(fields, key, sign_type)
    return hmac.compare_digest(expected.encode(), fields.get("sign", "").encode())


def refund_notice_key(key: str) -> bytes:
    """AES key of ``req_info``: the lower-case hex of MD5 over the V2 key, as ASCII."""
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().encode()


def ecb_encrypt(key: bytes, plain: bytes) -> bytes:
    """AES-256-ECB with PKCS#7."""
    padder = PKCS7(128).padder()
    encryptor = _ecb(key).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def ecb_decrypt(key: bytes, sealed: bytes) -> bytes:
    """The reverse. Raises ``V2Refused``."""
    decryptor, unpadder = _ecb(key).decryptor(), PKCS7(128).unpadder()
    try:
        padded = decryptor.update(sealed) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise V2Refused("the ciphertext does not open") from None


def _ecb(key: bytes) -> Cipher[modes.ECB]:
    if len(key) != 32:
        raise V2Refused("the key has not 32 bytes")
    return Cipher(algorithms.AES256(key), modes.ECB())  # noqa: S305 - the partner's mode
