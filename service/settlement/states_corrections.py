"""The machine of a correction: what a hospital gives back of a posted settlement.

AWAITING_APPROVAL --APPROVE--> RUNNING --FINISH--> DONE
AWAITING_APPROVAL --REFUSE--> REFUSED
RUNNING --UNDO--> UNDONE      lines were to be given back, and in the end all of it was
Up to the institution's limit nobody is waited for.
"""

from enum import StrEnum

from service.kernel.machine import Machine


class CorrectionState(StrEnum):
    """Where a correction stands."""

    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    """Another person than the asker must agree."""
    RUNNING = "RUNNING"
    REFUSED = "REFUSED"
    DONE = "DONE"
    """Given back; what remains, if anything, is posted."""
    UNDONE = "UNDONE"
    """It could not be done, and the whole settlement was undone instead."""


class CorrectionEvent(StrEnum):
    """What can happen to a correction."""

    APPROVE = "approve"
    REFUSE = "refuse"
    FINISH = "finish"
    UNDO = "undo"


_S, _E = CorrectionState, CorrectionEvent

CORRECTION: Machine[CorrectionState, CorrectionEvent] = Machine(
    start=_S.AWAITING_APPROVAL,
    table={
        (_S.AWAITING_APPROVAL, _E.APPROVE): _S.RUNNING,
        (_S.AWAITING_APPROVAL, _E.REFUSE): _S.REFUSED,
        (_S.RUNNING, _E.FINISH): _S.DONE,
        (_S.RUNNING, _E.UNDO): _S.UNDONE,
    },
    final=frozenset({_S.REFUSED, _S.DONE, _S.UNDONE}),
    states=CorrectionState,
)
