"""Bills. Amounts are integer fen; content (visit and lines) is sealed under the record's key."""

from datetime import datetime
from enum import StrEnum

import msgspec

from integrations.ports.insurance import ChargeLine, Visit


class BillState(StrEnum):
    """Where a bill stands."""

    OPEN = "OPEN"
    LOCKED = "LOCKED"
    """A holder (a settlement) is paying it."""
    PAID = "PAID"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class BillContent(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed: the visit and its lines."""

    visit: Visit
    lines: list[ChargeLine]


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A bill, opened. ``version`` counts the hospital's amendments from 1.

    ``holder_id`` is the settlement that locked or paid it, else None.
    """

    record_id: int
    bill_id: int
    institution_id: int
    bill_no: str
    version: int
    total_fen: int
    state: BillState
    holder_id: int | None
    pay_until: datetime
    created_at: datetime
    updated_at: datetime
    visit: Visit
    lines: list[ChargeLine]


class PushBill(msgspec.Struct, frozen=True, kw_only=True):
    """A hospital's bill. ``patient`` is the institution's own pseudonym of the record."""

    institution_id: int
    application_id: int
    bill_no: str
    patient: str
    content: BillContent
    total_fen: int
    pay_until: datetime


class AmendBill(PushBill, frozen=True, kw_only=True):
    """The whole bill anew. ``version`` is the one it replaces."""

    version: int
