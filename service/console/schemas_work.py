"""What travels of work items: the queue, the list of money, the figures. Nothing personal."""

from datetime import date, datetime
from typing import Self

import msgspec

from service.audit.model import Kept
from service.casework import reasons
from service.casework.model import Evidence, OpenCount, WorkItem
from service.kernel.context import Context


class ItemAnswer(msgspec.Struct, kw_only=True):
    """A work item. ``meaning`` and ``ending`` are those of docs/work-items.md."""

    item: str
    kind: str
    reason: str
    meaning: str
    ending: str
    institution: str | None
    evidence: Evidence
    opened_at: datetime
    closed_at: datetime | None
    closing: str | None
    owner: str | None
    """Who closed it by hand."""

    @classmethod
    def of(cls, ctx: Context, item: WorkItem, institutions: dict[int, str]) -> Self:
        """As it travels."""
        row = reasons.find(item.kind, item.reason)
        place = item.institution_id
        return cls(
            item=ctx.public_ids.text(item.record_id, item.item_id),
            kind=item.kind,
            reason=item.reason,
            meaning="" if row is None else row.meaning,
            ending="" if row is None else row.ending,
            institution=None if place is None else institutions.get(place),
            evidence=item.evidence,
            opened_at=item.opened_at,
            closed_at=item.closed_at,
            closing=item.closing,
            owner=item.owner,
        )


class CountAnswer(msgspec.Struct, kw_only=True):
    """How many items of a kind and reason are open, and since when the oldest."""

    kind: str
    reason: str
    count: int
    oldest_at: datetime

    @classmethod
    def of(cls, count: OpenCount) -> Self:
        """As it travels."""
        return cls(
            kind=count.kind, reason=count.reason, count=count.count, oldest_at=count.oldest_at
        )


class ItemsAnswer(msgspec.Struct, kw_only=True):
    """A page of items."""

    items: list[ItemAnswer]
    next: str | None
    """For ``after``; None: there are no more."""
    open_counts: list[CountAnswer]


class DayAnswer(msgspec.Struct, kw_only=True):
    """A day in China."""

    day: date
    opened: int
    closed: int
    median_open_s: int | None
    """Half of those that were closed had been open for no longer."""
    automatic_merges: int
    merges: int
    """By stewards."""
    unmerges: int


class FiguresAnswer(msgspec.Struct, kw_only=True):
    """The stewards' work, the newest day last."""

    days: list[DayAnswer]
    open_counts: list[CountAnswer]


class ActAnswer(msgspec.Struct, kw_only=True):
    """What somebody of the staff did, as the audit log keeps it. Nothing personal."""

    act: str
    at: datetime
    action: str
    """Dotted past tense: ``record.looked-at``, ``ruling.made``, ``operator.signed-in``."""
    by: str
    because: str | None
    operator: str | None
    """Whose sign-in or roles somebody else changed."""
    record: str | None
    """About which record; None: about none."""
    item: str | None
    """On the occasion of which work item."""

    @classmethod
    def of(cls, ctx: Context, kept: Kept) -> Self:
        """As it travels."""
        entry, facts = kept.entry, kept.entry.facts

        def said(*names: str) -> str | None:
            texts = (facts.get(name) for name in names)
            return next((text for text in texts if isinstance(text, str)), None)

        record_id = entry.record_id
        return cls(
            act=ctx.public_ids.text(record_id, kept.entry_id),
            at=kept.at,
            action=entry.action,
            by=said("by", "name") or "",
            because=said("because"),
            operator=said("name") if "by" in facts else None,
            record=ctx.public_ids.text(record_id, record_id) if record_id else None,
            item=said("item"),
        )


class ActsAnswer(msgspec.Struct, kw_only=True):
    """A page of acts, newest first."""

    items: list[ActAnswer]
    next: str | None
    """For ``after``; None: there are no more."""
