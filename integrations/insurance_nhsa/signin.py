"""The sign-in number of the day (dossier 1.4), fetched once for each operator and Beijing day.

Holds it for one process. Instances that must share one pass another desk with the same methods.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date


class SignInFailed(Exception):
    """No sign-in number could be had, so the transaction itself was not sent. ``why`` is fixed."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class SignDesk:
    """Keeps the number of one operator; concurrent callers wait for one sign-in."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._held: tuple[date, str] | None = None

    async def number(self, day: date, sign_in: Callable[[], Awaitable[str]]) -> str:
        """The number of that day, from ``sign_in`` if none is held. Raises ``SignInFailed``."""
        async with self._lock:
            if self._held is None or self._held[0] != day:
                self._held = (day, await sign_in())
            return self._held[1]

    def forget(self, refused: str) -> None:
        """Drop the number that the partner refused, unless another caller has renewed it."""
        if self._held is not None and self._held[1] == refused:
            self._held = None
