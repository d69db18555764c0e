"""Corrections: lines of a posted settlement given back, or all of it. Amounts are integer fen."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from crypto.canonical import Value
from integrations.ports.insurance import ChargeLine
from service.payment.model import Refund
from service.settlement.model import Settlement
from service.settlement.states import CorrectionState


class BillAfter(StrEnum):
    """What becomes of the bill when all of it is given back."""

    OPEN = "OPEN"
    """It may be settled anew, until its time to pay is over."""
    WITHDRAWN = "WITHDRAWN"


class GivenLine(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one line is given back: x 10^4, as in the bill."""

    line_no: str
    quantity_e4: int


class CorrectionContent(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed. No lines: all of the bill."""

    lines: list[GivenLine]
    reason: str


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A row. ``amount_fen`` is taken off the bill; the bureau decides what goes to the payer.

    ``asked_by`` and ``decided_by`` are the institution's own numbers of its people, ``…_through``
    the application or terminal that spoke for them.
    """

    record_id: int
    correction_id: int
    settlement_id: int
    institution_id: int
    bill_version: int
    """The version that something is given back of."""
    bill_after: BillAfter | None
    """None while lines remain."""
    amount_fen: int
    state: CorrectionState
    sealed: bytes
    asked_by: str
    asked_through: str
    asked_at: datetime
    decided_by: str | None
    """None where no second person was needed."""
    decided_through: str | None
    decided_at: datetime | None
    round_no: int | None
    """The settlement's last round on its behalf."""
    ended_at: datetime | None
    version: int
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """Every column that the row's MAC covers."""
        return [
            value.value if isinstance(value, StrEnum) else value
            for name, value in msgspec.structs.asdict(self).items()
            if name != "row_mac"
        ]

    @property
    def is_return(self) -> bool:
        """Whether all of the bill is given back."""
        return self.bill_after is not None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks or decides: somebody of an institution, for whom a caller of it speaks."""

    institution_id: int
    staff_no: str
    caller_kind: str
    """``application`` or ``terminal``."""
    caller_id: int

    @property
    def through(self) -> str:
        """Who spoke for him."""
        return f"{self.caller_kind}:{self.caller_id}"


class AskCorrection(msgspec.Struct, frozen=True, kw_only=True):
    """Give lines back (``lines``), or with none named all of it."""

    record_id: int
    settlement_id: int
    bill_version: int
    """The version that the asker saw."""
    lines: list[GivenLine]
    bill_after: BillAfter
    """What becomes of a bill of which nothing remains."""
    reason: str
    person: Person


class CorrectionView(msgspec.Struct, frozen=True, kw_only=True):
    """A correction, opened, with its settlement and the money that goes back for it."""

    correction: Correction
    content: CorrectionContent
    settlement: Settlement
    refunds: list[Refund]


class PostedView(msgspec.Struct, frozen=True, kw_only=True):
    """A posted settlement with the lines that it is of."""

    settlement: Settlement
    bill_no: str
    lines: list[ChargeLine]


class AwaitingView(msgspec.Struct, frozen=True, kw_only=True):
    """A correction that waits for a second person, and what it is of."""

    correction: CorrectionView
    posted: PostedView
