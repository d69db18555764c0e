"""Faults that a twin commits on demand: scripted by number or method, or seeded at random.

A seeded fault depends on seed, method and count only, so a run repeats.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, Generic, TypeVar

import msgspec

F = TypeVar("F", bound=StrEnum)
WAITING_MAX = 1000


class ScriptedFault(msgspec.Struct, Generic[F], kw_only=True, forbid_unknown_fields=True):
    """One fault, ``times`` over, for a number, a method, or anything."""

    fault: F
    number: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    method: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    times: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 0


class RandomFaults(
    msgspec.Struct, Generic[F], frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Each call fails with chance ``rate_permille``, decided by the seed."""

    seed: int
    rate_permille: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    faults: tuple[F, ...] = ()
    """Empty means every fault that may be drawn."""


class FaultPlan(Generic[F]):
    """The faults still to come. Scripted ones go first, in the order they were added.

    ``drawn``: which may happen by chance where nobody names them.
    """

    def __init__(self, drawn: frozenset[F]) -> None:
        self._drawn = drawn
        self._scripted: list[ScriptedFault[F]] = []
        self._random: RandomFaults[F] | None = None
        self._counts: dict[str, int] = {}

    def add(self, scripted: ScriptedFault[F]) -> None:
        """Append one; at most 1000 wait at a time. Raises ``ValueError``."""
        if len(self._scripted) >= WAITING_MAX:
            raise ValueError("too many faults")
        self._scripted.append(scripted)

    def waiting(self) -> list[ScriptedFault[F]]:
        """The scripted ones that have not happened yet."""
        return list(self._scripted)

    def randomise(self, random: RandomFaults[F] | None) -> None:
        """Replace the random part; None ends it."""
        self._random = random
        self._counts.clear()

    def clear(self) -> None:
        """Forget all faults."""
        self._scripted.clear()
        self.randomise(None)

    def take(self, method: str, number: str) -> ScriptedFault[F] | None:
        """The fault for this call, used up by the asking."""
        for scripted in self._scripted:
            if scripted.number in (None, number) and scripted.method in (None, method):
                scripted.times -= 1
                if scripted.times == 0:
                    self._scripted.remove(scripted)
                return scripted
        return self._draw(method)

    def _draw(self, method: str) -> ScriptedFault[F] | None:
        random = self._random
        if random is None:
            return None
        choices = sorted(frozenset(random.faults) or self._drawn)
        count = self._counts[method] = self._counts.get(method, 0) + 1
        drawn = hashlib.sha256(f"{random.seed}|{method}|{count}".encode()).digest()
        if int.from_bytes(drawn[:8], "big") % 1000 >= random.rate_permille:
            return None
        fault = choices[int.from_bytes(drawn[8:16], "big") % len(choices)]
        return ScriptedFault(fault=fault, delay_ms=drawn[16] * 10)
