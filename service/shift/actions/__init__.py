"""The verbs of the counter, a file a subject; callers import them from here.

Each file uses only those before it: rows, signing, entries, shifts, giving.
"""

from service.shift.actions.entries import (
    check_taken,
    clear_up,
    clear_up_shift,
    end,
    find_requested,
    intend,
    list_in_doubt,
    list_tenders,
    set_tenders,
    taken_of,
)
from service.shift.actions.giving import (
    give,
    let_wait,
    list_overdue,
    list_waiting,
    tell_overdue,
)
from service.shift.actions.shifts import close, hand_over, list_reports, open_shift, report
from service.shift.actions.signing import (
    add_staff,
    list_staff,
    new_pin,
    open_shift_of,
    set_state,
    sign_in,
    sign_out,
    signed_in,
    working,
)

__all__ = [
    "add_staff",
    "check_taken",
    "clear_up",
    "clear_up_shift",
    "close",
    "end",
    "find_requested",
    "give",
    "hand_over",
    "intend",
    "let_wait",
    "list_in_doubt",
    "list_overdue",
    "list_reports",
    "list_staff",
    "list_tenders",
    "list_waiting",
    "new_pin",
    "open_shift",
    "open_shift_of",
    "report",
    "set_state",
    "set_tenders",
    "sign_in",
    "sign_out",
    "signed_in",
    "taken_of",
    "tell_overdue",
    "working",
]
