"""How long each kind of key lives, as data. Pure.

A period is chosen by what a theft would cost and by what a change costs others: keys that the
trust list names need the root's custodians to meet, so their new version is made long before it
signs.
"""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from crypto.keyring import LISTED_KINDS, KeyKind

DAY = timedelta(days=1)
YEAR = 365 * DAY
ACTIVATION = timedelta(seconds=60)
"""Every process has read the keystore again and accepts a new version before any signs with it."""
OVERLAP = timedelta(seconds=60)
"""A version still protects for so long after its successor began: clocks differ."""
SESSION_LIFE = DAY
"""A session's token is gone by then, so its key may be destroyed."""
LEAD = 14 * DAY
"""Between making a key that others must learn of and its first signature: the root signs a trust
list and readers fetch it; hospitals' systems ask for the keys that sign our answers."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """The calendar of one kind."""

    life: timedelta
    """From the first to the last use."""
    renew_before: timedelta
    """``rotate --due`` makes the next version when less than this is left."""
    warn_before: timedelta
    """A person is called when less than this is left: the scheduled rotation did not happen."""
    lead: timedelta
    """From making a version to its first use, when nobody says otherwise."""
    accepted_after: timedelta | None
    """From the last use until nothing made with the key can still count; None: until destroyed."""
    why: str
    """What bounds ``accepted_after``."""


def _period(
    life: timedelta,
    accepted_after: timedelta | None,
    why: str,
    *,
    lead: timedelta = ACTIVATION,
) -> Period:
    return Period(
        life=life,
        renew_before=30 * DAY,
        warn_before=max(lead, 7 * DAY),
        lead=lead,
        accepted_after=accepted_after,
        why=why,
    )


PERIODS: Mapping[KeyKind, Period] = {
    KeyKind.ISSUER_BOUND: _period(
        90 * DAY, 4 * DAY, "a phone's credential lives 72 hours", lead=LEAD
    ),
    KeyKind.ISSUER_ONCE: _period(90 * DAY, DAY, "a one-time code lives two minutes", lead=LEAD),
    KeyKind.ISSUER_PRINTED: _period(YEAR, 1828 * DAY, "a printed code lives 1,827 days", lead=LEAD),
    KeyKind.CODE_LIST: _period(
        YEAR, 30 * DAY, "a revocation list is replaced every few minutes", lead=LEAD
    ),
    KeyKind.TILL: _period(YEAR, 400 * DAY, "a till's certificate lives at most a year", lead=LEAD),
    KeyKind.INDEX_ROOT: _period(
        YEAR, 1828 * DAY, "the index of a printed code is read for 1,827 days"
    ),
    KeyKind.COLUMN: _period(YEAR, None, "rows are enciphered under it until they are re-keyed"),
    KeyKind.BLIND_INDEX: _period(2 * YEAR, None, "rows are found by it until they are re-keyed"),
    KeyKind.ROW_MAC: _period(YEAR, None, "rows carry its MAC"),
    KeyKind.PUBLIC_ID: _period(2 * YEAR, None, "callers keep the ids; 26 versions there are"),
    KeyKind.TOKEN: _period(90 * DAY, None, "a session ends within a day; then it may be destroyed"),
    KeyKind.TRANSPORT: _period(
        YEAR, 30 * DAY, "an answer's signature is checked at once", lead=LEAD
    ),
    KeyKind.AUDIT: _period(YEAR, None, "checkpoints are checked for as long as they are kept"),
    KeyKind.RECEIPT: _period(YEAR, None, "receipts are checked for as long as they are kept"),
    KeyKind.CERTIFICATE_AUTHORITY: _period(
        5 * YEAR, 5 * YEAR, "certificates live no longer than their authority"
    ),
}
"""Every kind that is rotated."""

FIXED: Mapping[KeyKind, str] = {
    KeyKind.INSTITUTION_PSEUDONYM: (
        "hospitals keep these pseudonyms in their own files for ever, and a pseudonym under "
        "another key would be another patient to them; stolen alone the key tells nothing, "
        "because it is applied to random record ids that never leave the platform"
    ),
}
"""Kinds that are never rotated, and why."""

IN_ROWS = frozenset({KeyKind.COLUMN, KeyKind.BLIND_INDEX, KeyKind.ROW_MAC})
"""Kinds whose use is stored in rows, which are re-keyed in the background after a rotation."""

FIXED_LIFE = 36_500 * DAY


def is_listed(kind: KeyKind) -> bool:
    """Whether the root must vouch for a new version before offline readers take it."""
    return kind in LISTED_KINDS
