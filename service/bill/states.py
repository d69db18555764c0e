"""The machine of a bill.

OPEN --LOCK--> LOCKED --PAY--> PAID
LOCKED, PAID --RELEASE--> OPEN        the holder gave up, or its settlement was undone
PAID --CORRECT--> PAID                lines were given back; a new version says what remains
OPEN --WITHDRAW--> WITHDRAWN          also from EXPIRED; from PAID when all of it was given back
OPEN --EXPIRE--> EXPIRED --AMEND--> OPEN
"""

from enum import StrEnum

from service.kernel.machine import Machine


class BillState(StrEnum):
    """Where a bill stands."""

    OPEN = "OPEN"
    LOCKED = "LOCKED"
    """A holder (a settlement) is paying it."""
    PAID = "PAID"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class BillKind(StrEnum):
    """What a bill is for."""

    OUTPATIENT = "OUTPATIENT"
    REGISTRATION = "REGISTRATION"
    """The fee for a visit to come. Own money, unless the institution has it insured."""
    DEPOSIT = "DEPOSIT"
    """Own money, held for a stay in hospital until its discharge: not spent."""
    DISCHARGE = "DISCHARGE"
    """All of a stay. The deposits held for it count as paid."""


class BillEvent(StrEnum):
    """What can happen to a bill."""

    LOCK = "LOCK"
    PAY = "PAY"
    RELEASE = "RELEASE"
    AMEND = "AMEND"
    WITHDRAW = "WITHDRAW"
    EXPIRE = "EXPIRE"
    CORRECT = "CORRECT"
    """Lines were given back after the payment: what remains stays paid."""


_S, _E = BillState, BillEvent

BILL: Machine[BillState, BillEvent] = Machine(
    start=_S.OPEN,
    table={
        (_S.OPEN, _E.LOCK): _S.LOCKED,
        (_S.OPEN, _E.AMEND): _S.OPEN,
        (_S.OPEN, _E.WITHDRAW): _S.WITHDRAWN,
        (_S.OPEN, _E.EXPIRE): _S.EXPIRED,
        (_S.LOCKED, _E.PAY): _S.PAID,
        (_S.LOCKED, _E.RELEASE): _S.OPEN,
        (_S.PAID, _E.RELEASE): _S.OPEN,
        (_S.PAID, _E.CORRECT): _S.PAID,
        (_S.PAID, _E.WITHDRAW): _S.WITHDRAWN,
        (_S.EXPIRED, _E.AMEND): _S.OPEN,
        (_S.EXPIRED, _E.WITHDRAW): _S.WITHDRAWN,
    },
    final=frozenset({_S.WITHDRAWN, _S.PAID, _S.EXPIRED}),
    states=BillState,
)

OF_STAY = frozenset({BillKind.DEPOSIT, BillKind.DISCHARGE})
"""Kinds that name a stay."""

HELD = frozenset({_S.LOCKED, _S.PAID})
"""States in which a bill has a holder."""
