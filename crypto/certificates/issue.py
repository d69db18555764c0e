"""Issue SM2 certificates by the GB/T 20518 profile. Decides nothing: who may have one is asked
elsewhere."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from crypto import der
from crypto.certificates.encoding import (
    ALGORITHM,
    key_identifier,
    sign_frame,
    write_extensions,
    write_time,
)
from crypto.certificates.reading import Certificate, read_certificate
from crypto.errors import BadEncoding
from crypto.keyfiles import write_public_der
from crypto.signing import Signer
from crypto.sm2 import PublicKey

SERIAL_LENGTH = 16
_VERSION_3 = bytes.fromhex("a003020102")


class Profile(Enum):
    """What a certificate is for: (path length of a CA or None, usages)."""

    ROOT = (1, frozenset({"key_cert_sign", "crl_sign"}))
    INTERMEDIATE = (0, frozenset({"key_cert_sign", "crl_sign"}))
    CALLER = (None, frozenset({"digital_signature", "content_commitment"}))
    """An application's or terminal's signing key: clientAuth."""

    @property
    def path_length(self) -> int | None:
        """How many authorities may stand below; None for a caller."""
        length: int | None = self.value[0]
        return length

    def usage(self) -> x509.KeyUsage:
        """The keyUsage extension."""
        names = (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        )
        return x509.KeyUsage(**{name: name in self.value[1] for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What shall stand in a certificate. ``crl_url``: where its issuer's CRL is."""

    subject: x509.Name
    public: PublicKey
    profile: Profile
    serial: bytes
    not_before: datetime
    not_after: datetime
    crl_url: str | None = None


def new_serial(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """16 bytes, positive, 126 of their bits random."""
    drawn = random_bytes(SERIAL_LENGTH)
    return bytes((0x40 | drawn[0] & 0x3F,)) + drawn[1:]


def issue_root(order: Order, signer: Signer) -> Certificate:
    """A self-signed certificate of the signer's own key."""
    if order.profile is not Profile.ROOT or order.public != signer.public:
        raise BadEncoding("a root certifies its own key")
    return _issue(order, order.subject, key_identifier(signer.public), signer)


def issue(order: Order, issuer: Certificate, signer: Signer) -> Certificate:
    """A certificate under ``issuer``, whose key ``signer`` is, inside the issuer's own life.

    ``BadEncoding`` for anything the issuer may not certify.
    """
    if issuer.public != signer.public or not issuer.is_ca:
        raise BadEncoding("the signer is not the issuer")
    if issuer.path_length == 0 and order.profile is not Profile.CALLER:
        raise BadEncoding("the issuer may certify no authority")
    if not issuer.not_before <= order.not_before < order.not_after <= issuer.not_after:
        raise BadEncoding("a certificate lives inside its issuer's life")
    issuer_id = issuer.subject_key_id or key_identifier(signer.public)
    return _issue(order, issuer.subject, issuer_id, signer)


def _issue(order: Order, issuer_name: x509.Name, issuer_id: bytes, signer: Signer) -> Certificate:
    if not SERIAL_LENGTH <= len(order.serial) <= 19 or not 0 < order.serial[0] < 0x80:
        raise BadEncoding("a serial number has 16 to 19 bytes and is positive")
    body = der.write(
        der.SEQUENCE,
        _VERSION_3
        + der.write_unsigned(order.serial)
        + ALGORITHM
        + issuer_name.public_bytes()
        + der.write(der.SEQUENCE, write_time(order.not_before) + write_time(order.not_after))
        + order.subject.public_bytes()
        + write_public_der(order.public)
        + der.write(0xA3, write_extensions(_extensions(order, issuer_id))),
    )
    return read_certificate(sign_frame(body, signer))


def _extensions(order: Order, issuer_id: bytes) -> list[tuple[x509.ExtensionType, bool]]:
    length = order.profile.path_length
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=length is not None, path_length=length), True),
        (order.profile.usage(), True),
        (x509.SubjectKeyIdentifier(key_identifier(order.public)), False),
        (x509.AuthorityKeyIdentifier(issuer_id, None, None), False),
    ]
    if length is None:
        found.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False))
    if order.crl_url is not None:
        place = x509.DistributionPoint(
            [x509.UniformResourceIdentifier(order.crl_url)], None, None, None
        )
        found.append((x509.CRLDistributionPoints([place]), False))
    return found
