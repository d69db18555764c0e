"""The verbs of payment, a file a subject; callers import them from here.

Each file uses only those before it: rows, refunds, deciding, outcomes, tries, codes, mixed,
pursuing, ways, attempts, counter, counted, centre, notices.
"""

from service.payment.actions.attempts import (
    ask,
    attempts_of,
    attempts_read,
    close,
    create,
    end_review,
    find_by_trade,
    forget_notices,
    is_for,
    list_attempts,
    place,
    present,
    read,
)
from service.payment.actions.centre import record_at_centre, record_returned
from service.payment.actions.counted import count_part, release_part
from service.payment.actions.counter import (
    find_taken,
    give_at_counter,
    hold_given,
    hold_taken,
    read_refund,
    report_not_fetched,
    take_at_counter,
)
from service.payment.actions.deciding import confirm_refund, give_outside, retry_refund
from service.payment.actions.mixed import give_up, hand_in, tell_insured_refund
from service.payment.actions.notices import take_mixed_notice, take_notice
from service.payment.actions.outcomes import apply_payment
from service.payment.actions.pursuing import pursue
from service.payment.actions.refunds import (
    LATE_PAYMENT,
    apply_refund,
    list_refunds,
    pursue_refund,
    refund,
)
from service.payment.actions.ways import check_way, list_ways

__all__ = [
    "LATE_PAYMENT",
    "apply_payment",
    "apply_refund",
    "ask",
    "attempts_of",
    "attempts_read",
    "check_way",
    "close",
    "confirm_refund",
    "count_part",
    "create",
    "end_review",
    "find_by_trade",
    "find_taken",
    "forget_notices",
    "give_at_counter",
    "give_outside",
    "give_up",
    "hand_in",
    "hold_given",
    "hold_taken",
    "is_for",
    "list_attempts",
    "list_refunds",
    "list_ways",
    "place",
    "present",
    "pursue",
    "pursue_refund",
    "read",
    "read_refund",
    "record_at_centre",
    "record_returned",
    "refund",
    "release_part",
    "report_not_fetched",
    "retry_refund",
    "take_at_counter",
    "take_mixed_notice",
    "take_notice",
    "tell_insured_refund",
]
