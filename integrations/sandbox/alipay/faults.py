"""Faults the twin commits on demand: scripted per trade number or path, or seeded at random.

A seeded fault depends on seed, place and count only, so a run repeats whatever the interleaving.
"""

import hashlib
from enum import StrEnum
from typing import Annotated

import msgspec


class Fault(StrEnum):
    """What may go wrong. The first group is about answers, the second about notices and money."""

    DROP_BEFORE = "drop-before"
    """No work, and the connection breaks."""
    DROP_AFTER = "drop-after"
    """The work is done, and the connection breaks before the answer."""
    ERROR_BEFORE = "error-before"
    """20000, nothing done."""
    ERROR_AFTER = "error-after"
    """20000, but done."""
    SYSTEM_ERROR_AFTER = "system-error-after"
    """40004 ACQ.SYSTEM_ERROR, but done."""
    BROKEN_GATEWAY = "broken-gateway"
    """HTTP 502 and a page, nothing done."""
    TOO_OFTEN = "too-often"
    """HTTP 429, nothing done."""
    ANSWER_UNSIGNED = "answer-unsigned"
    ANSWER_FORGED = "answer-forged"
    ANSWER_GARBLED = "answer-garbled"
    """Rightly signed, but not the documented JSON."""
    ANSWER_SWAPPED = "answer-swapped"
    """Rightly signed, about another trade."""
    ANSWER_DOUBLED = "answer-doubled"
    """The answer's object stands twice, the first one forged."""
    ANSWER_GBK = "answer-gbk"
    """Rightly signed, in another charset than the one asked for."""
    SLOW = "slow"
    """The answer comes ``delay_ms`` late."""

    PAID_BEFORE_CLOSE = "paid-before-close"
    """The payer is faster: the trade is paid when the close arrives."""
    PAID_AT_ONCE = "paid-at-once"
    """The order is paid and its notice sent before the placing is answered."""
    BALANCE_SHORT = "balance-short"
    """A refund is refused with ACQ.SELLER_BALANCE_NOT_ENOUGH."""
    REFUND_PENDING = "refund-pending"
    """A refund is answered ``fund_change=N`` and done ``delay_ms`` later."""
    CANCEL_AGAIN = "cancel-again"
    """A cancel does nothing and asks to be repeated: ``retry_flag=Y``."""

    NOTICE_LOST = "notice-lost"
    NOTICE_DOUBLED = "notice-doubled"
    NOTICE_LATE = "notice-late"
    """Sent first ``delay_ms`` after its time."""
    NOTICE_REORDERED = "notice-reordered"
    """Held until another notice of the same trade went out, at most ``delay_ms``."""
    NOTICE_FORGED = "notice-forged"
    NOTICE_WRONG_AMOUNT = "notice-wrong-amount"
    """Rightly signed, one fen more than was paid."""
    NOTICE_WRONG_SELLER = "notice-wrong-seller"
    """Rightly signed, of another merchant."""

    BILL_CUT = "bill-cut"
    """The bill ends in the middle of a row."""
    BILL_DOUBLED = "bill-doubled"
    """Each row stands twice, the totals as they should be."""
    BILL_GROUPED = "bill-grouped"
    """Amounts have a thousand separator."""
    BILL_NO_FOOTER = "bill-no-footer"
    BILL_WRONG_SELLER = "bill-wrong-seller"


ANSWER_FAULTS = frozenset(
    {
        Fault.DROP_BEFORE,
        Fault.DROP_AFTER,
        Fault.ERROR_BEFORE,
        Fault.ERROR_AFTER,
        Fault.SYSTEM_ERROR_AFTER,
        Fault.BROKEN_GATEWAY,
        Fault.TOO_OFTEN,
        Fault.ANSWER_UNSIGNED,
        Fault.ANSWER_FORGED,
        Fault.ANSWER_GARBLED,
        Fault.ANSWER_SWAPPED,
        Fault.ANSWER_DOUBLED,
        Fault.ANSWER_GBK,
        Fault.SLOW,
    }
)
NOTICE_FAULTS = frozenset(
    {
        Fault.NOTICE_LOST,
        Fault.NOTICE_DOUBLED,
        Fault.NOTICE_LATE,
        Fault.NOTICE_REORDERED,
        Fault.NOTICE_FORGED,
        Fault.NOTICE_WRONG_AMOUNT,
        Fault.NOTICE_WRONG_SELLER,
    }
)
BILL_FAULTS = frozenset(
    {
        Fault.BILL_CUT,
        Fault.BILL_DOUBLED,
        Fault.BILL_GROUPED,
        Fault.BILL_NO_FOOTER,
        Fault.BILL_WRONG_SELLER,
    }
)
DRAWN_UNASKED = ANSWER_FAULTS | NOTICE_FAULTS - {Fault.NOTICE_WRONG_AMOUNT}

MAGIC_TOTALS = {
    91: Fault.DROP_AFTER,
    92: Fault.NOTICE_LOST,
    93: Fault.NOTICE_DOUBLED,
    94: Fault.NOTICE_WRONG_AMOUNT,
    95: Fault.PAID_BEFORE_CLOSE,
    96: Fault.REFUND_PENDING,
}
"""An order of 0.91 to 0.96 yuan scripts this fault for itself, for people at a screen."""
MAGIC_DELAY_MS = 30_000


class ScriptedFault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault, ``times`` over, for a trade or refund number, a path part, or anything."""

    fault: Fault
    number: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    path: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """Part of the call's name, for example ``alipay.trade.refund``."""
    times: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 0


class RandomFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each call and notice fails with chance ``rate_permille``, decided by the seed."""

    seed: int
    rate_permille: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    faults: tuple[Fault, ...] = ()
    """Empty means every fault of answers and notices, but none that moves money."""


class FaultPlan:
    """The faults still to come. Scripted ones go first, in the order they were added."""

    def __init__(self, random: RandomFaults | None = None) -> None:
        self._scripted: list[ScriptedFault] = []
        self._random = random
        self._counts: dict[str, int] = {}

    def add(self, scripted: ScriptedFault) -> None:
        """Append one; at most 1000 wait at a time."""
        if len(self._scripted) >= 1000:
            raise ValueError("too many faults")
        self._scripted.append(scripted)

    def waiting(self) -> list[ScriptedFault]:
        """The scripted ones that have not happened yet."""
        return list(self._scripted)

    def randomise(self, random: RandomFaults | None) -> None:
        """Replace the random part; None ends it."""
        self._random = random
        self._counts.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._scripted.clear()
        self.randomise(None)

    def take(
        self, group: frozenset[Fault], place: str, numbers: frozenset[str]
    ) -> ScriptedFault | None:
        """The fault for this call or notice, used up by the asking."""
        for scripted in self._scripted:
            if scripted.fault in group and _fits(scripted, place, numbers):
                scripted.times -= 1
                if scripted.times == 0:
                    self._scripted.remove(scripted)
                return scripted
        return self._draw(group, place)

    def _draw(self, group: frozenset[Fault], place: str) -> ScriptedFault | None:
        random = self._random
        if random is None:
            return None
        drawable = frozenset(random.faults) or DRAWN_UNASKED
        choices = sorted(drawable & group)
        if not choices:
            return None
        if len(self._counts) > 100_000:
            self._counts.clear()
        count = self._counts[place] = self._counts.get(place, 0) + 1
        drawn = hashlib.sha256(f"{random.seed}|{place}|{count}".encode()).digest()
        if int.from_bytes(drawn[:8], "big") % 1000 >= random.rate_permille:
            return None
        fault = choices[int.from_bytes(drawn[8:16], "big") % len(choices)]
        return ScriptedFault(fault=fault, delay_ms=drawn[16] * 10)


def _fits(scripted: ScriptedFault, place: str, numbers: frozenset[str]) -> bool:
    if scripted.number is not None and scripted.number not in numbers:
        return False
    return scripted.path is None or scripted.path in place
