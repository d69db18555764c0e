"""SM2 certificates (GB/T 20518), read strictly.

``cryptography`` parses names and extensions but knows no SM2; the frame, the algorithm and the
key are read here first. A ``Certificate`` is only well formed: ``path`` judges whether it counts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtensionOID

from crypto import der, pem
from crypto.certificates.encoding import ALGORITHMS, SM2_WITH_SM3, open_frame, well_formed
from crypto.certificates.refusal import CertificateRefused, Refusal
from crypto.errors import BadEncoding, BadKey
from crypto.keyfiles import load_public_der
from crypto.sm2 import DEFAULT_ID, PublicKey
from crypto.sm2_backend import Sm2Backend

PEM_MAX = 1 << 16
CERTIFICATE_MAX = 1 << 14
CHAIN_TEXT_MAX = 1 << 17
CERTIFICATE_LABEL = "CERTIFICATE"
_SERIAL_MAX = 20
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)
"""May be critical: we act on them, or, for policies, take any."""


def load_certificate(pem_bytes: bytes) -> x509.Certificate:
    """Parse one PEM certificate of any kind, at most 64 KiB; ``BadEncoding`` otherwise."""
    if len(pem_bytes) > PEM_MAX:
        raise BadEncoding("the certificate is too long")
    try:
        return x509.load_pem_x509_certificate(pem_bytes)
    except ValueError:
        raise BadEncoding("not a certificate") from None


def certificate_public_key(
    certificate: x509.Certificate, *, backend: Sm2Backend | None = None
) -> PublicKey:
    """The SM2 key of a certificate; ``BadKey`` if it holds another kind."""
    try:
        body = der.read_whole(certificate.tbs_certificate_bytes, der.SEQUENCE)
        found = der.elements(body)
        at = 6 if found and found[0][0] == 0xA0 else 5
        return load_public_der(found[at][2], backend=backend)
    except (BadEncoding, IndexError):
        raise BadKey("the certificate holds no SM2 key") from None


def is_signed_by(
    certificate: x509.Certificate, issuer_key: PublicKey, user_id: bytes = DEFAULT_ID
) -> bool:
    """True if ``issuer_key`` signed ``certificate`` with SM2-with-SM3 and that user id."""
    if certificate.signature_algorithm_oid.dotted_string != SM2_WITH_SM3:
        return False
    return issuer_key.verify_der(certificate.tbs_certificate_bytes, certificate.signature, user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A well-formed SM2 certificate; equal when the bytes are equal. Times are UTC instants."""

    encoded: bytes
    body: bytes = field(compare=False, repr=False)
    signature: bytes = field(compare=False, repr=False)
    """DER, over ``body``."""
    serial: int = field(compare=False)
    issuer: x509.Name = field(compare=False)
    subject: x509.Name = field(compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    public: PublicKey = field(compare=False)
    is_ca: bool = field(compare=False)
    path_length: int | None = field(compare=False)
    usage: x509.KeyUsage | None = field(compare=False)
    """None when the certificate does not say."""
    purposes: frozenset[x509.ObjectIdentifier] | None = field(compare=False)
    subject_key_id: bytes | None = field(compare=False)
    issuer_key_id: bytes | None = field(compare=False)
    unknown_critical: tuple[str, ...] = field(compare=False)
    """Critical extensions that nobody here acts on, dotted."""

    def is_signed_by(self, issuer_key: PublicKey, user_id: bytes = DEFAULT_ID) -> bool:
        """True if that key made the signature under that user id."""
        return issuer_key.verify_der(self.body, self.signature, user_id)

    def pem(self) -> str:
        """One PEM block."""
        return pem.write_block(CERTIFICATE_LABEL, self.encoded)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Whatever the parser says of hostile bytes becomes MALFORMED.

    Some it only warns of so far (an issuer's serial that is not positive, in a place we do not
    use); where warnings are errors, as in tests, that is a refusal too.
    """
    try:
        yield
    except CertificateRefused:
        raise
    except (
        ValueError,
        TypeError,
        OverflowError,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
        CryptographyDeprecationWarning,
    ):
        raise CertificateRefused(Refusal.MALFORMED, f"not a {what}") from None


def read_certificate(encoded: bytes) -> Certificate:
    """Read one DER certificate of at most 16 KiB.

    ``CertificateRefused`` (MALFORMED, TRAILING_BYTES, VERSION, SERIAL, SIGNATURE_TYPE, KEY_TYPE).
    """
    if len(encoded) > CERTIFICATE_MAX:
        raise CertificateRefused(Refusal.MALFORMED, "the certificate is too long")
    body, algorithm, signature = open_frame(encoded)
    serial, public = _read_body(body, algorithm)
    with refusing("certificate"):
        parsed = x509.load_der_x509_certificate(encoded)
        found = {extension.oid: extension for extension in parsed.extensions}
        values = {oid: extension.value for oid, extension in found.items()}
        constraints = values.get(ExtensionOID.BASIC_CONSTRAINTS)
        usage = values.get(ExtensionOID.KEY_USAGE)
        purposes = values.get(ExtensionOID.EXTENDED_KEY_USAGE)
        own_id = values.get(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
        issuer_id = values.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        if not isinstance(constraints, x509.BasicConstraints):
            constraints = x509.BasicConstraints(ca=False, path_length=None)
        return Certificate(
            encoded=encoded,
            body=body,
            signature=signature,
            serial=serial,
            issuer=parsed.issuer,
            subject=parsed.subject,
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
            public=public,
            is_ca=constraints.ca,
            path_length=constraints.path_length,
            usage=usage if isinstance(usage, x509.KeyUsage) else None,
            purposes=frozenset(purposes) if isinstance(purposes, x509.ExtendedKeyUsage) else None,
            subject_key_id=own_id.digest if isinstance(own_id, x509.SubjectKeyIdentifier) else None,
            issuer_key_id=issuer_id.key_identifier
            if isinstance(issuer_id, x509.AuthorityKeyIdentifier)
            else None,
            unknown_critical=tuple(
                oid.dotted_string
                for oid, extension in found.items()
                if extension.critical and oid not in _UNDERSTOOD
            ),
        )


def _read_body(body: bytes, algorithm: bytes) -> tuple[int, PublicKey]:
    """The serial and the key, after version and algorithm are in order."""
    with well_formed():
        parts = der.elements(der.read_whole(body, der.SEQUENCE), 10)
    tags = [tag for tag, _, _ in parts]
    if tags[:1] != [0xA0] or parts[0][1] != b"\x02\x01\x02":
        raise CertificateRefused(Refusal.VERSION, "not an X.509 certificate of version 3")
    if tags[1:7] != [der.INTEGER, *[der.SEQUENCE] * 5]:
        raise CertificateRefused(Refusal.MALFORMED, "not a certificate")
    check_algorithm(parts[2][2], algorithm)
    return read_serial(parts[1][2]), read_key(parts[6][2])


def read_serial(whole: bytes) -> int:
    """A positive serial number of at most 20 bytes; ``CertificateRefused`` SERIAL."""
    try:
        serial = int.from_bytes(der.read_unsigned(whole, 0, _SERIAL_MAX)[0], "big")
    except BadEncoding:
        serial = 0
    if not serial:
        raise CertificateRefused(Refusal.SERIAL, "a serial number is positive, at most 20 bytes")
    return serial


def read_key(whole: bytes) -> PublicKey:
    """The SM2 key of a SubjectPublicKeyInfo; ``CertificateRefused`` KEY_TYPE."""
    try:
        return load_public_der(whole)
    except BadKey:
        raise CertificateRefused(Refusal.KEY_TYPE, "not a key on the SM2 curve") from None


def check_algorithm(inner: bytes, outer: bytes) -> None:
    """Both places must name SM2-with-SM3 alike; ``CertificateRefused`` SIGNATURE_TYPE."""
    if inner != outer or outer not in ALGORITHMS:
        raise CertificateRefused(Refusal.SIGNATURE_TYPE, "not signed with SM2-with-SM3")


def read_chain(text: str) -> list[Certificate]:
    """Every certificate of a PEM text, in order; at least one. ``CertificateRefused``."""
    blocks = read_labelled(text, {CERTIFICATE_LABEL}, CHAIN_TEXT_MAX)
    if not blocks:
        raise CertificateRefused(Refusal.MALFORMED, "PEM: no certificate")
    return [read_certificate(block) for block in blocks]


def read_labelled(text: str, labels: set[str], size_max: int) -> list[bytes]:
    """The PEM blocks of these labels; other blocks, such as parameters, are skipped."""
    try:
        return [body for label, body in pem.read_blocks(text, size_max) if label in labels]
    except BadEncoding as fault:
        raise CertificateRefused(Refusal.MALFORMED, str(fault)) from None
