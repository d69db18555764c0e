"""From a scanned text to a genuine code: recognise, verify, open the index. Writes nothing."""

from functools import lru_cache

import msgspec

from crypto.healthcode.index import Index, find_index
from crypto.healthcode.layout import OnceCode
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyKind, KeyRing
from service.credential import actions as credential
from service.credential.model import CodeKind
from service.healthcode import rules
from service.healthcode.model import ScanLevel, ScanPurpose, ScanRequest, Shown
from service.healthcode.problems import CodeIndexUnreadable, CodeMalformed, CodeUnsupported
from service.kernel.context import Context
from service.kernel.problems import InvariantBroken

_USED = "insurance credential"


@lru_cache(maxsize=4)
def _verifier(ring: KeyRing) -> CodeVerifier:
    """Verifies against the ring's own issuer keys; a rotated ring is another ring."""
    return CodeVerifier(rules.trust_of(ring))


class ReadCode(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was taken for genuine: what the use of it is kept under, and whose it is."""

    text: str
    code_id: bytes
    found_as: tuple[bytes, ...] = ()
    """Every id a use may stand under, where that is not ``code_id`` alone: another owner's
    credential is known by a blind key, which a rotation changes."""
    spent_as: tuple[bytes, ...] = ()
    """The ids to spend it under, so that processes with different keys find each other's use."""
    index: Index | None
    """None for another owner's credential: then the owner says whose it is."""
    shown: Shown
    level: ScanLevel


def read_text(ctx: Context, request: ScanRequest) -> ReadCode:
    """Recognise a text and judge it. Raises the problems of checks 1 to 9 of the format."""
    recognised = credential.recognise(request.text)
    if recognised.kind is CodeKind.INSURANCE_CREDENTIAL:
        return ReadCode(
            text=recognised.text,
            code_id=ctx.sealer.blind(_USED, recognised.text),
            found_as=ctx.sealer.blind_all(_USED, recognised.text),
            spent_as=ctx.sealer.blind_in_use(_USED, recognised.text),
            index=None,
            shown=Shown.INSURANCE_CREDENTIAL,
            level=ScanLevel.PRESENT,
        )
    if recognised.kind is not CodeKind.OURS:
        raise CodeMalformed
    return _read_ours(ctx, recognised.text, request.purpose)


def _read_ours(ctx: Context, text: str, purpose: ScanPurpose) -> ReadCode:
    """Checks 1 to 9 of the format, then the index; nothing is written before all of them hold."""
    now = ctx.clock.now()
    reader = Reader(wanted=rules.PURPOSES[purpose])
    verdict = _verifier(ctx.ring.snapshot).verify(text, reader, now)
    if verdict.code is not None and not isinstance(verdict.code, OnceCode):
        raise CodeUnsupported
    if verdict.refusal is not None:
        raise rules.problem_of(verdict.refusal, verdict.off_by_s)
    if verdict.code is None or verdict.code_id is None or verdict.level is None:
        raise InvariantBroken("a verdict that holds is about a code")
    roots = [key.material for key in ctx.ring.all_accepted(KeyKind.INDEX_ROOT, now)]
    index = find_index(roots, verdict.code)
    if index is None:
        raise CodeIndexUnreadable
    return ReadCode(
        text=text,
        code_id=verdict.code_id,
        index=index,
        shown=Shown.ONE_TIME,
        level=ScanLevel[verdict.level.name],
    )
