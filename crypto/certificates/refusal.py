"""Why a certificate, a request or a revocation list is refused: one word for each check."""

from enum import StrEnum

from crypto.errors import BadEncoding


class Refusal(StrEnum):
    """Each check of a certificate path has its own word."""

    MALFORMED = "MALFORMED"
    TRAILING_BYTES = "TRAILING_BYTES"
    VERSION = "VERSION"
    SERIAL = "SERIAL"
    SIGNATURE_TYPE = "SIGNATURE_TYPE"
    """Signed with another algorithm than SM2-with-SM3."""
    KEY_TYPE = "KEY_TYPE"
    """Holds another key than one on the SM2 curve."""
    PROOF = "PROOF"
    """A request that the key in it did not sign."""
    UNKNOWN_CRITICAL = "UNKNOWN_CRITICAL"
    NOT_YET_VALID = "NOT_YET_VALID"
    EXPIRED = "EXPIRED"
    NOT_A_CA = "NOT_A_CA"
    WRONG_USAGE = "WRONG_USAGE"
    PATH_LENGTH = "PATH_LENGTH"
    CHAIN_TOO_LONG = "CHAIN_TOO_LONG"
    UNKNOWN_ISSUER = "UNKNOWN_ISSUER"
    NAME_MISMATCH = "NAME_MISMATCH"
    """The issuer's key is known, but under another name."""
    SUBJECT_MISMATCH = "SUBJECT_MISMATCH"
    USER_ID = "USER_ID"
    """Signed under the empty user id, as an unprepared OpenSSL 3.0 does."""
    BAD_SIGNATURE = "BAD_SIGNATURE"
    REVOKED = "REVOKED"
    CRL_MISSING = "CRL_MISSING"
    CRL_NOT_YET_VALID = "CRL_NOT_YET_VALID"
    CRL_EXPIRED = "CRL_EXPIRED"
    CRL_SIGNATURE = "CRL_SIGNATURE"
    CRL_UNKNOWN_CRITICAL = "CRL_UNKNOWN_CRITICAL"


EMPTY_USER_ID = (
    "signed under the empty user id; with OpenSSL, sign with -sigopt distid:1234567812345678"
)


class CertificateRefused(BadEncoding):
    """``refusal`` says which check failed; the message names no person and no key."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(f"{refusal}: {message}")
        self.refusal = refusal
