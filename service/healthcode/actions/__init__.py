"""The verbs of health codes, a file a subject; callers import them from here."""

from service.healthcode.actions.holding import freeze, unfreeze, void_codes
from service.healthcode.actions.lists import (
    DeltaJoiner,
    find_answer,
    observe_lists,
)
from service.healthcode.actions.phones import (
    challenge,
    enrol,
    forget_codes,
    list_phones,
    revoke_all,
    revoke_phone,
)
from service.healthcode.actions.printing import issue_printed, list_printed, revoke_printed
from service.healthcode.actions.reports import forget_shown, take_report
from service.healthcode.actions.scanning import (
    bills_visible,
    forget_uses,
    get_scan,
    list_scans,
    resolve_scan,
)
from service.healthcode.actions.showing import issue_once
from service.healthcode.actions.tills import certify_till
from service.healthcode.actions.trust import TrustState, published_trust, trust_state, watch_trust

__all__ = [
    "DeltaJoiner",
    "TrustState",
    "bills_visible",
    "certify_till",
    "challenge",
    "enrol",
    "find_answer",
    "forget_codes",
    "forget_shown",
    "forget_uses",
    "freeze",
    "get_scan",
    "issue_once",
    "issue_printed",
    "list_phones",
    "list_printed",
    "list_scans",
    "observe_lists",
    "published_trust",
    "resolve_scan",
    "revoke_all",
    "revoke_phone",
    "revoke_printed",
    "take_report",
    "trust_state",
    "unfreeze",
    "void_codes",
    "watch_trust",
]
