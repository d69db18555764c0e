"""Times and amounts as Alipay's texts, from the twin's own reading of the documents."""

import re
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
SPACED = "%Y-%m-%d %H:%M:%S"
CENTS_MAX = 10**10
_YUAN = re.compile(r"(0|[1-9][0-9]{0,8})\.([0-9]{2})", re.ASCII)


def spaced(seconds: int) -> str:
    """Unix seconds as ``yyyy-MM-dd HH:mm:ss`` in Beijing."""
    return beijing(seconds, SPACED)


def beijing(seconds: int, form: str) -> str:
    """Unix seconds in Beijing time."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime(form)


def read_spaced(text: str) -> int | None:
    """Unix seconds of a Beijing text, else None."""
    if len(text) != 19:
        return None
    try:
        return int(datetime.strptime(text, SPACED).replace(tzinfo=BEIJING).timestamp())
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


def yuan(cents: int) -> str:
    """Cents with two places and a sign where there is one."""
    sign, size = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{size // 100}.{size % 100:02d}"


def read_yuan(text: str) -> int | None:
    """Cents of a text of exactly two places, more than nothing, else None."""
    found = _YUAN.fullmatch(text)
    if found is None:
        return None
    cents = int(found[1]) * 100 + int(found[2])
    return cents if 0 < cents <= CENTS_MAX else None
