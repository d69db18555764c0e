"""Texts one a line, out of a stream of bytes of any length, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from crypto.healthcode.describe import describe_verdict
from crypto.healthcode.layout import Purpose
from crypto.healthcode.offer import SignedOffer
from crypto.healthcode.refusal import OfferRefused
from crypto.healthcode.revocation_set import RevocationSet
from crypto.healthcode.trust import TrustList
from crypto.healthcode.verify import CodeVerifier, Reader

BLOCK_SIZE = 1 << 15
LINE_MAX = 1024
"""A longer line is cut there, which makes it no code; the rest of it is not kept."""


class LineCutter:
    """Cuts what was read into blocks of whole lines, each at most ``BLOCK_SIZE`` + a line."""

    def __init__(self) -> None:
        self._tail = b""
        self._is_skipping = False

    def feed(self, piece: bytes) -> bytes:
        """The whole lines that ``piece`` completes, line ends included; maybe none."""
        if self._is_skipping:
            at = piece.find(b"\n")
            if at < 0:
                return b""
            piece, self._is_skipping = piece[at:], False
        head, found, tail = piece.rpartition(b"\n")
        if not found:
            self._hold(self._tail + tail)
            return b""
        block = self._tail + head + found
        self._tail = b""
        self._hold(tail)
        return block

    def _hold(self, tail: bytes) -> None:
        self._is_skipping = len(tail) > LINE_MAX
        self._tail = tail[:LINE_MAX]

    def end(self) -> bytes:
        """The last line if it had no end."""
        tail, self._tail = self._tail, b""
        return tail + b"\n" if tail else b""


def lines_of(block: bytes) -> Iterator[str]:
    """The lines of a block without their ends; a letter outside ASCII stays one that is refused."""
    for line in block[:-1].decode("ascii", "replace").split("\n"):
        yield line[:LINE_MAX].removesuffix("\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What texts are judged by, without a state. ``at`` None: the clock when a block comes."""

    trust: TrustList
    revoked: RevocationSet | None
    purpose: Purpose
    at: datetime | None
    offer: SignedOffer | None = None
    """The open one: then only codes bound to it hold."""


def judge_blocks(judgement: Judgement, clock: Callable[[], datetime]) -> Callable[[bytes], bytes]:
    """A function from a block of lines to a block of JSON verdicts, one a line in their order."""
    verifier, encode_lines = CodeVerifier(judgement.trust), msgspec.json.Encoder().encode_lines
    at, revoked, offer = judgement.at, judgement.revoked, judgement.offer
    reader = Reader(
        wanted=judgement.purpose,
        context=None if offer is None else offer.offer.context(),
        context_required=offer is not None,
    )

    def judge(block: bytes) -> bytes:
        now, lines = at or clock(), lines_of(block)
        if offer is not None:
            try:
                offer.check_open(now)
            except OfferRefused as refused:
                answer = {"valid": False, "error": refused.refusal.value}
                return encode_lines([answer for _ in lines])
        verdicts = verifier.verify_all([(line, reader) for line in lines], now, revoked)
        return encode_lines([describe_verdict(verdict) for verdict in verdicts])

    return judge
