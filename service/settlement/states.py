"""The states of a settlement and the one table of what may follow.

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
                                                                                 POSTED
    any working state ──contradicted──> NEEDS_REVIEW ──a person decides──> SETTLING or REVERSING

REVERSED and POSTED are final. NEEDS_REVIEW always stands beside an open work item.
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
    CONTRADICTED = "contradicted"
    REVIEWED_SETTLE = "reviewed-settle"
    REVIEWED_REVERSE = "reviewed-reverse"


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
        (_S.REVERSING, _E.UNDONE): _S.REVERSED,
        (_S.REVERSING, _E.CONTRADICTED): _S.NEEDS_REVIEW,
        (_S.NEEDS_REVIEW, _E.REVIEWED_SETTLE): _S.SETTLING,
        (_S.NEEDS_REVIEW, _E.REVIEWED_REVERSE): _S.REVERSING,
    },
    final=frozenset({_S.POSTED, _S.REVERSED}),
    states=SettlementState,
)

PAYABLE = frozenset({_S.PRESETTLED, _S.AWAITING_PAYER, _S.COLLECTING})
"""States in which the payer may start a payment."""
