"""From a scanned text to a genuine code: recognise, verify, open the index. Writes nothing."""

from datetime import datetime
from functools import lru_cache

import msgspec

from crypto.healthcode.context import Offer
from crypto.healthcode.index import Index, find_index
from crypto.healthcode.layout import BoundCode, Code, Head, Kind, PrintedCode
from crypto.healthcode.refusal import Refusal
from crypto.healthcode.trust import TrustList
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyKind, KeyRing
from crypto.sm3 import sm3
from service.credential import actions as credential
from service.credential.model import CodeKind
from service.healthcode import rules
from service.healthcode.model import ScanLevel, ScanRequest, Shown
from service.healthcode.offers import read_offer
from service.healthcode.problems import (
    CodeIndexUnreadable,
    CodeMalformed,
    CodePurposeMismatch,
)
from service.kernel.context import Context
from service.kernel.principals import Terminal
from service.kernel.problems import InvariantBroken

_SHOWN = {Kind.BOUND: Shown.BOUND, Kind.ONCE: Shown.ONE_TIME, Kind.PRINTED: Shown.PRINTED}
_USED = "insurance credential"


@lru_cache(maxsize=4)
def own_trust(ring: KeyRing) -> TrustList:
    """The ring's own keys as a trust list; a rotated ring is another ring."""
    return rules.trust_of(ring)


@lru_cache(maxsize=4)
def _verifier(ring: KeyRing) -> CodeVerifier:
    """Verifies against the ring's own issuer keys."""
    return CodeVerifier(own_trust(ring))


class CheckedByRows:
    """The revocations of a reader that looks each code up in the rows themselves, after."""

    def __init__(self, now: datetime) -> None:
        self.made_at = now
        self.newest_made_at = now

    def covering(self, _head: Head) -> "CheckedByRows":
        """Itself: rows know codes of every kind and class."""
        return self

    def holds(self, _code_id: bytes) -> bool:
        """Never: check 10 is the row's."""
        return False


class ReadCode(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was taken for genuine: what the use of it is kept under, and whose it is."""

    text: str
    code_id: bytes
    use_id: bytes
    """Of what is spent: the code, or for a printed one this terminal's one request."""
    rise: int
    """0 for what is used once; a bound code's showing, which must rise."""
    found_as: tuple[bytes, ...] = ()
    """Every id a use may stand under, where that is not ``use_id`` alone: another owner's
    credential is known by a blind key, which a rotation changes."""
    spent_as: tuple[bytes, ...] = ()
    """The ids to spend it under, so that processes with different keys find each other's use."""
    index: Index | None
    """None for another owner's credential: then the owner says whose it is."""
    shown: Shown
    level: ScanLevel
    offer: Offer | None = None
    """What the code was approved for."""


def read_text(ctx: Context, terminal: Terminal, request: ScanRequest) -> ReadCode:
    """Recognise a text and judge it. Raises the problems of checks 1 to 9 of the format."""
    recognised = credential.recognise(request.text)
    if recognised.kind is CodeKind.INSURANCE_CREDENTIAL:
        if request.offer is not None:
            detail = "another owner's code is bound to no offer"
            raise CodePurposeMismatch(detail, wanted=request.purpose.value)
        code_id = ctx.sealer.blind(_USED, recognised.text)
        return ReadCode(
            text=recognised.text,
            code_id=code_id,
            use_id=code_id,
            rise=0,
            found_as=ctx.sealer.blind_all(_USED, recognised.text),
            spent_as=ctx.sealer.blind_in_use(_USED, recognised.text),
            index=None,
            shown=Shown.INSURANCE_CREDENTIAL,
            level=ScanLevel.PRESENT,
        )
    if recognised.kind is not CodeKind.OURS:
        raise CodeMalformed
    return _read_ours(ctx, terminal, recognised.text, request)


def _read_ours(ctx: Context, terminal: Terminal, text: str, request: ScanRequest) -> ReadCode:
    """Checks 1 to 9 of the format, then the index; nothing is written before all of them hold."""
    now = ctx.clock.now()
    wanted, offer = rules.PURPOSES[request.purpose], None
    if request.offer is not None:
        offer = read_offer(request.offer, terminal, wanted, own_trust(ctx.ring.snapshot), now)
    reader = Reader(
        wanted=wanted,
        context=offer.context() if offer is not None else None,
        context_required=offer is not None,
    )
    verdict = _verifier(ctx.ring.snapshot).verify(text, reader, now, CheckedByRows(now))
    if verdict.refusal is Refusal.PURPOSE_MISMATCH:
        # Who stands before the terminal is told what to show instead.
        raise CodePurposeMismatch(wanted=request.purpose.value)
    if verdict.refusal is not None:
        raise rules.problem_of(verdict.refusal, verdict.off_by_s)
    code = verdict.code
    if code is None or verdict.code_id is None or verdict.level is None:
        raise InvariantBroken("a verdict that holds is about a code")
    roots = [key.material for key in ctx.ring.all_accepted(KeyKind.INDEX_ROOT, now)]
    index = find_index(roots, code)
    if index is None:
        raise CodeIndexUnreadable
    return ReadCode(
        text=text,
        code_id=verdict.code_id,
        use_id=_use_id(code, verdict.code_id, terminal, request.request_key),
        rise=code.rise if isinstance(code, BoundCode) else 0,
        index=index,
        shown=_SHOWN[code.head.kind],
        level=ScanLevel[verdict.level.name],
        offer=offer,
    )


def _use_id(code: Code, code_id: bytes, terminal: Terminal, request_key: str) -> bytes:
    """A printed code is shown again and again: only one request of one terminal is used up."""
    if not isinstance(code, PrintedCode):
        return code_id
    request = terminal.terminal_id.to_bytes(8) + request_key.encode()
    return sm3(b"YM printed use\0" + code_id + request)[:16]
