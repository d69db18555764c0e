"""Certificate requests (PKCS#10): made by a holder, read with the proof that he holds the key."""

from dataclasses import dataclass

from cryptography import x509

from crypto import der, pem
from crypto.certificates.encoding import open_frame, sign_frame, well_formed
from crypto.certificates.reading import check_algorithm, read_key, read_labelled, refusing
from crypto.certificates.refusal import EMPTY_USER_ID, CertificateRefused, Refusal
from crypto.keyfiles import write_public_der
from crypto.signing import Signer
from crypto.sm2 import PublicKey

REQUEST_MAX = 1 << 14
_LABELS = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}
_NO_ATTRIBUTES = b"\xa0\x00"


@dataclass(frozen=True, slots=True)
class Request:
    """A key whose holder signed for it, and the name he asks for; no name binds the issuer."""

    subject: x509.Name
    public: PublicKey


def make_request(subject: x509.Name, signer: Signer) -> str:
    """A PEM request without attributes."""
    body = der.write(
        der.SEQUENCE,
        der.write(der.INTEGER, b"\0")
        + subject.public_bytes()
        + write_public_der(signer.public)
        + _NO_ATTRIBUTES,
    )
    return pem.write_block("CERTIFICATE REQUEST", sign_frame(body, signer))


def read_request(text: str) -> Request:
    """Read one PEM request and check its proof of possession.

    ``CertificateRefused`` (MALFORMED, TRAILING_BYTES, SIGNATURE_TYPE, KEY_TYPE, USER_ID, PROOF).
    """
    blocks = read_labelled(text, _LABELS, 2 * REQUEST_MAX)
    if len(blocks) != 1 or len(blocks[0]) > REQUEST_MAX:
        raise CertificateRefused(Refusal.MALFORMED, "PEM: not one certificate request")
    body, algorithm, signature = open_frame(blocks[0])
    with well_formed():
        parts = der.elements(der.read_whole(body, der.SEQUENCE), 4)
    if [tag for tag, _, _ in parts] != [der.INTEGER, der.SEQUENCE, der.SEQUENCE, 0xA0]:
        raise CertificateRefused(Refusal.MALFORMED, "not a certificate request")
    if parts[0][1] != b"\0":
        raise CertificateRefused(Refusal.MALFORMED, "not a certificate request of version 1")
    check_algorithm(algorithm, algorithm)
    public = read_key(parts[2][2])
    if not public.verify_der(body, signature):
        if public.verify_der(body, signature, b""):
            raise CertificateRefused(Refusal.USER_ID, EMPTY_USER_ID)
        raise CertificateRefused(Refusal.PROOF, "the key in the request did not sign it")
    with refusing("certificate request"):
        return Request(x509.load_der_x509_csr(blocks[0]).subject, public)
