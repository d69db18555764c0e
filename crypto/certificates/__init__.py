"""SM2 X.509 (GB/T 20518): certificates, requests and revocation lists, made and judged.

``reading`` and ``request`` read what comes from outside, ``issue`` and ``revocation`` make what we
publish, ``path`` judges a caller's certificate. Bytes in, bytes out: no files, no clock.
"""

from crypto.certificates.encoding import SM2_WITH_SM3, key_identifier, make_name
from crypto.certificates.issue import Order, Profile, issue, issue_root, new_serial
from crypto.certificates.path import Anchors, Path, check_path
from crypto.certificates.reading import (
    Certificate,
    certificate_public_key,
    is_signed_by,
    load_certificate,
    read_certificate,
    read_chain,
)
from crypto.certificates.refusal import CertificateRefused, Refusal
from crypto.certificates.request import Request, make_request, read_request
from crypto.certificates.revocation import (
    Crl,
    CrlOrder,
    Reason,
    Revoked,
    issue_crl,
    read_crl,
    read_crls,
)

__all__ = [
    "SM2_WITH_SM3",
    "Anchors",
    "Certificate",
    "CertificateRefused",
    "Crl",
    "CrlOrder",
    "Order",
    "Path",
    "Profile",
    "Reason",
    "Refusal",
    "Request",
    "Revoked",
    "certificate_public_key",
    "check_path",
    "is_signed_by",
    "issue",
    "issue_crl",
    "issue_root",
    "key_identifier",
    "load_certificate",
    "make_name",
    "make_request",
    "new_serial",
    "read_certificate",
    "read_chain",
    "read_crl",
    "read_crls",
    "read_request",
]
