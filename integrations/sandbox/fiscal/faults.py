"""Faults the twin commits on demand: scripted by business number or method, or seeded at random.

A seeded fault depends on seed, method and count only, so a run repeats.
"""

import hashlib
from enum import StrEnum
from typing import Annotated

import msgspec


class Fault(StrEnum):
    """What may go wrong with one call."""

    DROP_BEFORE = "drop-before"
    """Nothing done, and the connection breaks."""
    DROP_AFTER = "drop-after"
    """Done, and the connection breaks before the answer."""
    ERROR_BEFORE = "error-before"
    """500, nothing done."""
    ERROR_AFTER = "error-after"
    """500, but done."""
    TOO_OFTEN = "too-often"
    """429, nothing done."""
    FORGED = "forged"
    """Done; the answer's signature is over other bytes."""
    GARBLED = "garbled"
    """Done; the answer is no JSON."""
    SLOW = "slow"
    """Done, and answered ``delay_ms`` late."""
    LATE = "late"
    """Done, the connection breaks, and questions do not see it before ``delay_ms`` have passed."""
    REFUSE = "refuse"
    """Refused, nothing done."""


class ScriptedFault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault, ``times`` over, for a business or bill number, a method, or anything."""

    fault: Fault
    number: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    method: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    times: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 0


class RandomFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each call fails with chance ``rate_permille``, decided by the seed."""

    seed: int
    rate_permille: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    faults: tuple[Fault, ...] = ()
    """Empty means every fault but a refusal."""


class FaultPlan:
    """The faults still to come. Scripted ones go first, in the order they were added."""

    def __init__(self) -> None:
        self._scripted: list[ScriptedFault] = []
        self._random: RandomFaults | None = None
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

    def take(self, method: str, number: str) -> ScriptedFault | None:
        """The fault for this call, used up by the asking."""
        for scripted in self._scripted:
            if scripted.number in (None, number) and scripted.method in (None, method):
                scripted.times -= 1
                if scripted.times == 0:
                    self._scripted.remove(scripted)
                return scripted
        return self._draw(method)

    def _draw(self, method: str) -> ScriptedFault | None:
        random = self._random
        if random is None:
            return None
        choices = sorted(frozenset(random.faults) or frozenset(Fault) - {Fault.REFUSE})
        count = self._counts[method] = self._counts.get(method, 0) + 1
        drawn = hashlib.sha256(f"{random.seed}|{method}|{count}".encode()).digest()
        if int.from_bytes(drawn[:8], "big") % 1000 >= random.rate_permille:
            return None
        fault = choices[int.from_bytes(drawn[8:16], "big") % len(choices)]
        return ScriptedFault(fault=fault, delay_ms=drawn[16] * 10)
