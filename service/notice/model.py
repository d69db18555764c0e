"""Endpoints and events. Amounts are integer fen; nothing here is personal."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from crypto.canonical import Value
from service.bill.states import BillKind
from service.notice.states import EventState

_MOVING = frozenset({"row_mac", "state", "tries"})


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What this feature reads from the body of every topic that becomes an event."""

    institution_id: int
    version: int
    """Of the subject at that moment: it has one event a version."""
    sequence: int
    """The number of this event among those of its subject, from 1, without gaps."""
    occurred_at: datetime


class ToldFacts(Told, frozen=True, kw_only=True):
    """Beside that, in the ``settlement.*`` topics."""

    bill_no: str
    total_fen: int
    fund_fen: int
    account_fen: int
    cash_fen: int
    hospital_fen: int
    bill_version: int = 1
    kind: BillKind = BillKind.OUTPATIENT
    stay_no: str | None = None
    cover_fen: int = 0


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a hospital wants its events."""

    institution_id: int
    url: str
    application_id: int
    """The application that named the address."""
    set_at: datetime
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """Every column that the row's MAC covers: how well sending goes is not among them."""
        return [getattr(self, name) for name in self.__struct_fields__ if name != "row_mac"]


class EndpointHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How sending to an endpoint goes."""

    failures: int
    """Unanswered in a row."""
    paused_until: datetime | None
    due: int
    stuck: int


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """What writing an event down depends on."""

    is_told: bool
    has_endpoint: bool
    """Whether the institution wants its events sent."""


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is not sent any more until somebody has it sent again."""

    record_id: int
    event_id: int
    topic: str
    occurred_at: datetime
    tries: int
    failure: str | None
    """A word for the last answer, or for its absence."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event as stored. ``body`` is what is sent, byte for byte, every time."""

    institution_id: int
    event_id: int
    event_no: int
    record_id: int
    settlement_id: int
    """What it is about: a settlement, or of ``person.*`` the record whose person changed."""
    version: int
    sequence: int
    topic: str
    body: bytes
    occurred_at: datetime
    created_at: datetime
    row_mac: bytes
    state: EventState
    tries: int

    def mac_parts(self) -> Sequence[Value]:
        """Every column that is written once."""
        return [getattr(self, name) for name in self.__struct_fields__ if name not in _MOVING]
