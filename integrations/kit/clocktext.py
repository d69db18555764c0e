"""Partners' time texts, read and written in this one place.

Owns the three forms the partners use; inside there are only aware UTC datetimes. Texts without an
offset are Beijing time (UTC+8, no summer time since 1991). Reads no clock.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "CST")

_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_SPACED = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)", re.ASCII)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


class ClockTextError(ValueError):
    """The text is not a time of the expected form."""


def _instant(parts: tuple[str, ...], zone: timezone, microsecond: int = 0) -> datetime:
    year, month, day, hour, minute, second = (int(part) for part in parts)
    try:
        return datetime(
            year, month, day, hour, minute, second, microsecond, tzinfo=zone
        ).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ClockTextError("no such time") from error


def _local(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ClockTextError("the time has no zone")
    return at.astimezone(BEIJING)


def compact_text(at: datetime) -> str:
    """``yyyyMMddHHmmss`` in Beijing time; fractions are cut off."""
    return _local(at).strftime("%Y%m%d%H%M%S")


def parse_compact(text: str) -> datetime:
    """Read ``yyyyMMddHHmmss`` as Beijing time, give UTC. Raises ``ClockTextError``."""
    found = _COMPACT.fullmatch(text)
    if found is None:
        raise ClockTextError("not yyyyMMddHHmmss")
    return _instant(found.groups(), BEIJING)


def spaced_text(at: datetime) -> str:
    """``yyyy-MM-dd HH:mm:ss`` in Beijing time; fractions are cut off."""
    return _local(at).strftime("%Y-%m-%d %H:%M:%S")


def parse_spaced(text: str) -> datetime:
    """Read ``yyyy-MM-dd HH:mm:ss`` as Beijing time, give UTC. Raises ``ClockTextError``."""
    found = _SPACED.fullmatch(text)
    if found is None:
        raise ClockTextError("not yyyy-MM-dd HH:mm:ss")
    return _instant(found.groups(), BEIJING)


def rfc3339_text(at: datetime) -> str:
    """RFC 3339 with the offset ``+08:00``, whole seconds."""
    return _local(at).strftime("%Y-%m-%dT%H:%M:%S+08:00")


def parse_rfc3339(text: str) -> datetime:
    """Read RFC 3339 with any offset, give UTC; digits below the microsecond are cut off.

    Raises ``ClockTextError``, also for a text without an offset.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ClockTextError("not RFC 3339 with an offset")
    groups = found.groups()
    zone = UTC
    if groups[7] is None:
        hours, minutes = int(groups[9]), int(groups[10])
        if hours > 23 or minutes > 59:
            raise ClockTextError("no such offset")
        shift = timedelta(hours=hours, minutes=minutes)
        zone = timezone(-shift if groups[8] == "-" else shift)
    microsecond = int((groups[6] or "").ljust(6, "0")[:6])
    return _instant(groups[:6], zone, microsecond)


def beijing_day(at: datetime) -> date:
    """The calendar day in Beijing, by which partners cut their statements."""
    return _local(at).date()
