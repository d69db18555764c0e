"""Records, persons and what links them."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

from service.kernel.masked import Masked
from service.person.identity.registrations import Whose


class Source(StrEnum):
    """Where a registration came from, which says how far it is believed."""

    RESIDENT = "resident"
    READER = "reader"
    WINDOW = "window"
    RURAL = "rural"
    LEGACY = "legacy"
    EMERGENCY = "emergency"


class DecisionKind(StrEnum):
    """What was decided about a record."""

    NEW = "NEW"
    LINK = "LINK"
    REVIEW = "REVIEW"
    MERGE = "MERGE"
    UNMERGE = "UNMERGE"


class Changed(StrEnum):
    """What a registration says has changed: what was said of it before is former now."""

    NAME = "name"
    ID_NO = "id_no"


CITIZEN_ID = "01"
"""CV02.01.101: resident identity card."""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A registration as received; texts as they were typed or read.

    ``id_type`` is a CV02.01.101 code. None and empty mean unknown; what has a default was not
    asked for when the first records were sealed.
    """

    source: Source
    institution_id: int | None
    name: str
    id_type: str
    id_no: str | None
    phone: str | None
    changed: Changed | None = None
    sex: str | None = None
    """M, F or U, or the digits of GB/T 2261.1."""
    birth_date: str | None = None
    """``2020-05-01`` or ``20200501``."""
    address: str | None = None
    facility: str | None = None
    """Where ``local_id`` was given; None: at the institution."""
    local_id: str | None = None
    nationality: str | None = None
    ethnicity: str | None = None
    former_name: str | None = None
    guardian_name: str | None = None
    guardian_id: str | None = None
    contact_name: str | None = None

    def __repr__(self) -> str:
        return f"Registration({self.source.value}, …)"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a registration says once it is typed. Sealed wherever it is stored.

    ``id_no`` is the person's own number; another's, a malformed and a dummy one are None here and
    stay in the registration as received. ``whose`` says which of these it was.
    """

    name: str
    """Empty where none is known."""
    id_type: str
    id_no: str | None
    sex: str
    """M, F or U."""
    birth_date: date | None
    phone: str | None
    whose: Whose = Whose.OWN
    """Records sealed before it was kept had their own number or none."""
    parent_name: str | None = None
    """Of a newborn without a name: the parent's, as the placeholder says it."""
    birth_order: str | None = None
    """Of one of several born on a day: which."""
    address: str | None = None
    facility: str | None = None
    local_id: str | None = None
    nationality: str | None = None
    ethnicity: str | None = None
    """The code of GB/T 3304, or what was sent where it is none."""
    former_name: str | None = None
    guardian_name: str | None = None
    guardian_id: str | None = None
    contact_name: str | None = None

    def __repr__(self) -> str:
        return "Facts(…)"


class SealedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The plaintext of ``record.sealed``: the registration as received and as typed."""

    received: Registration
    facts: Facts


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``record``."""

    record_id: int
    source: Source
    institution_id: int | None
    sealed: bytes
    received_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | bytes | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.source.value,
            self.institution_id,
            self.sealed,
            self.received_at,
        ]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``link``: from when to when a record belonged to a person."""

    record_id: int
    link_id: int
    person_id: int
    decision_id: int
    from_at: datetime
    to_at: datetime | None
    row_mac: bytes

    def mac_parts(self) -> list[int | datetime | None]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.link_id,
            self.person_id,
            self.decision_id,
            self.from_at,
            self.to_at,
        ]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``person``: what is the person's and not a record's."""

    person_id: int
    frozen_at: datetime | None
    frozen_because: str | None
    created_at: datetime
    version: int
    frozen_parts: int
    """How many of the persons merged into this one are frozen by themselves."""
    row_mac: bytes

    @property
    def is_frozen(self) -> bool:
        """By itself, or because a part of it is."""
        return self.frozen_at is not None or self.frozen_parts > 0

    def mac_parts(self) -> list[int | str | datetime | None]:
        """The columns that the row's MAC covers; parts only where there are frozen ones, because
        rows from before persons were merged have a MAC without them."""
        parts: list[int | str | datetime | None] = [
            self.person_id,
            self.frozen_at,
            self.frozen_because,
            self.created_at,
            self.version,
        ]
        return [*parts, self.frozen_parts] if self.frozen_parts else parts


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``decision``. ``bits`` are the grounds, by name; never personal data."""

    record_id: int
    decision_id: int
    kind: DecisionKind
    model: str
    bits: dict[str, int]
    actor: str
    reason: str
    previous_hash: bytes
    hash: bytes
    decided_at: datetime


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a person as the golden view and the linking see it."""

    record_id: int
    person_id: int
    source: Source
    received_at: datetime
    facts: Facts
    changed: Changed | None = None


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """A value that another one has taken the place of, and the newest record that says it."""

    text: str
    record_id: int

    def __repr__(self) -> str:
        return f"Former(record_id={self.record_id})"


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """The best-founded facts about a person, and the record each came from; newest former first.

    Views from before the former values were kept have none.
    """

    facts: Facts
    provenance: dict[str, int]
    former_names: tuple[Former, ...] = ()
    former_phones: tuple[Former, ...] = ()


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """Where a registration ended up."""

    record_id: int
    person_id: int


class RecordView(msgspec.Struct, frozen=True, kw_only=True):
    """One record and the person it belongs to today. ``name`` and ``id_no`` are empty when none is
    known."""

    record_id: int
    person_id: int
    name: Masked
    id_type: str
    id_no: Masked
    sex: str
    birth_date: date | None
    phone: Masked | None
    frozen: bool

    @property
    def citizen_no(self) -> Masked:
        """The citizen's number, by which the insurance knows people; empty where his document is
        another one."""
        return self.id_no if self.id_type == CITIZEN_ID else Masked("")
