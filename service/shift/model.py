"""Cashiers, shifts and their entries. Amounts are integer fen, times aware UTC."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import msgspec

from crypto.canonical import Value
from service.shift.states import EntryState, ShiftState


class Tender(StrEnum):
    """What a cashier takes by hand; also the payment's provider and way."""

    CASH = "cash"
    POS = "pos"


class Direction(StrEnum):
    """Into the drawer, or out of it."""

    TAKE = "TAKE"
    GIVE = "GIVE"


class StaffState(StrEnum):
    """Whether a cashier may sign in."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


def _columns(row: msgspec.Struct) -> Sequence[Value]:
    """Every column that a row's MAC covers: all but the MAC."""
    return [
        value.value if isinstance(value, StrEnum) else value
        for name, value in msgspec.structs.asdict(row).items()
        if name != "row_mac"
    ]


class Staff(msgspec.Struct, frozen=True, kw_only=True):
    """A cashier, by the number that the institution gave. His name is the institution's affair."""

    institution_id: int
    staff_id: int
    staff_no: str
    pin_salt: bytes
    pin_hash: bytes
    state: StaffState
    failures: int
    """Wrong PINs in a row."""
    locked_until: datetime | None
    session_hash: bytes | None
    session_terminal_id: int | None
    """He is signed in at one terminal at most."""
    session_until: datetime | None
    created_at: datetime
    version: int
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """The columns that the row's MAC covers."""
        return _columns(self)


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A cashier's work at one drawer. The five sums are set when it is closed."""

    institution_id: int
    shift_id: int
    terminal_id: int
    staff_id: int
    state: ShiftState
    float_fen: int
    """In the drawer at the opening."""
    opened_at: datetime
    closed_at: datetime | None
    expected_cash_fen: int | None
    counted_cash_fen: int | None
    expected_pos_fen: int | None
    counted_pos_fen: int | None
    explanation: str | None
    """The cashier's words for a difference."""
    next_shift_id: int | None
    """Whom the drawer was handed to."""
    version: int
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """The columns that the row's MAC covers."""
        return _columns(self)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Money that a cashier took or gave, for one payment (and one refund)."""

    institution_id: int
    entry_id: int
    shift_id: int
    staff_id: int
    direction: Direction
    tender: Tender
    amount_fen: int
    tendered_fen: int | None
    """The cash that was handed over; what is above the amount went back as change."""
    record_id: int
    settlement_id: int
    attempt_id: int
    refund_id: int | None
    refund_version: int | None
    slip_no: str | None
    slip_ref: str | None
    """The card terminal's reference."""
    slip_day: date | None
    request_key: str
    state: EntryState
    made_at: datetime
    ended_at: datetime | None
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """The columns that the row's MAC covers."""
        return _columns(self)


class CounterTender(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that an institution's counters take."""

    institution_id: int
    tender: str
    set_at: datetime
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """The columns that the row's MAC covers."""
        return _columns(self)


class CounterRefund(msgspec.Struct, frozen=True, kw_only=True):
    """Money that waits at the counter for its payer."""

    institution_id: int
    refund_id: int
    record_id: int
    settlement_id: int
    tender: Tender
    amount_fen: int
    asked_at: datetime
    given_at: datetime | None
    row_mac: bytes
    overdue_at: datetime | None = None
    """When a work item was opened, for nobody had come for it in time."""

    def mac_parts(self) -> Sequence[Value]:
        """The columns that the row's MAC covers; what was not overdue is as it always was."""
        *parts, overdue_at = _columns(self)
        return [*parts, overdue_at] if overdue_at is not None else parts


class Slip(msgspec.Struct, frozen=True, kw_only=True):
    """What the cashier types from a card terminal's slip."""

    slip_no: str
    slip_ref: str


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What the cashier found at the end of a shift."""

    cash_fen: int
    pos_fen: int
    explanation: str | None


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A cashier at his drawer: signed in, with an open shift at this terminal."""

    staff: Staff
    shift: Shift


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Money that is about to move; ``refund_id`` and its version for money given."""

    tender: Tender
    amount_fen: int
    tendered_fen: int | None
    slip: Slip | None
    record_id: int
    settlement_id: int
    attempt_id: int
    request_key: str
    refund_id: int | None = None
    refund_version: int | None = None


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What one tender moved in a shift."""

    taken_fen: int
    given_fen: int
    count: int

    @property
    def net_fen(self) -> int:
        """What should be there beside the float."""
        return self.taken_fen - self.given_fen


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A shift with its entries in order, and whose it was."""

    shift: Shift
    staff: Staff
    entries: list[Entry]


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A cashier who proved his PIN. ``token`` is told once."""

    token: str
    staff: Staff
    shift: Shift | None
    """His open shift, at this terminal or another."""
