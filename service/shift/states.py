"""The machines of this feature.

shift   OPEN --CLOSE--> CLOSED                    nothing may be in doubt

entry   INTENDED --END--> DONE                    the payment or refund is written
        INTENDED --GIVE_UP--> VOID                it surely is not, and never will be
"""

from enum import StrEnum

from service.kernel.machine import Machine


class ShiftState(StrEnum):
    """Whether a shift takes and gives."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


class ShiftEvent(StrEnum):
    """What can happen to a shift."""

    CLOSE = "CLOSE"


class EntryState(StrEnum):
    """Whether the money of an entry moved."""

    INTENDED = "INTENDED"
    DONE = "DONE"
    VOID = "VOID"


class EntryEvent(StrEnum):
    """What can happen to an entry."""

    END = "END"
    GIVE_UP = "GIVE_UP"


SHIFT: Machine[ShiftState, ShiftEvent] = Machine(
    start=ShiftState.OPEN,
    table={(ShiftState.OPEN, ShiftEvent.CLOSE): ShiftState.CLOSED},
    final=frozenset({ShiftState.CLOSED}),
    states=ShiftState,
)

ENTRY: Machine[EntryState, EntryEvent] = Machine(
    start=EntryState.INTENDED,
    table={
        (EntryState.INTENDED, EntryEvent.END): EntryState.DONE,
        (EntryState.INTENDED, EntryEvent.GIVE_UP): EntryState.VOID,
    },
    final=frozenset({EntryState.DONE, EntryState.VOID}),
    states=EntryState,
)
