"""Persons joined and parted, stewards' rulings, and questions about pairs of records."""

from datetime import datetime
from enum import StrEnum

import msgspec

from service.person.model import DecisionKind, Link, Record

SYSTEM = "system"
"""The actor of what no steward decided."""


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """Why persons are joined or parted, as every decision of the act says it.

    ``actor`` is a steward's name or ``SYSTEM``; ``model`` the model's version, ``bits`` its grounds
    by name. No personal data in any of them.
    """

    actor: str
    reason: str
    model: str
    bits: dict[str, int]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``person_change``: records that moved between two persons in one act.

    MERGE: all records of ``other_person_id`` came to ``person_id``. UNMERGE: records of
    ``person_id`` went to ``other_person_id``.
    """

    person_id: int
    change_id: int
    """Also the decision of every record that moved."""
    kind: DecisionKind
    other_person_id: int
    actor: str
    reason: str
    changed_at: datetime
    undone_by: int | None
    """The change that undid it."""
    row_mac: bytes

    def mac_parts(self) -> list[int | str | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.person_id,
            self.change_id,
            self.kind.value,
            self.other_person_id,
            self.actor,
            self.reason,
            self.changed_at,
            self.undone_by,
        ]


class ChangeCount(msgspec.Struct, frozen=True):
    """How many persons were joined and parted in one of several spans of time, from number 1 on."""

    number: int
    automatic_merges: int
    merges: int
    """By stewards."""
    unmerges: int


class RulingVerdict(StrEnum):
    """What a steward ruled about two records."""

    SAME = "SAME"
    DIFFERENT = "DIFFERENT"


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``assertion``: two records, the lesser first, are one person's or two persons'."""

    record_id: int
    other_record_id: int
    verdict: RulingVerdict
    actor: str
    reason: str
    asserted_at: datetime
    ruling_id: int
    """The change it came with, or a number of its own where nothing had to move."""
    withdrawn_at: datetime | None
    withdrawn_by: int | None
    """The change that withdrew it, or a number of its own."""
    row_mac: bytes

    def mac_parts(self) -> list[int | str | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.other_record_id,
            self.verdict.value,
            self.actor,
            self.reason,
            self.asserted_at,
            self.ruling_id,
            self.withdrawn_at,
            self.withdrawn_by,
        ]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``review``: whether two records, whosoever they are today, are one person's."""

    record_id: int
    review_id: int
    other_record_id: int
    reason: str
    closed_at: datetime | None
    closed_by: int | None


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """A record with its open link."""

    record: Record
    link: Link
