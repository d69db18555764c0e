"""The states of a settlement, of a correction of one, and of an insurance call that the hospital's
own machine performs, and what may follow.

::

    PRESETTLING ──split──> PRESETTLED ──payment started──> AWAITING_PAYER ──paid──> PAID
        │                     │    ^───────payment ended────────┘                    │ settle begun
        │                     └──────────nothing to pay (confirmed)──────────> PAID  v
        │                     │                                                 SETTLING
        │ refused,            │ deadline,                 payer owes more ┌────────┤   settled
        │ abandoned           │ abandoned                                 v        v
        │                     │                                 COLLECTING ─paid─> SETTLED
        v                     v                   deadline, abandoned │            │ recorded
    REVERSING <───────────────┴───────────────────────────────────────┘            v
        │   ^──── refused, or amounts moved and the institution undoes ─ SETTLING  POSTING
        v                                                                          │ hospital posted
    REVERSED                                                                       v
    POSTED ──all of it is given back──> REVERSING                                POSTED
       └──lines are given back──> RECALLING ──recalled──> PRESETTLING ──split──> PRESETTLED
                                                  enough is paid already: PAID <─────┘
    any working state ──contradicted──> NEEDS_REVIEW ──a person decides──> SETTLING or REVERSING,
                                                                 in a correction RECALLING again

REVERSED and POSTED are final, but for what a hospital gives back of a posted settlement: a
correction goes through the same states with what remains of the bill. In it nothing is abandoned
by a deadline or a refusal: it goes before a person. NEEDS_REVIEW always stands beside an open work
item.

correction   AWAITING_APPROVAL --APPROVE--> RUNNING --FINISH--> DONE
             AWAITING_APPROVAL --REFUSE--> REFUSED
             RUNNING --UNDO--> UNDONE      lines were to go back, and in the end all of it did

Up to the institution's limit nobody is waited for.

ask          ASKED --TAKE--> TAKEN --ANSWER--> ANSWERED
             ASKED --WITHDRAW--> WITHDRAWN     surely nothing was done
"""

from enum import StrEnum

from service.kernel.machine import Machine


class SettlementState(StrEnum):
    """Where a settlement stands."""

    PRESETTLING = "PRESETTLING"
    """The bureau is being asked how it would divide the bill."""
    PRESETTLED = "PRESETTLED"
    """The division is known; nobody is paying yet."""
    AWAITING_PAYER = "AWAITING_PAYER"
    """An order stands at a provider."""
    PAID = "PAID"
    """The payer's part is paid, or there is none."""
    SETTLING = "SETTLING"
    """The bureau is being told to settle."""
    COLLECTING = "COLLECTING"
    """The bureau settled, and the payer owes more than was promised."""
    SETTLED = "SETTLED"
    """Everybody's part is definite."""
    POSTING = "POSTING"
    """The hospital's own system has not acknowledged yet."""
    POSTED = "POSTED"
    """The hospital's own system has it in its books."""
    RECALLING = "RECALLING"
    """Lines were given back: what the bureau settled is being revoked, to settle what remains."""
    REVERSING = "REVERSING"
    """Every leg is being undone, money first."""
    REVERSED = "REVERSED"
    """Every leg is undone for certain; the bill may be settled anew."""
    NEEDS_REVIEW = "NEEDS_REVIEW"
    """Something contradicts; a person must look."""


class SettlementEvent(StrEnum):
    """What happened to a settlement."""

    SPLIT = "split"
    REFUSED = "refused"
    """The bureau refused for certain, or could not be reached in time."""
    CONFIRMED = "confirmed"
    """The payer agrees and has nothing to pay."""
    PAYMENT_STARTED = "payment-started"
    PAYMENT_ENDED = "payment-ended"
    """The order is closed or failed for certain; another may be placed."""
    PAID = "paid"
    ABANDONED = "abandoned"
    DEADLINE_PASSED = "deadline-passed"
    SETTLE_BEGUN = "settle-begun"
    SETTLED = "settled"
    CASH_ROSE = "cash-rose"
    AMOUNTS_REFUSED = "amounts-refused"
    """The bureau settled other amounts, and the institution wants the whole undone."""
    RECORDED = "recorded"
    """The hospital can see it and must post it."""
    HOSPITAL_POSTED = "hospital-posted"
    UNDONE = "undone"
    RETURN_ASKED = "return-asked"
    """All of it is given back."""
    CORRECTED = "corrected"
    """Lines of it are given back."""
    RECALLED = "recalled"
    """Nothing of the former settlement stands at the bureau any more."""
    ENOUGH_PAID = "enough-paid"
    """The payer paid as much as what remains leaves to him, or more."""
    CONTRADICTED = "contradicted"
    REVIEWED_SETTLE = "reviewed-settle"
    REVIEWED_REVERSE = "reviewed-reverse"
    REVIEWED_GO_ON = "reviewed-go-on"
    """The correction is taken up again from its beginning."""


_S = SettlementState
_E = SettlementEvent

MACHINE = Machine[SettlementState, SettlementEvent](
    start=_S.PRESETTLING,
    table={
        (_S.PRESETTLING, _E.SPLIT): _S.PRESETTLED,
        (_S.PRESETTLING, _E.REFUSED): _S.REVERSING,
        (_S.PRESETTLING, _E.ABANDONED): _S.REVERSING,
        (_S.PRESETTLING, _E.DEADLINE_PASSED): _S.REVERSING,
        (_S.PRESETTLING, _E.CONTRADICTED): _S.NEEDS_REVIEW,
        (_S.PRESETTLED, _E.PAYMENT_STARTED): _S.AWAITING_PAYER,
        (_S.PRESETTLED, _E.CONFIRMED): _S.PAID,
        (_S.PRESETTLED, _E.ABANDONED): _S.REVERSING,
        (_S.PRESETTLED, _E.DEADLINE_PASSED): _S.REVERSING,
        (_S.PRESETTLED, _E.ENOUGH_PAID): _S.PAID,
        (_S.PRESETTLED, _E.AMOUNTS_REFUSED): _S.REVERSING,
        (_S.PRESETTLED, _E.CONTRADICTED): _S.NEEDS_REVIEW,
        (_S.AWAITING_PAYER, _E.PAID): _S.PAID,
        (_S.AWAITING_PAYER, _E.PAYMENT_ENDED): _S.PRESETTLED,
        (_S.AWAITING_PAYER, _E.CONTRADICTED): _S.NEEDS_REVIEW,
        (_S.PAID, _E.SETTLE_BEGUN): _S.SETTLING,
        (_S.SETTLING, _E.SETTLED): _S.SETTLED,
        (_S.SETTLING, _E.CASH_ROSE): _S.COLLECTING,
        (_S.SETTLING, _E.AMOUNTS_REFUSED): _S.REVERSING,
        (_S.SETTLING, _E.REFUSED): _S.REVERSING,
        (_S.SETTLING, _E.CONTRADICTED): _S.NEEDS_REVIEW,
        (_S.COLLECTING, _E.PAID): _S.SETTLED,
        (_S.COLLECTING, _E.ABANDONED): _S.REVERSING,
        (_S.COLLECTING, _E.DEADLINE_PASSED): _S.REVERSING,
        (_S.COLLECTING, _E.CONTRADICTED): _S.NEEDS_REVIEW,
        (_S.SETTLED, _E.RECORDED): _S.POSTING,
        (_S.POSTING, _E.HOSPITAL_POSTED): _S.POSTED,
        (_S.POSTED, _E.RETURN_ASKED): _S.REVERSING,
        (_S.POSTED, _E.CORRECTED): _S.RECALLING,
        (_S.RECALLING, _E.RECALLED): _S.PRESETTLING,
        (_S.RECALLING, _E.CONTRADICTED): _S.NEEDS_REVIEW,
        (_S.REVERSING, _E.UNDONE): _S.REVERSED,
        (_S.REVERSING, _E.CONTRADICTED): _S.NEEDS_REVIEW,
        (_S.NEEDS_REVIEW, _E.REVIEWED_SETTLE): _S.SETTLING,
        (_S.NEEDS_REVIEW, _E.REVIEWED_REVERSE): _S.REVERSING,
        (_S.NEEDS_REVIEW, _E.REVIEWED_GO_ON): _S.RECALLING,
    },
    final=frozenset({_S.POSTED, _S.REVERSED}),
    states=SettlementState,
)

PAYABLE = frozenset({_S.PRESETTLED, _S.AWAITING_PAYER, _S.COLLECTING})
"""States in which the payer may start a payment."""


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


_C, _D = CorrectionState, CorrectionEvent

CORRECTION: Machine[CorrectionState, CorrectionEvent] = Machine(
    start=_C.AWAITING_APPROVAL,
    table={
        (_C.AWAITING_APPROVAL, _D.APPROVE): _C.RUNNING,
        (_C.AWAITING_APPROVAL, _D.REFUSE): _C.REFUSED,
        (_C.RUNNING, _D.FINISH): _C.DONE,
        (_C.RUNNING, _D.UNDO): _C.UNDONE,
    },
    final=frozenset({_C.REFUSED, _C.DONE, _C.UNDONE}),
    states=CorrectionState,
)


class AskState(StrEnum):
    """Where a call that the hospital's own machine performs stands."""

    ASKED = "ASKED"
    """Nobody has it yet."""
    TAKEN = "TAKEN"
    """The hospital has it: perhaps done."""
    ANSWERED = "ANSWERED"
    WITHDRAWN = "WITHDRAWN"
    """Nobody ever gets it: surely not done."""


class AskEvent(StrEnum):
    """What can happen to such a call."""

    TAKE = "take"
    ANSWER = "answer"
    WITHDRAW = "withdraw"


_K, _L = AskState, AskEvent

ASK: Machine[AskState, AskEvent] = Machine(
    start=_K.ASKED,
    table={
        (_K.ASKED, _L.TAKE): _K.TAKEN,
        (_K.ASKED, _L.WITHDRAW): _K.WITHDRAWN,
        (_K.TAKEN, _L.ANSWER): _K.ANSWERED,
    },
    final=frozenset({_K.ANSWERED, _K.WITHDRAWN}),
    states=AskState,
)
