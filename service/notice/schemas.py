"""What hospitals send and get about events; ``openapi/events.yaml`` is checked against this."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from integrations.ports.money import FenField
from service.bill.states import BillKind
from service.notice.model import Endpoint, EndpointHealth


class EventType(StrEnum):
    """What became definite."""

    SETTLED = "settlement.settled"
    """Paid and settled: the hospital must post it."""
    CORRECTED = "settlement.corrected"
    """Lines were given back, and what remains is settled: the hospital must post that instead."""
    POSTED = "settlement.posted"
    """The hospital acknowledged it."""
    REVERSED = "settlement.reversed"
    """Every leg is undone; the bill is open again."""


class SettlementEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something became definite about a settlement. The body of the POST, and of a pulled event.

    Ignore members that you do not know.
    """

    event_id: str
    """The same at every repeat: an event that was taken before changes nothing."""
    type: EventType
    sequence: Annotated[int, Meta(ge=1)]
    """Counts the events of this settlement from 1, without gaps."""
    occurred_at: Annotated[datetime, Meta(tz=True)]
    institution_code: str
    settlement_id: str
    bill_no: str
    total_fen: FenField
    fund_fen: FenField
    account_fen: FenField
    cash_fen: FenField
    hospital_fen: FenField
    bill_version: Annotated[int, Meta(ge=1)] = 1
    """The version of the bill that the amounts are of; acknowledge it by this number."""
    kind: BillKind = BillKind.OUTPATIENT
    """What the bill is for."""
    stay_no: str | None = None
    """The admission number, of a deposit or a discharge."""
    cover_fen: FenField = 0
    """What a commercial insurer bears, beside the four parts."""


class PersonEventType(StrEnum):
    """Which way a patient of yours moved."""

    MERGED = "person.merged"
    """The patient is one person with others now."""
    UNMERGED = "person.unmerged"
    """The patient is a person apart from others again."""


class PersonEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A patient whom you registered came to another person. The body of the POST, and of a pulled
    event.

    Ignore members that you do not know.
    """

    event_id: str
    """The same at every repeat: an event that was taken before changes nothing."""
    type: PersonEventType
    sequence: Annotated[int, Meta(ge=1)]
    """Counts the events of this patient from 1, without gaps."""
    occurred_at: Annotated[datetime, Meta(tz=True)]
    institution_code: str
    patient_id: str
    """Your own id of the patient, as a scan gives it; it never changes."""
    same_person: list[str]
    """Your other patients who are the same person now."""


class EventName(msgspec.Struct, frozen=True):
    """What every event's body has, whatever it tells."""

    event_id: str


class EventList(msgspec.Struct, kw_only=True):
    """Events in the order in which they were written."""

    events: list[SettlementEvent]
    next: str | None
    """Pass it as ``after`` in the next call; the same as given when nothing is new."""


class PersonEventList(msgspec.Struct, kw_only=True):
    """Events in the order in which they were written."""

    events: list[PersonEvent]
    next: str | None
    """Pass it as ``after`` in the next call; the same as given when nothing is new."""


class EndpointRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where events shall be sent."""

    url: Annotated[str, Meta(min_length=1, max_length=400)]


class EndpointAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where events are sent, and how that goes."""

    url: str
    set_at: datetime
    unanswered: int
    """Sends in a row that nobody answered; 3 and more pause the endpoint."""
    due: int
    stuck: int
    paused_until: datetime | None = None

    @classmethod
    def of(cls, endpoint: Endpoint, health: EndpointHealth) -> "EndpointAnswer":
        """From the row and its health."""
        return cls(
            url=endpoint.url,
            set_at=endpoint.set_at,
            unanswered=health.failures,
            due=health.due,
            stuck=health.stuck,
            paused_until=health.paused_until,
        )
