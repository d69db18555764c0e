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
    but_reason: str = ""
