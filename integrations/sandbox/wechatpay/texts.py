"""Times as WeChat's texts, from the twin's own reading of the documents."""

from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))


def rfc3339(seconds: int) -> str:
    """Unix seconds as RFC 3339 with +08:00."""
    return datetime.fromtimestamp(seconds, BEIJING).isoformat(timespec="seconds")


def read_rfc3339(text: str) -> int | None:
    """Unix seconds of an RFC 3339 text with an offset, else None."""
    if len(text) < 20 or text[10:11] != "T":
        return None
    try:
        at = datetime.fromisoformat(text)
        return None if at.tzinfo is None else int(at.timestamp())
    except (ValueError, OverflowError):
        return None


def day_bounds(day: str) -> tuple[int, int] | None:
    """First second of a Beijing day ``yyyy-MM-dd`` and of the next one, else None."""
    if len(day) != 10:
        return None
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=BEIJING)
    except ValueError:
        return None
    first = int(start.astimezone(UTC).timestamp())
    return first, first + 86_400


def beijing(seconds: int, form: str) -> str:
    """Unix seconds in Beijing time."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime(form)
