"""Why a code is refused, and how a good verdict may be marked: one vocabulary for all readers.

The names are part of the format (docs/health-code-format.md, "Order of checks").
"""

from enum import StrEnum

from crypto.errors import BadEncoding, CryptoError


class Refusal(StrEnum):
    """The checks in their order. The last five are judged by who keeps the state."""

    CODE_MALFORMED = "CODE_MALFORMED"
    CODE_UNSUPPORTED = "CODE_UNSUPPORTED"
    CLOCK_UNSURE = "CLOCK_UNSURE"
    TRUST_LIST_EXPIRED = "TRUST_LIST_EXPIRED"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_NOT_FOR_KIND = "KEY_NOT_FOR_KIND"
    KEY_CLOSED = "KEY_CLOSED"
    NOT_YET_VALID = "NOT_YET_VALID"
    EXPIRED = "EXPIRED"
    STEP_OLD = "STEP_OLD"
    STEP_AHEAD = "STEP_AHEAD"
    PURPOSE_MISMATCH = "PURPOSE_MISMATCH"
    ISSUER_SIGNATURE = "ISSUER_SIGNATURE"
    HOLDER_KEY = "HOLDER_KEY"
    HOLDER_SIGNATURE = "HOLDER_SIGNATURE"
    CONTEXT_MISMATCH = "CONTEXT_MISMATCH"
    REVOKED = "REVOKED"
    ALREADY_SHOWN = "ALREADY_SHOWN"
    SUPERSEDED = "SUPERSEDED"
    FROZEN = "FROZEN"
    NO_SUCH_CARD = "NO_SUCH_CARD"


class ListRefusal(StrEnum):
    """Why a trust list or a revocation list is not taken, in the order of the checks."""

    LIST_MALFORMED = "LIST_MALFORMED"
    LIST_UNSUPPORTED = "LIST_UNSUPPORTED"
    CLOCK_UNSURE = "CLOCK_UNSURE"
    TRUST_LIST_EXPIRED = "TRUST_LIST_EXPIRED"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_NOT_FOR_USE = "KEY_NOT_FOR_USE"
    KEY_CLOSED = "KEY_CLOSED"
    LIST_SIGNATURE = "LIST_SIGNATURE"
    LIST_ROLLED_BACK = "LIST_ROLLED_BACK"
    LIST_WRONG_BASE = "LIST_WRONG_BASE"


class OfferRefusal(StrEnum):
    """Why an offer or a till certificate is not taken, in the order of the checks."""

    OFFER_MALFORMED = "OFFER_MALFORMED"
    OFFER_UNSUPPORTED = "OFFER_UNSUPPORTED"
    TILL_MALFORMED = "TILL_MALFORMED"
    TILL_KEY = "TILL_KEY"
    CLOCK_UNSURE = "CLOCK_UNSURE"
    TRUST_LIST_EXPIRED = "TRUST_LIST_EXPIRED"
    TILL_UNKNOWN = "TILL_UNKNOWN"
    KEY_NOT_FOR_USE = "KEY_NOT_FOR_USE"
    KEY_CLOSED = "KEY_CLOSED"
    TILL_NOT_YET_VALID = "TILL_NOT_YET_VALID"
    TILL_EXPIRED = "TILL_EXPIRED"
    OFFER_NOT_YET_VALID = "OFFER_NOT_YET_VALID"
    OFFER_EXPIRED = "OFFER_EXPIRED"
    TILL_SIGNATURE = "TILL_SIGNATURE"
    OFFER_SIGNATURE = "OFFER_SIGNATURE"
    OFFER_ELSEWHERE = "OFFER_ELSEWHERE"


class Mark(StrEnum):
    """What a reader must be told beside an accepted code."""

    LIST_OLD = "LIST_OLD"
    TRUST_LIST_OLD = "TRUST_LIST_OLD"
    INDEX_UNREADABLE = "INDEX_UNREADABLE"


class Level(StrEnum):
    """What an accepted code proves."""

    PRESENT = "present"
    IDENTIFIED = "identified"


class CodeRefused(BadEncoding):
    """Bytes that are no code of this format: ``CODE_MALFORMED`` or ``CODE_UNSUPPORTED``."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


class ListRefused(CryptoError):
    """A list that a reader does not take; the one it holds stays in force."""

    def __init__(self, refusal: ListRefusal) -> None:
        super().__init__(f"the list is not taken: {refusal.value}")
        self.refusal = refusal


class OfferRefused(CryptoError):
    """An offer that a phone does not show, or a till certificate that nobody takes."""

    def __init__(self, refusal: OfferRefusal) -> None:
        super().__init__(f"the offer is not taken: {refusal.value}")
        self.refusal = refusal
