"""Pure decisions about codes and scans."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from crypto.healthcode.layout import Purpose
from crypto.healthcode.refusal import Refusal
from crypto.healthcode.trust import TrustList, trust_list_of
from crypto.keyring import LISTED_KINDS, KeyRing
from service.healthcode import problems
from service.healthcode.model import (
    CodeCard,
    CodeState,
    CodeUse,
    IssuedState,
    PhoneRow,
    PhoneState,
    Scan,
    ScanLevel,
    ScanPurpose,
    Shown,
)
from service.kernel.principals import Terminal
from service.kernel.problems import NotFound, Problem
from service.person.identity.texts import age_on

CARD = 0
EPOCH_MAX = 0xFFFF
SCAN_LIFE = timedelta(hours=12)
"""A scan is a handle for one visit."""
PHONES_MAX = 5
"""Active at once; the table's slots are as many."""
CREDENTIALS_MAX = 4
"""Unexpired of one phone: what a reader without network would take."""
PRINTED_MAX = 10
"""Printed codes of one record that still resolve."""
KEPT_KINDS = frozenset({Shown.BOUND, Shown.PRINTED})
"""Noted when issued, so that each can be revoked by itself."""
KNOWN_WITHIN_S = 15.0
"""From the time by which a scan is listed to the end of its commit; a longer one is cut off."""
CLOCKS_APART = timedelta(seconds=5)
SETTLED_AFTER = timedelta(seconds=KNOWN_WITHIN_S) + CLOCKS_APART
"""No scan is still being committed with an earlier time than this, by whichever host's clock."""

YEAR_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = datetime(2100, 1, 1, tzinfo=UTC)
PURPOSES: Mapping[ScanPurpose, Purpose] = {
    ScanPurpose.IDENTIFY: Purpose.IDENTIFY,
    ScanPurpose.REGISTER: Purpose.REGISTER,
    ScanPurpose.PAY: Purpose.PAY,
}
REFUSALS: Mapping[Refusal, type[Problem]] = {
    Refusal.CODE_MALFORMED: problems.CodeMalformed,
    Refusal.CODE_UNSUPPORTED: problems.CodeUnsupported,
    Refusal.CLOCK_UNSURE: problems.ClockUnsure,
    Refusal.TRUST_LIST_EXPIRED: problems.TrustListExpired,
    Refusal.KEY_UNKNOWN: problems.CodeKeyUnknown,
    Refusal.KEY_NOT_FOR_KIND: problems.CodeKeyNotForKind,
    Refusal.KEY_CLOSED: problems.CodeKeyClosed,
    Refusal.NOT_YET_VALID: problems.CodeNotYetValid,
    Refusal.EXPIRED: problems.CodeExpired,
    Refusal.STEP_OLD: problems.CodeStepOld,
    Refusal.STEP_AHEAD: problems.CodeStepAhead,
    Refusal.PURPOSE_MISMATCH: problems.CodePurposeMismatch,
    Refusal.ISSUER_SIGNATURE: problems.CodeSignatureWrong,
    Refusal.HOLDER_KEY: problems.CodeHolderKeyWrong,
    Refusal.HOLDER_SIGNATURE: problems.CodeHolderSignatureWrong,
    Refusal.CONTEXT_MISMATCH: problems.CodeContextMismatch,
    Refusal.REVOKED: problems.CodeRevoked,
    Refusal.ALREADY_SHOWN: problems.CodeAlreadyUsed,
    Refusal.SUPERSEDED: problems.CodeSuperseded,
    Refusal.FROZEN: problems.CodeFrozen,
    Refusal.NO_SUCH_CARD: problems.CodeNoSuchCard,
}


def problem_of(refusal: Refusal, off_by_s: int | None) -> Problem:
    """The problem of a refusal; a time check says by how many seconds it failed."""
    kind = REFUSALS[refusal]
    return kind() if off_by_s is None else kind(off_by_s=off_by_s)


def trust_of(ring: KeyRing) -> TrustList:
    """The platform's own trust list: the ring's listed keys with their windows and cut-offs."""
    listed = [key for key in ring.keys if key.kind in LISTED_KINDS]
    made_at = min(key.use_from for key in listed)
    return trust_list_of(ring, sequence=1, made_at=made_at, next_at=_FAR)


def check_card(card: CodeCard | None, epoch: int, *, person_frozen: bool) -> None:
    """Check 13 of the format. Raises ``CodeNoSuchCard``, ``CodeSuperseded``, ``CodeFrozen``."""
    if card is None or card.state is CodeState.CANCELLED:
        raise problems.CodeNoSuchCard
    if card.epoch != epoch:
        raise problems.CodeSuperseded
    if person_frozen or card.state is CodeState.FROZEN:
        raise problems.CodeFrozen


def check_issued(shown: Shown, state: IssuedState | None) -> None:
    """Check 10 of the format, by the row of a kind that is kept when issued.

    A code that nobody noted was made by a stolen key or before a restore: it counts for nothing.
    Raises ``CodeNoSuchCard``, ``CodeRevoked``, ``CodeSuperseded``.
    """
    if shown not in KEPT_KINDS or state is IssuedState.LIVE:
        return
    if state is None:
        raise problems.CodeNoSuchCard
    if state is IssuedState.REVOKED:
        raise problems.CodeRevoked
    raise problems.CodeSuperseded


def free_slot(slots: Sequence[int], over: Sequence[int]) -> int:
    """The lowest empty place for one phone more, else the first of ``over``.

    ``slots`` are places of phones that show codes, ``over`` of phones that no longer do.
    Raises ``PhoneLimitReached``.
    """
    empty = set(range(PHONES_MAX)) - set(slots) - set(over)
    if empty:
        return min(empty)
    if over:
        return over[0]
    raise problems.PhoneLimitReached


def slot_of_renewed(phone: PhoneRow | None, expiries: Sequence[datetime], now: datetime) -> int:
    """The place of a phone that may renew now; ``expiries`` of its unexpired credentials.

    Raises ``NotFound``, ``PhoneReplaced``, ``PhoneRevoked``, ``PhoneCredentialsUsedUp``.
    """
    if phone is None:
        raise NotFound
    if phone.state is PhoneState.REPLACED:
        raise problems.PhoneReplaced
    if phone.state is PhoneState.REVOKED:
        raise problems.PhoneRevoked
    if len(expiries) >= CREDENTIALS_MAX:
        wait = min(expiries) - now
        raise problems.PhoneCredentialsUsedUp(retry_after_s=max(1, int(wait.total_seconds())))
    return phone.slot


def is_same_request(use: CodeUse, terminal: Terminal, request_key: str, rise: int) -> bool:
    """Whether the use was by this very request, repeated because its answer was lost."""
    return (use.terminal_id, use.request_key, use.rise) == (
        terminal.terminal_id,
        request_key,
        rise,
    )


def bills_visible(scan: Scan, terminal: Terminal) -> bool:
    """Staff see bills at a desk; a public kiosk only after a code that was shown just now."""
    return not terminal.public_place or scan.level is ScanLevel.PRESENT


def age(birth_date: date | None, today: date) -> int | None:
    """Full years, where the birth date is known."""
    return None if birth_date is None else age_on(birth_date, today)
