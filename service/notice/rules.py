"""When an event is sent again, when it is given up, and how long a silent endpoint rests."""

from datetime import timedelta

GAPS_S = (
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600,
)  # fmt: skip
"""Between two tries of an event: 16 tries over 24 hours and 4 minutes, the gaps that vendors know
from WeChat Pay's notices."""
BREAK_AT = 3
"""Unanswered in a row, after which the endpoint rests."""
PAUSE_MIN = timedelta(seconds=30)
PAUSE_MAX = timedelta(minutes=10)


def gap_after(tries: int) -> timedelta | None:
    """How long to wait after so many failed tries; None: that was the last."""
    return timedelta(seconds=GAPS_S[tries - 1]) if tries <= len(GAPS_S) else None


def pause_after(failures: int) -> timedelta | None:
    """How long the endpoint rests after so many unanswered in a row; None: not yet."""
    if failures < BREAK_AT:
        return None
    return min(PAUSE_MIN * (1 << min(failures - BREAK_AT, 10)), PAUSE_MAX)
