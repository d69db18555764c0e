"""SM2 certificates (GB/T 20518): the signature and the public key, done by ourselves.

``cryptography`` parses the certificate but knows no SM2; OpenSSL verifies one only when told the
user id. Names, validity, CA flag, key usage and revocation are the caller's to judge, from the
parsed certificate.
"""

from cryptography import x509

from crypto import der
from crypto.errors import BadEncoding, BadKey
from crypto.keyfiles import load_public_der
from crypto.sm2 import DEFAULT_ID, PublicKey
from crypto.sm2_backend import Sm2Backend

SM2_WITH_SM3 = "1.2.156.10197.1.501"
PEM_MAX = 1 << 16


def load_certificate(pem: bytes) -> x509.Certificate:
    """Parse one PEM certificate of at most 64 KiB; ``BadEncoding`` otherwise."""
    if len(pem) > PEM_MAX:
        raise BadEncoding("the certificate is too long")
    try:
        return x509.load_pem_x509_certificate(pem)
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
