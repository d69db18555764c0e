"""Work items."""

from datetime import datetime

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


class OpenCount(msgspec.Struct, frozen=True):
    """How many items of a kind and reason are open, and since when the oldest."""

    kind: str
    reason: str
    count: int
    oldest_at: datetime
