"""The byte strings WeChat Pay signs, and RSA signatures over them (payments.md 1.2, 1.4, 1.8).

Owns canonical strings, the Authorization line and the RSA schemes. Checks no clock and no serial:
that is ``verifier``. The SM schemes are in ``shangmi``.
"""

import base64
import binascii
import re
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

RSA_SCHEME = "WECHATPAY2-SHA256-RSA2048"
SM_SCHEME = "WECHATPAY2-SM2-WITH-SM3"
RSA_BITS_MIN = 2048


class WechatPayKeyRefused(ValueError):
    """A configured key, certificate or setting cannot be used. The message holds none of it."""


class VerifyKey(Protocol):
    """A WeChat public key under one scheme."""

    scheme: str

    def verify(self, message: bytes, signature_text: str) -> bool:
        """Whether the base64 signature is over exactly this message. Never raises."""


class FieldKey(VerifyKey, Protocol):
    """The same, for which sensitive fields are sealed as well."""

    def encrypt_field(self, plain: str) -> str:
        """The sealed field, base64."""


def decode_base64(text: str) -> bytes | None:
    """Strict base64 with padding, or None."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


class RsaSigningKey:
    """PKCS#1 v1.5 with SHA-256; the same key signs requests and client parameters."""

    scheme = RSA_SCHEME

    def __init__(self, pem: str) -> None:
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError) as error:
            raise WechatPayKeyRefused("the merchant key is no readable PEM") from error
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < RSA_BITS_MIN:
            raise WechatPayKeyRefused("the merchant key is no RSA key of 2048 bits or more")
        self._key = key

    def sign(self, message: bytes) -> str:
        """The signature over the message, base64."""
        signature = self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode("ascii")

    def decrypt_field(self, ciphertext_text: str) -> str:
        """Open a sensitive field of an answer: RSA-OAEP, SHA-1 twice (1.6).

        Raises ``ValueError`` for anything that this key does not open.
        """
        sealed = decode_base64(ciphertext_text)
        if sealed is None:
            raise ValueError("not base64")
        return self._key.decrypt(sealed, _OAEP).decode("utf-8")


class RsaVerifyKey:
    """A WeChat RSA public key, from its own PEM or from a platform certificate."""

    scheme = RSA_SCHEME

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        if key.key_size < RSA_BITS_MIN:
            raise WechatPayKeyRefused("the WeChat key is shorter than 2048 bits")
        self._key = key

    @classmethod
    def from_public_pem(cls, pem: str) -> "RsaVerifyKey":
        """From ``-----BEGIN PUBLIC KEY-----`` text."""
        try:
            key = serialization.load_pem_public_key(pem.encode())
        except ValueError as error:
            raise WechatPayKeyRefused("the WeChat key is no readable PEM") from error
        return cls._of(key)

    @classmethod
    def from_certificate(cls, certificate: x509.Certificate) -> "RsaVerifyKey":
        """From a platform certificate; its dates are the caller's business."""
        return cls._of(certificate.public_key())

    @classmethod
    def _of(cls, key: object) -> "RsaVerifyKey":
        if not isinstance(key, rsa.RSAPublicKey):
            raise WechatPayKeyRefused("the WeChat key is no RSA key")
        return cls(key)

    def verify(self, message: bytes, signature_text: str) -> bool:
        """Whether the base64 signature is over exactly this message. Never raises."""
        signature = decode_base64(signature_text)
        if signature is None:
            return False
        try:
            self._key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def encrypt_field(self, plain: str) -> str:
        """Seal a sensitive field of a request: RSA-OAEP, SHA-1 twice, base64 (1.6)."""
        return base64.b64encode(self._key.encrypt(plain.encode("utf-8"), _OAEP)).decode("ascii")


_OAEP = padding.OAEP(
    # SHA-1 is the partner's rule for this padding; OAEP does not rest on its collision resistance.
    mgf=padding.MGF1(algorithm=hashes.SHA1()),  # noqa: S303
    algorithm=hashes.SHA1(),  # noqa: S303
    label=None,
)


def load_certificate(pem: str) -> x509.Certificate:
    """A platform or merchant certificate. Raises ``WechatPayKeyRefused``."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise WechatPayKeyRefused("no readable certificate") from error


def certificate_serial(certificate: x509.Certificate) -> str:
    """The serial as WeChat writes it: upper-case hex of whole bytes."""
    number = certificate.serial_number
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, "big").hex().upper()


def request_message(
    *, method: str, path_and_query: str, timestamp: str, nonce: str, body: bytes
) -> bytes:
    """The five lines a request signature covers (1.2); the body as sent, empty for GET."""
    head = f"{method.upper()}\n{path_and_query}\n{timestamp}\n{nonce}\n"
    return head.encode() + body + b"\n"


def answer_message(*, timestamp: str, nonce: str, body: bytes) -> bytes:
    """The three lines that answers and notices are signed over (1.4), raw body."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def client_message(*, appid: str, timestamp: str, nonce: str, package: str) -> bytes:
    """The four lines of ``paySign`` (1.8); ``package`` is ``prepay_id=…`` with its name."""
    return f"{appid}\n{timestamp}\n{nonce}\n{package}\n".encode()


def client_parameters(
    key: RsaSigningKey | None, *, appid: str, prepay_ref: str, nonce: str, at: datetime
) -> dict[str, str]:
    """What ``wx.requestPayment`` takes beside the app (1.8); all values are strings.

    Raises ``WechatPayKeyRefused`` where the merchant has no RSA key for it (1.7).
    """
    if key is None:
        raise WechatPayKeyRefused("client_key_pem is needed for jsapi under SM")
    timestamp, package = str(int(at.timestamp())), f"prepay_id={prepay_ref}"
    message = client_message(appid=appid, timestamp=timestamp, nonce=nonce, package=package)
    return {
        "timeStamp": timestamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": key.sign(message),
    }


def authorization(
    *, scheme: str, mchid: str, serial: str, timestamp: str, nonce: str, signature: str
) -> str:
    """The Authorization line (1.2)."""
    return (
        f'{scheme} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial}"'
    )


AUTHORIZATION_MAX = 4096
AUTHORIZATION_ITEMS = frozenset({"mchid", "nonce_str", "signature", "timestamp", "serial_no"})
_ITEM = re.compile(r'([a-z_]{1,16})="([^",]{1,2048})"', re.ASCII)


class AuthorizationRefused(ValueError):
    """Not an Authorization line of 1.2."""


def parse_authorization(line: str) -> tuple[str, dict[str, str]]:
    """Scheme and the five items, which may stand in any order, each exactly once."""
    if len(line) > AUTHORIZATION_MAX:
        raise AuthorizationRefused("too long")
    scheme, _, rest = line.partition(" ")
    if scheme not in {RSA_SCHEME, SM_SCHEME}:
        raise AuthorizationRefused("unknown scheme")
    items: dict[str, str] = {}
    for part in rest.split(","):
        found = _ITEM.fullmatch(part.strip(" "))
        if found is None or found.group(1) in items:
            raise AuthorizationRefused("an item is malformed or stands twice")
        items[found.group(1)] = found.group(2)
    if items.keys() != AUTHORIZATION_ITEMS:
        raise AuthorizationRefused("items are missing or too many")
    return scheme, items
