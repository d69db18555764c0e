"""The DER that certificates, requests and revocation lists share: algorithm, names, times.

``cryptography`` writes names and extension values; what it refuses to do for SM2 (the key, the
algorithm, the frame around them) is a few elements, written here.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from crypto import der
from crypto.certificates.refusal import CertificateRefused, Refusal
from crypto.errors import BadEncoding
from crypto.signing import Signer
from crypto.sm2 import PublicKey, raw_to_der
from crypto.sm3 import sm3

SM2_WITH_SM3 = "1.2.156.10197.1.501"
NAME_PART_MAX = 64
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
BOOLEAN_TRUE = bytes.fromhex("0101ff")
_SM2_WITH_SM3_OID = der.write(der.OID, bytes.fromhex("2a811ccf55018375"))
ALGORITHM = der.write(der.SEQUENCE, _SM2_WITH_SM3_OID)
ALGORITHMS = frozenset({ALGORITHM, der.write(der.SEQUENCE, _SM2_WITH_SM3_OID + b"\x05\x00")})
"""The parameters are absent; some authorities write NULL."""


def make_name(common_name: str, organization: str = "", unit: str = "") -> x509.Name:
    """C=CN, then what is given, most general first; UTF8String except for the country.

    ``BadEncoding`` when a part is longer than 64 characters or there is no common name.
    """
    parts = [
        (NameOID.ORGANIZATION_NAME, organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        (NameOID.COMMON_NAME, common_name),
    ]
    if not common_name or any(len(text) > NAME_PART_MAX for _, text in parts):
        raise BadEncoding("a part of a certificate's name has 1 to 64 characters")
    country = [x509.NameAttribute(NameOID.COUNTRY_NAME, "CN")]
    return x509.Name([*country, *(x509.NameAttribute(oid, text) for oid, text in parts if text)])


def key_identifier(public: PublicKey) -> bytes:
    """The leftmost 20 bytes of SM3 over the point (RFC 7093 method 1, with SM3)."""
    return sm3(public.to_bytes())[:20]


def write_time(at: datetime) -> bytes:
    """UTCTime before 2050, GeneralizedTime from then on; whole seconds."""
    at = at.astimezone(UTC).replace(microsecond=0)
    if not 1950 <= at.year <= 9999:
        raise BadEncoding("a certificate's time is in 1950 to 9999")
    if at.year < 2050:
        return der.write(UTC_TIME, at.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return der.write(GENERALIZED_TIME, at.strftime("%Y%m%d%H%M%SZ").encode("ascii"))


def write_extensions(extensions: Iterable[tuple[x509.ExtensionType, bool]]) -> bytes:
    """``SEQUENCE OF { oid, critical DEFAULT FALSE, OCTET STRING }`` of (value, critical)."""
    out = b""
    for value, critical in extensions:
        body = write_oid(value.oid) + (BOOLEAN_TRUE if critical else b"")
        out += der.write(der.SEQUENCE, body + der.write(der.OCTETS, value.public_bytes()))
    return der.write(der.SEQUENCE, out)


def write_oid(oid: x509.ObjectIdentifier) -> bytes:
    """An OBJECT IDENTIFIER element."""
    first, second, *rest = (int(arc) for arc in oid.dotted_string.split("."))
    body = bytearray()
    for arc in (first * 40 + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        body += bytes(reversed(digits))
    return der.write(der.OID, bytes(body))


def sign_frame(body: bytes, signer: Signer) -> bytes:
    """``SEQUENCE { body, SM2-with-SM3, signature }``; the signature is checked once made."""
    signature = signer.sign(body)
    if not signer.public.verify(body, signature):
        raise CertificateRefused(Refusal.BAD_SIGNATURE, "the signer's own signature fails")
    bits = der.write(der.BITS, b"\0" + raw_to_der(signature))
    return der.write(der.SEQUENCE, body + ALGORITHM + bits)


@contextmanager
def well_formed() -> Iterator[None]:
    """What strict DER refuses is MALFORMED here."""
    try:
        yield
    except BadEncoding as fault:
        raise CertificateRefused(Refusal.MALFORMED, str(fault)) from None


def open_frame(blob: bytes) -> tuple[bytes, bytes, bytes]:
    """The reverse, unverified: (body whole, algorithm whole, DER signature).

    ``CertificateRefused``: MALFORMED or TRAILING_BYTES.
    """
    with well_formed():
        content, end = der.read(blob, 0, der.SEQUENCE)
        parts = der.elements(content, 3)
    if end != len(blob):
        raise CertificateRefused(Refusal.TRAILING_BYTES, "bytes behind the end")
    if [tag for tag, _, _ in parts] != [der.SEQUENCE, der.SEQUENCE, der.BITS]:
        raise CertificateRefused(Refusal.MALFORMED, "not a signed structure")
    bits = parts[2][1]
    if not bits or bits[0]:
        raise CertificateRefused(Refusal.MALFORMED, "the signature is not whole bytes")
    return parts[0][2], parts[1][2], bits[1:]
