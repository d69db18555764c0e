"""The faults the twin commits on demand; their numbers are claim numbers."""

from enum import StrEnum


class Fault(StrEnum):
    """What may go wrong with one call."""

    DROP_BEFORE = "drop-before"
    """Nothing done, and the connection breaks."""
    DROP_AFTER = "drop-after"
    """Done, and the connection breaks before the answer."""
    ERROR_BEFORE = "error-before"
    """500, nothing done."""
    ERROR_AFTER = "error-after"
    """500, but done."""
    TOO_OFTEN = "too-often"
    """429, nothing done."""
    FORGED = "forged"
    """Done; the answer's signature is over other bytes."""
    GARBLED = "garbled"
    """Done; the answer is rightly signed and no JSON."""
    UNSIGNED = "answer-unsigned"
    """Done; the answer has no signature."""
    MORE = "grants-more"
    """Done as it should be; the answer names a million yuan more than may be."""
    SWAPPED = "answer-swapped"
    """Done; the answer is rightly signed and of another claim."""
    SLOW = "slow"
    """Done, and answered ``delay_ms`` late."""
    LATE = "late"
    """Done, the connection breaks, and questions do not see it before ``delay_ms`` have passed."""
    REFUSE = "refuse"
    """Refused, nothing done."""
    CAP_USED = "cap-used"
    """Before the call is looked at, the policy's year is used up, as by another hospital."""


DRAWN = frozenset(Fault) - {Fault.REFUSE, Fault.CAP_USED}
"""What may happen by chance where nobody names a fault."""
