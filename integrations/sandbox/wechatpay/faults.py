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
    """500 SYSTEM_ERROR, nothing done."""
    ERROR_AFTER = "error-after"
    """500 SYSTEM_ERROR, but done."""
    TOO_OFTEN = "too-often"
    """429, nothing done."""
    ANSWER_UNSIGNED = "answer-unsigned"
    ANSWER_FORGED = "answer-forged"
    ANSWER_STALE = "answer-stale"
    ANSWER_GARBLED = "answer-garbled"
    """Rightly signed, but no JSON."""
    SLOW = "slow"
    """The answer comes ``delay_ms`` late."""
    PAID_BEFORE_CLOSE = "paid-before-close"
    """The payer is faster: the order is paid when the close arrives."""
    PAID_DURING_CLOSE = "paid-during-close"
    """The close is answered 429 because the payer is paying; then he has paid."""
    PAID_AT_ONCE = "paid-at-once"
    """The order is paid and its notice sent before the placing is answered."""
    MIXED_INSURANCE_FAILS = "mixed-insurance-fails"
    """A mixed order fails at the bureau; its cash leg is paid all the same."""
    MIXED_CASH_FAILS = "mixed-cash-fails"
    """The other half: insurance settled, cash not paid."""
    REVERSE_BUSY = "reverse-busy"
    """A reverse is answered that the payer is paying: nothing was reversed."""
    BALANCE_SHORT = "balance-short"
    """A refund is refused with NOT_ENOUGH."""

    NOTICE_LOST = "notice-lost"
    NOTICE_DOUBLED = "notice-doubled"
    NOTICE_LATE = "notice-late"
    """Sent first ``delay_ms`` after its time."""
    NOTICE_REORDERED = "notice-reordered"
    """Held until another notice of the same trade went out, at most ``delay_ms``."""
    NOTICE_STALE = "notice-stale"
    """Signed with a time six minutes past."""
    NOTICE_FORGED = "notice-forged"
    NOTICE_WRONG_AMOUNT = "notice-wrong-amount"
    """Rightly signed, one fen more than was paid."""
    REFUND_ABNORMAL = "refund-abnormal"
    REFUND_CLOSED = "refund-closed"


ANSWER_FAULTS = frozenset(
    {
        Fault.DROP_BEFORE,
        Fault.DROP_AFTER,
        Fault.ERROR_BEFORE,
        Fault.ERROR_AFTER,
        Fault.TOO_OFTEN,
        Fault.ANSWER_UNSIGNED,
        Fault.ANSWER_FORGED,
        Fault.ANSWER_STALE,
        Fault.ANSWER_GARBLED,
        Fault.SLOW,
    }
)
NOTICE_FAULTS = frozenset(
    {
        Fault.NOTICE_LOST,
        Fault.NOTICE_DOUBLED,
        Fault.NOTICE_LATE,
        Fault.NOTICE_REORDERED,
        Fault.NOTICE_STALE,
        Fault.NOTICE_FORGED,
        Fault.NOTICE_WRONG_AMOUNT,
    }
)
DRAWN_UNASKED = ANSWER_FAULTS | NOTICE_FAULTS - {Fault.NOTICE_WRONG_AMOUNT}


class ScriptedFault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault, ``times`` over, for a trade or refund number, a path part, or anything."""

    fault: Fault
    number: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    path: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """Part of ``METHOD /path``, for example ``POST /v3/refund``."""
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
        """Forget all faults."""
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
