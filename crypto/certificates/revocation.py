"""Certificate revocation lists (CRL v2): made, and read strictly.

Whether one counts is for ``path`` to judge.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from crypto import der, pem
from crypto.certificates.encoding import (
    ALGORITHM,
    key_identifier,
    open_frame,
    sign_frame,
    well_formed,
    write_extensions,
    write_time,
)
from crypto.certificates.reading import Certificate, check_algorithm, read_labelled, refusing
from crypto.certificates.refusal import CertificateRefused, Refusal
from crypto.errors import BadEncoding
from crypto.signing import Signer
from crypto.sm2 import DEFAULT_ID, PublicKey

CRL_MAX = 12 << 20
CRL_LABEL = "X509 CRL"
_VERSION_2 = b"\x02\x01\x01"
_UNDERSTOOD = frozenset({ExtensionOID.CRL_NUMBER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER})
Reason = x509.ReasonFlags


@dataclass(frozen=True, slots=True)
class Revoked:
    """One line of a list. ``Reason.unspecified`` is not written, as the standard wants."""

    serial: int
    at: datetime
    reason: Reason = Reason.unspecified


@dataclass(frozen=True, slots=True, kw_only=True)
class Crl:
    """A well-formed list. ``next_at`` None: it does not say, so it never counts."""

    encoded: bytes = field(repr=False)
    body: bytes = field(repr=False, compare=False)
    signature: bytes = field(repr=False, compare=False)
    issuer: x509.Name
    issuer_key_id: bytes | None
    number: int | None
    made_at: datetime
    next_at: datetime | None
    unknown_critical: tuple[str, ...]
    parsed: x509.CertificateRevocationList = field(repr=False, compare=False)

    def find(self, serial: int) -> Revoked | None:
        """The line of that serial number."""
        with refusing("revocation list"):
            line = self.parsed.get_revoked_certificate_by_serial_number(serial)
            if line is None:
                return None
            try:
                reason = line.extensions.get_extension_for_class(x509.CRLReason).value.reason
            except x509.ExtensionNotFound:
                reason = Reason.unspecified
            return Revoked(serial, line.revocation_date_utc, reason)

    def is_signed_by(self, issuer_key: PublicKey, user_id: bytes = DEFAULT_ID) -> bool:
        """True if that key made the signature under that user id."""
        return issuer_key.verify_der(self.body, self.signature, user_id)

    def pem(self) -> str:
        """One PEM block."""
        return pem.write_block(CRL_LABEL, self.encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlOrder:
    """What shall stand in a list; ``number`` rises with each list of an issuer."""

    number: int
    made_at: datetime
    next_at: datetime
    revoked: Iterable[Revoked]


def issue_crl(order: CrlOrder, issuer: Certificate, signer: Signer) -> Crl:
    """A full list by ``issuer``, whose key ``signer`` is. ``BadEncoding`` otherwise."""
    if issuer.public != signer.public or order.number < 0 or order.made_at >= order.next_at:
        raise BadEncoding("not an order for a revocation list")
    issuer_id = issuer.subject_key_id or key_identifier(signer.public)
    lines = b"".join(_line(revoked) for revoked in order.revoked)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.AuthorityKeyIdentifier(issuer_id, None, None), False),
        (x509.CRLNumber(order.number), False),
    ]
    body = der.write(
        der.SEQUENCE,
        _VERSION_2
        + ALGORITHM
        + issuer.subject.public_bytes()
        + write_time(order.made_at)
        + write_time(order.next_at)
        + (der.write(der.SEQUENCE, lines) if lines else b"")
        + der.write(0xA0, write_extensions(extensions)),
    )
    return read_crl(sign_frame(body, signer))


def _line(revoked: Revoked) -> bytes:
    size = (revoked.serial.bit_length() + 7) // 8
    body = der.write_unsigned(revoked.serial.to_bytes(size, "big")) + write_time(revoked.at)
    if revoked.reason is not Reason.unspecified:
        body += write_extensions([(x509.CRLReason(revoked.reason), False)])
    return der.write(der.SEQUENCE, body)


def read_crl(encoded: bytes) -> Crl:
    """Read one DER list of at most 12 MiB.

    ``CertificateRefused`` (MALFORMED, TRAILING_BYTES, VERSION, SIGNATURE_TYPE).
    """
    if len(encoded) > CRL_MAX:
        raise CertificateRefused(Refusal.MALFORMED, "the revocation list is too long")
    body, algorithm, signature = open_frame(encoded)
    with well_formed():
        parts = der.elements(der.read_whole(body, der.SEQUENCE), 7)
    if len(parts) < 4 or parts[0][2] != _VERSION_2:
        raise CertificateRefused(Refusal.VERSION, "not a revocation list of version 2")
    check_algorithm(parts[1][2], algorithm)
    with refusing("revocation list"):
        parsed = x509.load_der_x509_crl(encoded)
        found = {extension.oid: extension for extension in parsed.extensions}
        number = found.get(ExtensionOID.CRL_NUMBER)
        key_id = found.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        return Crl(
            encoded=encoded,
            body=body,
            signature=signature,
            issuer=parsed.issuer,
            issuer_key_id=key_id.value.key_identifier if key_id else None,
            number=number.value.crl_number if number else None,
            made_at=parsed.last_update_utc,
            next_at=parsed.next_update_utc,
            unknown_critical=tuple(
                oid.dotted_string
                for oid, extension in found.items()
                if extension.critical and oid not in _UNDERSTOOD
            ),
            parsed=parsed,
        )


def read_crls(content: bytes) -> list[Crl]:
    """The lists of a file: PEM blocks, or one DER list. ``CertificateRefused``."""
    if content[:1] == b"\x30":
        return [read_crl(content)]
    text = content.decode("latin-1")
    return [read_crl(block) for block in read_labelled(text, {CRL_LABEL}, 2 * CRL_MAX)]
