"""The texts Alipay signs, RSA2 over them, and certificate numbers (payments.md 5.1, 5.2, 5.7).

Owns canonical texts and key loading. Reads no clock and no answer: those are ``verifier``.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from crypto import der, pem
from crypto.errors import BadEncoding
from integrations.kit.signing import sorted_pairs

RSA_BITS_MIN = 2048
SCHEME = "ALIPAY-SHA256withRSA"
RSA_SIGNATURES = bytes.fromhex("2a864886f70d0101")
"""1.2.840.113549.1.1 in DER: signature algorithms whose certificates count in the root number."""


class AlipayKeyRefused(ValueError):
    """A configured key, certificate or setting cannot be used. The message holds none of it."""


def decode_base64(text: str) -> bytes | None:
    """Strict base64 with padding, or None."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


class SigningKey:
    """The application's private key: SHA-256 with PKCS#1 v1.5, which Alipay calls RSA2."""

    def __init__(self, text: str) -> None:
        try:
            key = serialization.load_pem_private_key(text.encode(), password=None)
        except (ValueError, TypeError) as error:
            raise AlipayKeyRefused("the application key is no readable PEM") from error
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < RSA_BITS_MIN:
            raise AlipayKeyRefused("the application key is no RSA key of 2048 bits or more")
        self._key = key

    def sign(self, message: bytes) -> str:
        """The signature over the message, base64."""
        signature = self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode("ascii")


class VerifyKey:
    """Alipay's public key, from its own PEM or from its certificate."""

    def __init__(self, key: object) -> None:
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < RSA_BITS_MIN:
            raise AlipayKeyRefused("Alipay's key is no RSA key of 2048 bits or more")
        self._key = key

    @classmethod
    def from_public_pem(cls, text: str) -> "VerifyKey":
        """From ``-----BEGIN PUBLIC KEY-----`` text."""
        try:
            return cls(serialization.load_pem_public_key(text.encode()))
        except ValueError as error:
            raise AlipayKeyRefused("Alipay's key is no readable RSA key") from error

    @classmethod
    def from_certificate(cls, certificate: x509.Certificate) -> "VerifyKey":
        """From Alipay's certificate; its dates are the caller's business."""
        return cls(certificate.public_key())

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


def gateway_message(parameters: Mapping[str, str]) -> bytes:
    """What a gateway request signs (5.1): all but ``sign`` and empty ones, sorted, unencoded."""
    return sorted_pairs(parameters, without={"sign"}).encode()


NOTICE_READINGS = (frozenset({"sign", "sign_type"}), frozenset({"sign"}))
"""What drops out of a notice: trade notices first, then the service notices that keep the type."""


def notice_message(parameters: Mapping[str, str], without: frozenset[str]) -> bytes:
    """What a notice signs under one of its readings (5.7); the values decoded once."""
    return sorted_pairs(parameters, without=without, keep_empty=True).encode()


def notice_holds(key: VerifyKey, parameters: Mapping[str, str]) -> bool:
    """Whether a notice is signed by Alipay under either reading."""
    signature = parameters.get("sign", "")
    return any(
        key.verify(notice_message(parameters, without), signature) for without in NOTICE_READINGS
    )


def auth_text(*, app_id: str, app_cert_sn: str | None, nonce: str, timestamp_ms: int) -> str:
    """The head of a v3 Authorization line, up to its signature (5.2)."""
    certificate = f",app_cert_sn={app_cert_sn}" if app_cert_sn else ""
    return f"app_id={app_id}{certificate},nonce={nonce},timestamp={timestamp_ms}"


def v3_message(
    *, auth: str, method: str, path_and_query: str, body: bytes, app_auth_token: str | None
) -> bytes:
    """The lines a v3 request signs (5.2); the token's line only where there is a token."""
    token = f"{app_auth_token}\n".encode() if app_auth_token else b""
    return f"{auth}\n{method}\n{path_and_query}\n".encode() + body + b"\n" + token


def v3_answer_message(*, timestamp: str, nonce: str, body: bytes) -> bytes:
    """The three lines that v3 answers are signed over (5.2), raw body."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def load_certificate(text: str) -> x509.Certificate:
    """The first certificate of a PEM text; its issuers may follow. Raises ``AlipayKeyRefused``."""
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise AlipayKeyRefused("no readable certificate") from error


def certificate_sn(certificate: x509.Certificate) -> str:
    """MD5 over the issuer, most specific name first, and the decimal serial (5.1).

    The partner names MD5 for this; it is a number of the certificate and protects nothing.
    """
    issuer = ",".join(
        f"{part.rfc4514_attribute_name}={part.value!s}"
        for names in reversed(certificate.issuer.rdns)
        for part in names
    )
    text = f"{issuer}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def root_certificate_sn(text: str) -> str:
    """The numbers of the RSA-signed certificates of Alipay's root file, joined (5.1).

    The others in the file are passed over unread: one is SM2, one is written so loosely that
    strict readers refuse it.
    """
    try:
        numbers = [
            certificate_sn(x509.load_der_x509_certificate(content))
            for label, content in pem.read_blocks(text)
            if label == "CERTIFICATE" and _signature_oid(content).startswith(RSA_SIGNATURES)
        ]
    except (BadEncoding, ValueError) as error:
        raise AlipayKeyRefused("the root file is not readable") from error
    if not numbers:
        raise AlipayKeyRefused("the root file holds no certificate signed by RSA")
    return "_".join(numbers)


def _signature_oid(certificate: bytes) -> bytes:
    """The content of the OID in the outer ``signatureAlgorithm``."""
    outer = der.read_whole(certificate, der.SEQUENCE)
    _, at = der.read(outer, 0, der.SEQUENCE)
    algorithm, _ = der.read(outer, at, der.SEQUENCE)
    return der.read(algorithm, 0, der.OID)[0]
