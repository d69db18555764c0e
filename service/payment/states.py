"""The two machines of this feature.

attempt   CREATED --PLACED--> AWAITING_PAYER --PAY--> PAID
          CREATED --REFUSE--> FAILED
          CREATED, AWAITING_PAYER --ASK_CLOSE--> CLOSING --CLOSE--> CLOSED
          CREATED, CLOSING --PAY--> PAID           the payer was faster
          CLOSED, FAILED --PAY_LATE--> PAID_LATE   given back whole, by itself
          CREATED, AWAITING_PAYER, CLOSING --CONTRADICT--> NEEDS_REVIEW
          What a cashier took is stored PAID; what he surely did not take, FAILED.

          Way ``code``: AWAITING_PAYER while the payer confirms on his phone; CLOSING is left only
          when the reversal is definite, and PAID then means that it was refused.

refund    CREATED --ACCEPT--> PROCESSING --FINISH--> REFUNDED
          any open state --FAIL--> FAILED, --BLOCK--> NEEDS_REVIEW
          NEEDS_REVIEW is not the end: the provider may still do it, or an operator send again.
          FAILED --FINISH_LATE--> REFUNDED         given after all; an operator had it asked
          Cash and card slips stay CREATED until a cashier gives them back (FINISH).
"""

from enum import StrEnum

from service.kernel.machine import Machine


class AttemptState(StrEnum):
    """Where an attempt stands."""

    CREATED = "CREATED"
    AWAITING_PAYER = "AWAITING_PAYER"
    PAID = "PAID"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"
    FAILED = "FAILED"
    PAID_LATE = "PAID_LATE"
    NEEDS_REVIEW = "NEEDS_REVIEW"


class AttemptEvent(StrEnum):
    """What can happen to an attempt."""

    PLACED = "PLACED"
    REFUSE = "REFUSE"
    PAY = "PAY"
    ASK_CLOSE = "ASK_CLOSE"
    CLOSE = "CLOSE"
    PAY_LATE = "PAY_LATE"
    CONTRADICT = "CONTRADICT"


class RefundState(StrEnum):
    """Where a refund stands."""

    CREATED = "CREATED"
    PROCESSING = "PROCESSING"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    NEEDS_REVIEW = "NEEDS_REVIEW"


class RefundEvent(StrEnum):
    """What can happen to a refund."""

    ACCEPT = "ACCEPT"
    FINISH = "FINISH"
    FINISH_LATE = "FINISH_LATE"
    FAIL = "FAIL"
    BLOCK = "BLOCK"
    SEND_AGAIN = "SEND_AGAIN"


_A, _E = AttemptState, AttemptEvent
_R, _F = RefundState, RefundEvent

ATTEMPT: Machine[AttemptState, AttemptEvent] = Machine(
    start=_A.CREATED,
    table={
        (_A.CREATED, _E.PLACED): _A.AWAITING_PAYER,
        (_A.CREATED, _E.REFUSE): _A.FAILED,
        (_A.CREATED, _E.PAY): _A.PAID,
        (_A.CREATED, _E.ASK_CLOSE): _A.CLOSING,
        (_A.CREATED, _E.CLOSE): _A.CLOSED,
        (_A.CREATED, _E.CONTRADICT): _A.NEEDS_REVIEW,
        (_A.AWAITING_PAYER, _E.PAY): _A.PAID,
        (_A.AWAITING_PAYER, _E.ASK_CLOSE): _A.CLOSING,
        (_A.AWAITING_PAYER, _E.CLOSE): _A.CLOSED,
        (_A.AWAITING_PAYER, _E.CONTRADICT): _A.NEEDS_REVIEW,
        (_A.CLOSING, _E.PAY): _A.PAID,
        (_A.CLOSING, _E.CLOSE): _A.CLOSED,
        (_A.CLOSING, _E.CONTRADICT): _A.NEEDS_REVIEW,
        (_A.NEEDS_REVIEW, _E.PAY): _A.PAID,
        (_A.NEEDS_REVIEW, _E.CLOSE): _A.CLOSED,
        (_A.CLOSED, _E.PAY_LATE): _A.PAID_LATE,
        (_A.FAILED, _E.PAY_LATE): _A.PAID_LATE,
    },
    final=frozenset({_A.PAID, _A.PAID_LATE, _A.CLOSED, _A.FAILED}),
    states=AttemptState,
)

REFUND: Machine[RefundState, RefundEvent] = Machine(
    start=_R.CREATED,
    table={
        (_R.CREATED, _F.ACCEPT): _R.PROCESSING,
        (_R.CREATED, _F.FINISH): _R.REFUNDED,
        (_R.CREATED, _F.FAIL): _R.FAILED,
        (_R.CREATED, _F.BLOCK): _R.NEEDS_REVIEW,
        (_R.PROCESSING, _F.FINISH): _R.REFUNDED,
        (_R.PROCESSING, _F.FAIL): _R.FAILED,
        (_R.PROCESSING, _F.BLOCK): _R.NEEDS_REVIEW,
        (_R.NEEDS_REVIEW, _F.ACCEPT): _R.PROCESSING,
        (_R.NEEDS_REVIEW, _F.FINISH): _R.REFUNDED,
        (_R.NEEDS_REVIEW, _F.FAIL): _R.FAILED,
        (_R.NEEDS_REVIEW, _F.SEND_AGAIN): _R.CREATED,
        (_R.FAILED, _F.FINISH_LATE): _R.REFUNDED,
    },
    final=frozenset({_R.REFUNDED, _R.FAILED}),
    states=RefundState,
)

LIVE = frozenset({_A.CREATED, _A.AWAITING_PAYER, _A.CLOSING})
"""The provider may still take the payer's money as agreed."""
TOOK_MONEY = frozenset({_A.PAID, _A.PAID_LATE})
"""What can be refunded."""
