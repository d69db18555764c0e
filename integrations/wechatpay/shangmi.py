"""The SM2/SM3/SM4 variant of API v3 (payments.md 1.7): keys of the same shape as RSA's.

Canonical strings are the ones of ``signing``; only the schemes differ. Merchants get this variant
on request, and ``paySign`` stays RSA.
"""

import base64

from cryptography import x509

from crypto import keyfiles, sm2, sm3, sm4
from crypto.certificates import certificate_public_key
from crypto.errors import CryptoError
from integrations.wechatpay.sealing import SealBroken, parts
from integrations.wechatpay.signing import SM_SCHEME, WechatPayKeyRefused, decode_base64

SM_ALGORITHM = "AEAD_SM4_GCM"


class Sm2SigningKey:
    """The merchant's SM2 key; signatures are DER under the user id 1234567812345678."""

    scheme = SM_SCHEME

    def __init__(self, pem: str) -> None:
        try:
            self._key = keyfiles.load_private_pem(pem)
        except CryptoError as error:
            raise WechatPayKeyRefused("the merchant key is no readable SM2 key") from error

    def sign(self, message: bytes) -> str:
        """The signature over the message, base64; random, so never the same twice."""
        return base64.b64encode(self._key.sign_der(message)).decode("ascii")

    def decrypt_field(self, ciphertext_text: str) -> str:
        """Open a sensitive field: SM2 ciphertext in ASN.1. Raises ``ValueError``."""
        sealed = decode_base64(ciphertext_text)
        if sealed is None:
            raise ValueError("not base64")
        return self._key.decrypt(sealed, sm2.CiphertextForm.DER).decode("utf-8")

    def verify_key(self) -> "Sm2VerifyKey":
        """Its public half."""
        return Sm2VerifyKey(sm2.PublicKey.from_bytes(self._key.public_point()))


class Sm2VerifyKey:
    """A WeChat SM2 public key, from its own PEM or from a platform certificate."""

    scheme = SM_SCHEME

    def __init__(self, key: sm2.PublicKey) -> None:
        self._key = key

    @classmethod
    def from_public_pem(cls, pem: str) -> "Sm2VerifyKey":
        """From ``-----BEGIN PUBLIC KEY-----`` text."""
        try:
            return cls(keyfiles.load_public_pem(pem))
        except CryptoError as error:
            raise WechatPayKeyRefused("the WeChat key is no readable SM2 key") from error

    @classmethod
    def from_certificate(cls, certificate: x509.Certificate) -> "Sm2VerifyKey":
        """From an SM2 platform certificate; its dates are the caller's business."""
        try:
            return cls(certificate_public_key(certificate))
        except CryptoError as error:
            raise WechatPayKeyRefused("the certificate holds no SM2 key") from error

    def verify(self, message: bytes, signature_text: str) -> bool:
        """Whether the base64 DER signature is over exactly this message. Never raises."""
        signature = decode_base64(signature_text)
        if signature is None:
            return False
        try:
            return self._key.verify_der(message, signature)
        except CryptoError:
            return False

    def encrypt_field(self, plain: str) -> str:
        """Seal a sensitive field: SM2 ciphertext in ASN.1, base64."""
        sealed = self._key.encrypt(plain.encode("utf-8"), sm2.CiphertextForm.DER)
        return base64.b64encode(sealed).decode("ascii")


def sm4_key(api_v3_key: bytes) -> bytes:
    """The first 16 bytes of SM3 over the APIv3 key."""
    return sm3.sm3(api_v3_key)[:16]


def open_sm4(*, api_v3_key: bytes, nonce: str, associated: str, ciphertext_text: str) -> bytes:
    """Open an ``AEAD_SM4_GCM`` resource. Raises ``SealBroken``."""
    sealed, nonce_bytes = parts(nonce, ciphertext_text)
    try:
        return sm4.gcm_decrypt(sm4_key(api_v3_key), nonce_bytes, sealed, associated.encode())
    except CryptoError:
        raise SealBroken("the seal does not hold") from None
