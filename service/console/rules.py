"""Pure decisions of the console: rights, second factors, locks, the ends of sessions."""

import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from service.console.model import OperatorRow, OperatorState, Right, Role

RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.STEWARD: frozenset({Right.QUEUE, Right.PERSONS, Right.FIGURES}),
    Role.FINANCE: frozenset({Right.MONEY}),
    Role.AUDITOR: frozenset({Right.QUEUE, Right.FIGURES, Right.MONEY, Right.OPERATORS, Right.ACTS}),
    Role.ADMIN: frozenset({Right.OPERATORS}),
}
NAME_FORM = re.compile(r"[a-z][a-z0-9.-]{1,39}", re.ASCII)
FACTOR_BYTES = 20
"""RFC 4226 recommends as many as SHA-1 gives. Every authenticator app computes SHA-1, six digits
and 30 seconds; few compute anything else."""
STEP_S = 30
DRIFT_STEPS = 1
"""A phone's clock may be off by so many steps, either way (RFC 6238 section 5.2)."""
WAITS = (0, 0, 5, 30)
"""Seconds until the next try, after so many refused ones less one."""
LOCKED_FOR = timedelta(minutes=15)
"""After more refused tries than that."""
IDLE_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=8)
SEEN_EVERY = timedelta(minutes=1)
"""A session's use is written down no oftener."""


def rights_of(roles: Iterable[str]) -> frozenset[Right]:
    """All that these roles may do."""
    return frozenset[Right]().union(*(RIGHTS[Role(role)] for role in roles))


def factor_of(secret: bytes) -> TOTP:
    """The second factor with this secret."""
    # SHA-1 is what RFC 6238 names and apps compute; its collisions do not concern an HMAC.
    return TOTP(secret, 6, SHA1(), STEP_S)  # noqa: S303


def step_of(secret: bytes, code: str, now: datetime) -> int | None:
    """The step whose code this is, about now; None where it is none's."""
    factor, present = factor_of(secret), int(now.timestamp()) // STEP_S
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        if hmac.compare_digest(factor.generate(step * STEP_S), code.encode()):
            return step
    return None


def locked_after(failures: int, now: datetime) -> datetime | None:
    """Until when nothing is looked at, after so many refused sign-ins in a row."""
    if failures > len(WAITS):
        return now + LOCKED_FOR
    wait_s = WAITS[failures - 1] if failures else 0
    return now + timedelta(seconds=wait_s) if wait_s else None


def session_ends(row: OperatorRow) -> datetime | None:
    """When the session ends at the latest; None where there is none."""
    return None if row.session_began_at is None else row.session_began_at + SESSION_LIFE


def is_signed_in(row: OperatorRow, now: datetime) -> bool:
    """Whether the session goes on: not ended, not unused for too long, of one who may sign in."""
    ends, seen = session_ends(row), row.session_seen_at
    if row.state is not OperatorState.ACTIVE or ends is None or seen is None:
        return False
    return now < ends and now < seen + IDLE_LIFE
