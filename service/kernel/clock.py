"""Time is passed in. The only module that reads the machine's clock."""

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""All of China keeps one zone without daylight saving, so a fixed offset is exact."""

CLOCKS_APART = timedelta(minutes=5)
"""How far the clocks of two processes may differ: what one writes the other must read."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Let that much time pass."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def business_day(at: datetime) -> date:
    """The calendar day in China on which ``at`` falls."""
    return at.astimezone(CHINA).date()
