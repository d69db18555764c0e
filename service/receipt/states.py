"""The machine of a fiscal e-invoice.

CREATED --ISSUE--> ISSUED --ASK_WRITE_OFF--> WRITING_OFF --WRITE_OFF--> WRITTEN_OFF
CREATED --REFUSE--> REFUSED --SEND_AGAIN--> CREATED
CREATED, REFUSED --ASK_WRITE_OFF--> WITHDRAWING --ABSENT--> WITHDRAWN   it was never issued
                                    WITHDRAWING --ISSUE--> WRITING_OFF  it was, unheard
WRITING_OFF --REFUSE--> NEEDS_REVIEW --SEND_AGAIN--> WRITING_OFF
REFUSED and NEEDS_REVIEW always stand beside a work item. An invoice never holds a settlement up.
"""

from enum import StrEnum

from service.kernel.machine import Machine


class InvoiceState(StrEnum):
    """Where an invoice stands."""

    CREATED = "CREATED"
    """The owner is being asked for it."""
    ISSUED = "ISSUED"
    REFUSED = "REFUSED"
    """The owner refused; a person must look."""
    WITHDRAWING = "WITHDRAWING"
    """Not wanted any more; whether it was issued is being found out."""
    WITHDRAWN = "WITHDRAWN"
    """It was never issued."""
    WRITING_OFF = "WRITING_OFF"
    WRITTEN_OFF = "WRITTEN_OFF"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    """The owner refused to write it off; a person must look."""


class InvoiceEvent(StrEnum):
    """What can happen to an invoice."""

    ISSUE = "ISSUE"
    REFUSE = "REFUSE"
    ASK_WRITE_OFF = "ASK_WRITE_OFF"
    ABSENT = "ABSENT"
    WRITE_OFF = "WRITE_OFF"
    SEND_AGAIN = "SEND_AGAIN"


_S, _E = InvoiceState, InvoiceEvent

INVOICE: Machine[InvoiceState, InvoiceEvent] = Machine(
    start=_S.CREATED,
    table={
        (_S.CREATED, _E.ISSUE): _S.ISSUED,
        (_S.CREATED, _E.REFUSE): _S.REFUSED,
        (_S.CREATED, _E.ASK_WRITE_OFF): _S.WITHDRAWING,
        (_S.REFUSED, _E.SEND_AGAIN): _S.CREATED,
        (_S.REFUSED, _E.ASK_WRITE_OFF): _S.WITHDRAWING,
        (_S.WITHDRAWING, _E.ABSENT): _S.WITHDRAWN,
        (_S.WITHDRAWING, _E.ISSUE): _S.WRITING_OFF,
        (_S.ISSUED, _E.ASK_WRITE_OFF): _S.WRITING_OFF,
        (_S.WRITING_OFF, _E.WRITE_OFF): _S.WRITTEN_OFF,
        (_S.WRITING_OFF, _E.REFUSE): _S.NEEDS_REVIEW,
        (_S.NEEDS_REVIEW, _E.SEND_AGAIN): _S.WRITING_OFF,
    },
    final=frozenset({_S.WITHDRAWN, _S.WRITTEN_OFF}),
    states=InvoiceState,
)

WORKING = frozenset({_S.CREATED, _S.WITHDRAWING, _S.WRITING_OFF})
"""States in which the owner is being asked."""
