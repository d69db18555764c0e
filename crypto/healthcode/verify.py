"""Verifying a code, in the one order of checks: cheap first, state never touched by a forgery.

One verifier for all kinds, offline as well as on the platform. Whether a code was shown before,
is superseded or frozen is judged by its caller, after this says yes.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
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


class _Moment(NamedTuple):
    """When many are judged: ``now`` in whole seconds, and since 1970. ``refusal``: why nothing can
    be judged then. ``marks``: what every accepted code is marked with."""

    now: datetime
    second: int
    refusal: Refusal | None
    marks: tuple[Mark, ...]


class _Reading(NamedTuple):
    """A code that may hold, as far as its bytes and the clock can tell.

    ``context``: the open offer's for a code that says it is bound to one, zeros otherwise.
    ``name``: of a bound code its credential, of any other all that its issuer signed, and how.
    """

    raw: bytes
    code: Code
    context: bytes
    name: bytes


class _Claim(NamedTuple):
    """That ``key`` made ``signature`` over ``digest``."""

    key: PublicKey
    digest: bytes
    signature: bytes


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
        return self.verify_all([(text, reader)], now, revocations)[0]

    def verify_all(
        self,
        asked: Iterable[tuple[str, Reader]],
        now: datetime,
        revocations: RevocationView | None = None,
    ) -> list[Verdict]:
        """The verdicts on many texts, each as its reader wants it, in their order; otherwise as
        ``verify``.

        Step by step and not text by text, with little beside the cipher between two signatures:
        behind each of them the processor's caches hold nothing of the other steps, which then take
        up to five times as long.
        """
        moment = self._moment(now, revocations)
        found = [self._read(text, reader, moment) for text, reader in asked]
        readings = [one for one in found if isinstance(one, _Reading)]
        refusals = self._check_signatures(readings)
        judged = iter(
            _check_revocation(one, moment, revocations)
            if refusal is None
            else Verdict(refusal=refusal, code=one.code)
            for one, refusal in zip(readings, refusals, strict=True)
        )
        return [next(judged) if isinstance(one, _Reading) else one for one in found]

    def _moment(self, now: datetime, revocations: RevocationView | None) -> _Moment:
        """Check 3."""
        now = now.replace(microsecond=0)
        refusal = self._trust.staleness(now)
        if revocations is not None and _is_clock_behind(revocations, now):
            refusal = Refusal.CLOCK_UNSURE
        marks = (Mark.TRUST_LIST_OLD,) if now >= self._trust.next_at else ()
        return _Moment(now, int(now.timestamp()), refusal, marks)

    def _read(self, text: str, reader: Reader, moment: _Moment) -> _Reading | Verdict:
        """Checks 1 to 7: all that needs no signature."""
        try:
            raw = code_text.decode(text)
            code = parse(raw)
        except CodeRefused as refused:
            return Verdict(refusal=refused.refusal)
        except BadEncoding:
            return Verdict(refusal=Refusal.CODE_MALFORMED)
        verdict = self._check_key(code, moment) or _check_times(code, moment.second)
        if verdict is not None:
            return verdict
        byte = purpose_byte(code)
        if not _purpose_fits(byte, reader):
            return Verdict(refusal=Refusal.PURPOSE_MISMATCH, code=code)
        context = (reader.context if byte & CONTEXT_BIT else None) or NO_CONTEXT
        name = raw[:CREDENTIAL_SIZE] if isinstance(code, BoundCode) else raw + context
        return _Reading(raw, code, context, name)

    def _check_key(self, code: Code, moment: _Moment) -> Verdict | None:
        """Checks 3 and 4. None if the code passes."""
        refusal = moment.refusal
        if refusal is None:
            refusal = _key_refusal(self._trust.keys.get(code.head.key_id), code, moment.now)
        return None if refusal is None else Verdict(refusal=refusal, code=code)

    def _check_signatures(self, readings: Sequence[_Reading]) -> list[Refusal | None]:
        """Checks 8 and 9: why each is refused, or None. Remembers a credential only when both its
        signatures held."""
        unknown = {one.name: one for one in readings if one.name not in self._remembered}
        claims = {name: self._issuer_claim(one) for name, one in unknown.items()}
        genuine = {
            name
            for name, (key, digest, signature) in claims.items()
            if key.verify_digest(digest, signature)
        }
        holders = self._holders(readings, genuine)
        shown = [_holder_claim(one, holders.get(one.name)) for one in readings]
        proved = [
            claim is None or claim.key.verify_digest(claim.digest, claim.signature)
            for claim in shown
        ]
        refusals = []
        for one, is_proved in zip(readings, proved, strict=True):
            holder = holders.get(one.name)
            is_issued = one.name in genuine or one.name in holders
            refusal = _refusal(one.code, holder, is_issued=is_issued, is_proved=is_proved)
            if refusal is None and holder is not None:
                self._remember(one.name, holder)
            refusals.append(refusal)
        return refusals

    def _issuer_claim(self, reading: _Reading) -> _Claim:
        raw, code, context, _ = reading
        key = self._trust.keys[code.head.key_id].public
        return _Claim(key, key.digest(issuer_message_in(raw, context)), code.issuer_signature)

    def _holders(
        self, readings: Sequence[_Reading], genuine: Collection[bytes]
    ) -> dict[bytes, PublicKey | None]:
        """The holder's key of each bound credential that its issuer signed; None where it is no
        point of the curve."""
        holders: dict[bytes, PublicKey | None] = {}
        for _, code, _, name in readings:
            if not isinstance(code, BoundCode) or name in holders:
                continue
            known = self._remembered.get(name)
            if known is not None or name in genuine:
                holders[name] = known or _holder_key(code)
        return holders

    def _remember(self, name: bytes, holder: PublicKey) -> None:
        """Expiry needs no care here: the time checks come first, every time."""
        self._remembered.pop(name, None)
        self._remembered[name] = holder
        if len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)


def _check_revocation(
    reading: _Reading, moment: _Moment, revocations: RevocationView | None
) -> Verdict:
    """Check 10, and the level. One-time codes never enter the list: their life is shorter than
    its making."""
    code, marks = reading.code, moment.marks
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
        age = None if as_of is None else moment.now - as_of
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


def _key_refusal(key: TrustedKey | None, code: Code, now: datetime) -> Refusal | None:
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


def _purpose_fits(byte: int, reader: Reader) -> bool:
    purpose, bound = byte & ~CONTEXT_BIT, byte & CONTEXT_BIT
    if purpose not in _PURPOSES:
        return False
    if reader.wanted is not Purpose.IDENTIFY and reader.wanted != purpose:
        return False
    return reader.context is not None if bound else not reader.context_required


def _holder_key(code: BoundCode) -> PublicKey | None:
    try:
        return PublicKey.from_bytes(code.holder_key, allow_compressed=True)
    except BadKey:
        return None


def _holder_claim(reading: _Reading, holder: PublicKey | None) -> _Claim | None:
    raw, code, context, _ = reading
    if holder is None or not isinstance(code, BoundCode):
        return None
    return _Claim(holder, holder.digest(holder_message_in(raw, context)), code.holder_signature)


def _refusal(
    code: Code, holder: PublicKey | None, *, is_issued: bool, is_proved: bool
) -> Refusal | None:
    """What its signatures come to. A context fails where it is signed: by the holder of a bound
    code, by the issuer of a one-time code."""
    is_bound = isinstance(code, BoundCode)
    has_context = bool(purpose_byte(code) & CONTEXT_BIT)
    if not is_issued:
        wrong_context = has_context and not is_bound
        return Refusal.CONTEXT_MISMATCH if wrong_context else Refusal.ISSUER_SIGNATURE
    if is_bound and holder is None:
        return Refusal.HOLDER_KEY
    if not is_proved:
        return Refusal.CONTEXT_MISMATCH if has_context else Refusal.HOLDER_SIGNATURE
    return None
