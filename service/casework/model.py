"""Work items."""

from datetime import datetime, timedelta

import msgspec

Evidence = dict[str, str | int | bool | None]


class NewItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person must look at. ``evidence`` holds ids and amounts, never personal data."""

    record_id: int
    kind: str
    """What it is about: ``settlement``, ``payment``, ``refund``, ``person``."""
    subject_id: int
    institution_id: int | None
    reason: str
    """A fixed word in kebab case."""
    evidence: Evidence


class WorkItem(NewItem, frozen=True, kw_only=True):
    """An item as stored."""

    item_id: int
    owner: str | None
    opened_at: datetime
    closed_at: datetime | None
    closing: str | None


class ItemsOf(msgspec.Struct, frozen=True, kw_only=True):
    """The items of one subject; those of ``but_reason`` are left alone."""

    record_id: int
    kind: str
    subject_id: int
    reasons: tuple[str, ...] = ()
    """Of these alone; none: whatever the reason."""
    but_reason: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which open items to list; None: all of them."""

    kind: str | None
    reason: str | None
    institution_id: int | None
    opened_before: datetime | None


class PageOf(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the items of these kinds: the open ones oldest first, the closed ones newest
    first."""

    kinds: tuple[str, ...]
    reason: str | None
    is_open: bool
    after: WorkItem | None
    """The last one of the page before."""
    limit: int


class DayCount(msgspec.Struct, frozen=True):
    """What became of one kind's items in one of several spans of time, by its number from 1."""

    number: int
    opened: int
    closed: int
    median_open: timedelta | None
    """Half of those that were closed had been open for no longer; None: none was closed."""


class OpenCount(msgspec.Struct, frozen=True):
    """How many items of a kind and reason are open, and since when the oldest."""

    kind: str
    reason: str
    count: int
    oldest_at: datetime
