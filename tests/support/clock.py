"""A clock that stands still until it is told to move."""

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Starts at a fixed instant; ``advance`` moves it."""

    def __init__(self, at: datetime = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    async def sleep(self, seconds: float) -> None:
        """Really: what is slept for is done by somebody else meanwhile."""
        await asyncio.sleep(seconds)

    def advance(self, by: timedelta) -> None:
        """Move forward (or back)."""
        self._at += by
