"""Why a code is refused, and how a good verdict may be marked: one vocabulary for all readers.

The names are part of the format (docs/health-code-format.md, "Order of checks").
"""

from enum import StrEnum

from crypto.errors import BadEncoding


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
