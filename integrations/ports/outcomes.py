"""What a call to a partner can end as.

    Outcome
    ├── Accepted(value)   the partner says it is done; ``value`` is in our words
    ├── Rejected(...)     the partner refused for certain; nothing was changed there
    ├── NotSent(why)      nothing reached the partner; the same call may be sent again
    └── Unknown(why)      it may or may not have happened; resolve by query or reversal only

Only an explicit success is Accepted and only an explicit refusal is Rejected. A status that no
table lists, an unreadable or unverifiable answer, a 5xx and a lost answer are all Unknown.
"""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Accepted(msgspec.Struct, Generic[T], frozen=True):
    """The partner did it."""

    value: T


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """The partner refused. ``reason`` is our word; the other two are the partner's, for support."""

    reason: str
    provider_code: str
    provider_text: str


class NotSent(msgspec.Struct, frozen=True):
    """Certainly not sent: connection refused, no route, queue full on our side."""

    why: str


class Unknown(msgspec.Struct, frozen=True):
    """Perhaps done. ``why`` is a fixed word.

    ``answer-lost``, ``answer-invalid``, ``status-unlisted``, or ``answer-contradicts``: the partner
    said yes, with amounts that contradict each other or what was asked. ``evidence`` then holds the
    partner's raw amounts and references by its own field names, for the person who reviews it;
    it never holds names, ID numbers or tokens.
    """

    why: str
    evidence: dict[str, str] = msgspec.field(default_factory=dict)


Outcome = Accepted[T] | Rejected | NotSent | Unknown
