"""Pure decisions about codes and scans."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from crypto.healthcode.layout import Purpose
from crypto.healthcode.refusal import Refusal
from crypto.healthcode.trust import TrustList, trust_list_of
from crypto.keyring import LISTED_KINDS, KeyRing
from service.healthcode import problems
from service.healthcode.model import CodeCard, CodeState, CodeUse, Scan, ScanLevel, ScanPurpose
from service.kernel.principals import Terminal
from service.kernel.problems import Problem
from service.person.identifiers import age_on

CARD = 0
EPOCH_MAX = 0xFFFF
SCAN_LIFE = timedelta(hours=12)
"""A scan is a handle for one visit."""
SETTLED_AFTER = timedelta(seconds=2)
"""No scan is still being committed with an earlier time than this."""

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


def is_same_request(use: CodeUse, terminal: Terminal, request_key: str) -> bool:
    """Whether the use was by this very request, repeated because its answer was lost."""
    return use.terminal_id == terminal.terminal_id and use.request_key == request_key


def bills_visible(scan: Scan, terminal: Terminal) -> bool:
    """Staff see bills at a desk; a public kiosk only after a code that was shown just now."""
    return not terminal.public_place or scan.level is ScanLevel.PRESENT


def age(birth_date: date | None, today: date) -> int | None:
    """Full years, where the birth date is known."""
    return None if birth_date is None else age_on(birth_date, today)
