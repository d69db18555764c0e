"""AEAD of notices and platform certificates (payments.md 1.6, 1.7). Opens, never seals.

The nonce stands in the partner's JSON; the tag is the last 16 bytes of the ciphertext.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from integrations.wechatpay.signing import decode_base64

AES_ALGORITHM = "AEAD_AES_256_GCM"
NONCE_BYTES = 12


class SealBroken(ValueError):
    """The ciphertext is not base64, too short, or was not sealed under this key and context."""


def open_aes(*, key: bytes, nonce: str, associated: str, ciphertext_text: str) -> bytes:
    """Open an ``AEAD_AES_256_GCM`` resource. Raises ``SealBroken``."""
    sealed, nonce_bytes = parts(nonce, ciphertext_text)
    try:
        return AESGCM(key).decrypt(nonce_bytes, sealed, associated.encode())
    except InvalidTag:
        raise SealBroken("the seal does not hold") from None
    except ValueError as error:
        raise SealBroken("the key has no usable length") from error


def parts(nonce: str, ciphertext_text: str) -> tuple[bytes, bytes]:
    """The ciphertext with its tag, and the nonce, both checked for shape."""
    sealed = decode_base64(ciphertext_text)
    nonce_bytes = nonce.encode()
    if sealed is None or len(sealed) < 16:
        raise SealBroken("not a base64 ciphertext with a tag")
    if len(nonce_bytes) != NONCE_BYTES:
        raise SealBroken("the nonce has not 12 bytes")
    return sealed, nonce_bytes
