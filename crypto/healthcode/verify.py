"""Verifying a code, in the one order of checks: cheap first, state never touched by a forgery.

One verifier for all kinds, offline as well as on the platform. Whether a code was shown before,
is superseded or frozen is judged by its caller, after this says yes.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from crypto.errors import BadEncoding, BadKey
from crypto.healthcode import text as code_text
from crypto.healthcode.layout import (
    CONTEXT_BIT,
    CREDENTIAL_SIZE,
    NO_CONTEXT,
    STEP_S,
    BoundCode,
    Code,
    Head,
    Kind,
    OnceCode,
    Purpose,
    code_id_in,
    holder_message_in,
    issuer_message_in,
    parse,
    purpose_byte,
)
from crypto.healthcode.refusal import CodeRefused, Level, Mark, Refusal
from crypto.healthcode.trust import CLOCK_TOLERANCE, TrustedKey, TrustList
from crypto.sm2 import PublicKey

TOLERANCE_S = 30
LIST_FRESH = timedelta(minutes=10)
LIST_USEFUL = timedelta(hours=24)
_PURPOSES = frozenset(map(int, Purpose))


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


class Verdict(NamedTuple):
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


class _Reading(NamedTuple):
    """A code that may hold, as far as its bytes and the clock can tell."""

    raw: bytes
    code: Code


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

        ``now`` is an aware instant, judged in whole seconds. Without ``revocations`` the list
        counts as too old.
        """
        return self.verify_all([text], reader, now, revocations)[0]

    def verify_all(
        self,
        texts: Iterable[str],
        reader: Reader,
        now: datetime,
        revocations: RevocationView | None = None,
    ) -> list[Verdict]:
        """The verdicts on many texts, in their order; otherwise as ``verify``.

        Step by step and not text by text: behind every signature the processor's caches hold
        nothing of the other steps, which then take up to five times as long.
        """
        now = now.replace(microsecond=0)
        readings = [self._read(text, reader, now, revocations) for text in texts]
        signed = [
            found if isinstance(found, Verdict) else self._check_signatures(found, reader)
            for found in readings
        ]
        return [
            found if isinstance(found, Verdict) else self._check_revocation(found, now, revocations)
            for found in signed
        ]

    def _read(
        self, text: str, reader: Reader, now: datetime, revocations: RevocationView | None
    ) -> _Reading | Verdict:
        """Checks 1 to 7: all that needs no signature."""
        try:
            raw = code_text.decode(text)
            code = parse(raw)
        except CodeRefused as refused:
            return Verdict(refusal=refused.refusal)
        except BadEncoding:
            return Verdict(refusal=Refusal.CODE_MALFORMED)
        if revocations is not None and _is_clock_behind(revocations, now):
            return Verdict(refusal=Refusal.CLOCK_UNSURE, code=code)
        refused_early = self._check_time_and_use(code, reader, now)
        return refused_early or _Reading(raw, code)

    def _check_time_and_use(self, code: Code, reader: Reader, now: datetime) -> Verdict | None:
        """Checks 3 to 7. None if the code passes."""
        refusal = self._trust.staleness(now)
        if refusal is not None:
            return Verdict(refusal=refusal, code=code)
        refusal = _check_key(self._trust.keys.get(code.head.key_id), code, now)
        if refusal is not None:
            return Verdict(refusal=refusal, code=code)
        verdict = _check_times(code, int(now.timestamp()))
        if verdict is not None:
            return verdict
        if not _purpose_fits(code, reader):
            return Verdict(refusal=Refusal.PURPOSE_MISMATCH, code=code)
        return None

    def _check_signatures(self, reading: _Reading, reader: Reader) -> _Reading | Verdict:
        """Checks 8 and 9."""
        refusal = self._wrong_signature(reading, reader)
        return reading if refusal is None else Verdict(refusal=refusal, code=reading.code)

    def _wrong_signature(self, reading: _Reading, reader: Reader) -> Refusal | None:
        """Remembers a credential only when both its signatures held."""
        raw, code = reading
        key = self._trust.keys[code.head.key_id].public
        context = _context(code, reader)
        if not isinstance(code, BoundCode):
            if key.verify(issuer_message_in(raw, context), code.issuer_signature):
                return None
            bound = isinstance(code, OnceCode) and code.purpose_byte & CONTEXT_BIT
            return Refusal.CONTEXT_MISMATCH if bound else Refusal.ISSUER_SIGNATURE
        name = raw[:CREDENTIAL_SIZE]
        holder = self._remembered.get(name)
        if holder is None:
            if not key.verify(issuer_message_in(raw, context), code.issuer_signature):
                return Refusal.ISSUER_SIGNATURE
            try:
                holder = PublicKey.from_bytes(code.holder_key, allow_compressed=True)
            except BadKey:
                return Refusal.HOLDER_KEY
        if not holder.verify(holder_message_in(raw, context), code.holder_signature):
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

    def _check_revocation(
        self, reading: _Reading, now: datetime, revocations: RevocationView | None
    ) -> Verdict:
        """Check 10, and the level. One-time codes never enter the list: their life is shorter
        than its making."""
        code = reading.code
        marks: tuple[Mark, ...] = ()
        if now >= self._trust.next_at:
            marks = (Mark.TRUST_LIST_OLD,)
        kind = code.head.kind
        level = Level.IDENTIFIED if kind is Kind.PRINTED else Level.PRESENT
        name = code_id_in(reading.raw)
        as_of: datetime | None = None
        if kind is not Kind.ONCE:
            listed = None if revocations is None else revocations.covering(code.head)
            if listed is not None:
                if listed.holds(name):
                    return Verdict(refusal=Refusal.REVOKED, code=code, code_id=name)
                as_of = listed.made_at
            age = None if as_of is None else now - as_of
            if age is None or age > LIST_FRESH:
                marks = (*marks, Mark.LIST_OLD)
            if age is None or age > LIST_USEFUL:
                level = Level.IDENTIFIED
        return Verdict(
            refusal=None,
            code=code,
            code_id=name,
            level=level,
            marks=marks,
            not_revoked_as_of=as_of,
        )


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


def _check_times(code: Code, now: int) -> Verdict | None:
    """Checks 5 and 6, in whole seconds. None if the code passes."""
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
    return None


def _purpose_fits(code: Code, reader: Reader) -> bool:
    byte = purpose_byte(code)
    purpose, bound = byte & ~CONTEXT_BIT, byte & CONTEXT_BIT
    if purpose not in _PURPOSES:
        return False
    if reader.wanted not in {Purpose.IDENTIFY, purpose}:
        return False
    return reader.context is not None if bound else not reader.context_required


def _context(code: Code, reader: Reader) -> bytes:
    """The open offer's context for a code that says it is bound, zeros otherwise."""
    bound = purpose_byte(code) & CONTEXT_BIT
    return reader.context if bound and reader.context is not None else NO_CONTEXT
