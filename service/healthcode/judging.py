"""Judges showings that a cut-off reader reports, each at its own moment. Writes nothing.

The moment is the reader's own word: what comes out is evidence, and authorises nothing.
"""

from datetime import datetime

import msgspec

from crypto.errors import CryptoError
from crypto.healthcode.index import Index, find_index
from crypto.healthcode.layout import BoundCode, Kind
from crypto.healthcode.offer import open_offer
from crypto.healthcode.trust import TrustList
from crypto.healthcode.verify import CodeVerifier, Reader
from service.healthcode import rules_lists
from service.healthcode.model import ScanLevel, Shown
from service.healthcode.model_lists import RefusedShowing, ReportedShowing
from service.healthcode.reading import CheckedByRows

_SHOWN = {
    Kind.BOUND: Shown.BOUND,
    Kind.ONCE: Shown.ONE_TIME,
    Kind.PRINTED: Shown.PRINTED,
}


class JudgedShowing(msgspec.Struct, frozen=True, kw_only=True):
    """A genuine showing: which, whose, and what it proved then."""

    number: int
    code_id: bytes
    rise: int
    index: Index
    shown: Shown
    level: ScanLevel
    purpose: int
    shown_at: datetime


class Judge:
    """Judges the entries of one report; used in a thread, hence with a verifier of its own."""

    def __init__(self, trust: TrustList, index_roots: list[bytes], now: datetime) -> None:
        self._trust = trust
        self._verifier = CodeVerifier(trust, remembered_max=256)
        self._roots = index_roots
        self._now = now

    def judge(self, number: int, entry: ReportedShowing) -> JudgedShowing | RefusedShowing:
        """The showing, or the word for why it does not hold: the format's, or one of ours."""
        word = rules_lists.believed(entry.scanned_at, self._now)
        if word is not None:
            return RefusedShowing(number=number, error=word)
        try:
            reader = self._reader(entry)
        except CryptoError:
            return RefusedShowing(number=number, error="OFFER_REFUSED")
        verdict = self._verifier.verify(
            entry.text, reader, entry.scanned_at, CheckedByRows(entry.scanned_at)
        )
        if verdict.refusal is not None:
            return RefusedShowing(number=number, error=verdict.refusal.value)
        code, code_id, level = verdict.code, verdict.code_id, verdict.level
        index = None if code is None else find_index(self._roots, code)
        if code is None or code_id is None or level is None or index is None:
            return RefusedShowing(number=number, error="INDEX_UNREADABLE")
        return JudgedShowing(
            number=number,
            code_id=code_id,
            rise=code.rise if isinstance(code, BoundCode) else 0,
            index=index,
            shown=_SHOWN[code.head.kind],
            level=ScanLevel[level.name],
            purpose=entry.purpose.value,
            shown_at=entry.scanned_at,
        )

    def _reader(self, entry: ReportedShowing) -> Reader:
        if entry.offer is None:
            return Reader(wanted=entry.purpose)
        opened = open_offer(entry.offer, self._trust, entry.scanned_at)
        opened.check_place(entry.purpose, None)
        return Reader(wanted=entry.purpose, context=opened.offer.context(), context_required=True)
