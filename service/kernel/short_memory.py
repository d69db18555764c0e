"""Rows that change a few times a year and are read at every request, kept for two seconds.

Only for reading. A change made elsewhere, a revocation above all, is seen within the life.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import TypeVar, cast

from service.kernel.clock import Clock

T = TypeVar("T")
LIFE = timedelta(seconds=2)
"""Shorter than the five seconds within which a revocation must hold everywhere."""


class ShortMemory:
    """One process's memory of at most ``size`` rows. Keys name the kind of row first."""

    def __init__(self, clock: Clock, *, life: timedelta = LIFE, size: int = 10_000) -> None:
        self._clock = clock
        self._life = life
        self._size = size
        self._kept: OrderedDict[tuple[Hashable, ...], tuple[datetime, object]] = OrderedDict()

    async def get(self, key: tuple[Hashable, ...], load: Callable[[], Awaitable[T]]) -> T:
        """What ``load`` gave at most two seconds ago, else what it gives now.

        What ``load`` raises is not kept.
        """
        now = self._clock.now()
        kept = self._kept.get(key)
        if kept is not None and timedelta(0) <= now - kept[0] < self._life:
            return cast("T", kept[1])
        loaded = await load()
        self._kept[key] = (now, loaded)
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return loaded

    def forget(self, key: tuple[Hashable, ...]) -> None:
        """The row was changed here: the next reader sees it at once."""
        self._kept.pop(key, None)
