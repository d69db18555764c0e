"""Verifying a code, in the one order of checks: cheap first, state never touched by a forgery.

One verifier for all kinds, offline as well as on the platform. Whether a code was shown before,
is superseded or frozen is judged by its caller, after this says yes.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from crypto.errors import BadEncoding, BadKey
from crypto.healthcode import text as code_text
from crypto.healthcode.layout import (
    CONTEXT_BIT,
    NO_CONTEXT,
    STEP_S,
    BoundCode,
    Code,
    Head,
    Kind,
    OnceCode,
    Purpose,
    code_id,
    holder_message,
    issuer_message,
    parse,
    purpose_byte,
)
from crypto.healthcode.refusal import CodeRefused, Level, Mark, Refusal
from crypto.healthcode.trust import CLOCK_TOLERANCE, TrustedKey, TrustList
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3

TOLERANCE_S = 30
LIST_FRESH = timedelta(minutes=10)
LIST_USEFUL = timedelta(hours=24)


class CodeList(Protocol):
    """One list of revoked code ids; ``RevocationList`` is one."""

    @property
    def made_at(self) -> datetime:
        """When the list was made."""

    def holds(self, code_id: bytes) -> bool:
        """True if the 16-byte code id is revoked."""


class RevocationView(Protocol):
    """The revocation lists a reader holds; ``RevocationSet`` is one."""

    @property
    def newest_made_at(self) -> datetime | None:
        """When the newest of them was made."""

    def covering(self, head: Head) -> CodeList | None:
        """The list to ask about a code with this head, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What the place that scans wants.

    ``wanted``: IDENTIFY takes a code of any purpose, any other takes only its own. ``context``:
    the open offer's 32 bytes, or None. ``context_required``: refuse codes not bound to it.
    """

    wanted: Purpose = Purpose.IDENTIFY
    context: bytes | None = None
    context_required: bool = False

    def __post_init__(self) -> None:
        """A context has 32 bytes and is not the empty one; to require one, hold one."""
        if self.context is not None and (len(self.context) != 32 or self.context == NO_CONTEXT):
            raise BadEncoding("a context has 32 bytes, not all zero")
        if self.context_required and self.context is None:
            raise BadEncoding("no open offer to require a context of")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome. ``refusal`` None means the code holds.

    ``code`` is there as soon as the form is right, even if refused. ``off_by_s`` says by how much
    a time check failed. ``level`` and ``marks`` belong to an accepted code. So does
    ``not_revoked_as_of``: when the revocation list was made that was asked, None if none was.
    """

    refusal: Refusal | None
    code: Code | None = None
    code_id: bytes | None = None
    level: Level | None = None
    marks: tuple[Mark, ...] = ()
    off_by_s: int | None = None
    not_revoked_as_of: datetime | None = None

    @property
    def holds(self) -> bool:
        """True if the code is accepted."""
        return self.refusal is None


class CodeVerifier:
    """Verifies against one trust list. Keeps only a bounded memory of good bound credentials."""

    def __init__(self, trust: TrustList, *, remembered_max: int = 4096) -> None:
        self._trust = trust
        self._remembered_max = remembered_max
        self._remembered: OrderedDict[bytes, PublicKey] = OrderedDict()

    def verify(
        self,
        text: str,
        reader: Reader,
        now: datetime,
        revocations: RevocationView | None = None,
    ) -> Verdict:
        """The verdict on a scanned text. Never raises for hostile text.

        ``now`` is an aware instant. Without ``revocations`` the list counts as too old.
        """
        try:
            code = parse(code_text.decode(text))
        except CodeRefused as refused:
            return Verdict(refusal=refused.refusal)
        except BadEncoding:
            return Verdict(refusal=Refusal.CODE_MALFORMED)
        if revocations is not None and _is_clock_behind(revocations, now):
            return Verdict(refusal=Refusal.CLOCK_UNSURE, code=code)
        verdict = self._check_time_and_use(code, reader, now)
        if not verdict.holds:
            return verdict
        refusal = self._check_signatures(code, reader)
        if refusal is not None:
            return Verdict(refusal=refusal, code=code)
        return _check_revocation(replace(verdict, code_id=code_id(code)), code, now, revocations)

    def _check_time_and_use(self, code: Code, reader: Reader, now: datetime) -> Verdict:
        """Checks 3 to 7: all that needs no signature."""
        refusal = self._trust.staleness(now)
        if refusal is not None:
            return Verdict(refusal=refusal, code=code)
        refusal = _check_key(self._trust.keys.get(code.head.key_id), code, now)
        if refusal is not None:
            return Verdict(refusal=refusal, code=code)
        verdict = _check_times(code, int(now.timestamp()))
        if not verdict.holds:
            return verdict
        if not _purpose_fits(code, reader):
            return Verdict(refusal=Refusal.PURPOSE_MISMATCH, code=code)
        marks = (Mark.TRUST_LIST_OLD,) if now >= self._trust.next_at else ()
        level = Level.IDENTIFIED if code.head.kind is Kind.PRINTED else Level.PRESENT
        return Verdict(refusal=None, code=code, level=level, marks=marks)

    def _check_signatures(self, code: Code, reader: Reader) -> Refusal | None:
        """Checks 8 and 9. Remembers a credential only when both its signatures held."""
        key = self._trust.keys[code.head.key_id].public
        context = _context(code, reader)
        if not isinstance(code, BoundCode):
            if key.verify(issuer_message(code, context), code.issuer_signature):
                return None
            bound = isinstance(code, OnceCode) and code.purpose_byte & CONTEXT_BIT
            return Refusal.CONTEXT_MISMATCH if bound else Refusal.ISSUER_SIGNATURE
        name = sm3(code.credential())
        holder = self._remembered.get(name)
        if holder is None:
            if not key.verify(issuer_message(code, context), code.issuer_signature):
                return Refusal.ISSUER_SIGNATURE
            try:
                holder = PublicKey.from_bytes(code.holder_key, allow_compressed=True)
            except BadKey:
                return Refusal.HOLDER_KEY
        if not holder.verify(holder_message(code, context), code.holder_signature):
            bound = code.purpose_byte & CONTEXT_BIT
            return Refusal.CONTEXT_MISMATCH if bound else Refusal.HOLDER_SIGNATURE
        self._remember(name, holder)
        return None

    def _remember(self, name: bytes, holder: PublicKey) -> None:
        """Expiry needs no care here: the time checks come first, every time."""
        self._remembered.pop(name, None)
        self._remembered[name] = holder
        if len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)


def _is_clock_behind(revocations: RevocationView, now: datetime) -> bool:
    """Check 3 for the revocation lists, which are made all day and reach readers in seconds."""
    newest = revocations.newest_made_at
    return newest is not None and now + CLOCK_TOLERANCE < newest


def _check_key(key: TrustedKey | None, code: Code, now: datetime) -> Refusal | None:
    if key is None:
        return Refusal.KEY_UNKNOWN
    if not key.covers_head(code.head):
        return Refusal.KEY_NOT_FOR_KIND
    if not key.stands_for(code.head.issued, now):
        return Refusal.KEY_CLOSED
    return None


def _check_times(code: Code, now: int) -> Verdict:
    """Checks 5 and 6, in whole seconds."""
    head = code.head
    if head.issued > now + TOLERANCE_S:
        return Verdict(refusal=Refusal.NOT_YET_VALID, code=code, off_by_s=head.issued - now)
    if now >= head.expires + TOLERANCE_S:
        return Verdict(refusal=Refusal.EXPIRED, code=code, off_by_s=now - head.expires)
    if isinstance(code, BoundCode):
        behind = now // STEP_S - code.step
        if behind > 1:
            return Verdict(
                refusal=Refusal.STEP_OLD, code=code, off_by_s=now - (code.step + 1) * STEP_S
            )
        if behind < -1:
            return Verdict(refusal=Refusal.STEP_AHEAD, code=code, off_by_s=code.step * STEP_S - now)
    return Verdict(refusal=None)


def _purpose_fits(code: Code, reader: Reader) -> bool:
    byte = purpose_byte(code)
    purpose, bound = byte & ~CONTEXT_BIT, byte & CONTEXT_BIT
    if purpose not in Purpose.__members__.values():
        return False
    if reader.wanted not in {Purpose.IDENTIFY, purpose}:
        return False
    return reader.context is not None if bound else not reader.context_required


def _context(code: Code, reader: Reader) -> bytes:
    """The open offer's context for a code that says it is bound, zeros otherwise."""
    bound = purpose_byte(code) & CONTEXT_BIT
    return reader.context if bound and reader.context is not None else NO_CONTEXT


def _check_revocation(
    verdict: Verdict, code: Code, now: datetime, revocations: RevocationView | None
) -> Verdict:
    """Check 10. One-time codes never enter the list: their life is shorter than its making."""
    if code.head.kind is Kind.ONCE:
        return verdict
    listed = None if revocations is None else revocations.covering(code.head)
    if listed is None:
        return _marked(verdict, lowers=True)
    if listed.holds(code_id(code)):
        return Verdict(refusal=Refusal.REVOKED, code=code, code_id=verdict.code_id)
    verdict = replace(verdict, not_revoked_as_of=listed.made_at)
    age = now - listed.made_at
    if age <= LIST_FRESH:
        return verdict
    return _marked(verdict, lowers=age > LIST_USEFUL)


def _marked(verdict: Verdict, *, lowers: bool) -> Verdict:
    level = Level.IDENTIFIED if lowers else verdict.level
    return replace(verdict, marks=(*verdict.marks, Mark.LIST_OLD), level=level)
