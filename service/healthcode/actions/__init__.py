"""The verbs of health codes, a file a subject; callers import them from here."""

from service.healthcode.actions.holding import freeze, unfreeze, void_codes
from service.healthcode.actions.phones import (
    challenge,
    enrol,
    forget_codes,
    list_phones,
    revoke_all,
    revoke_phone,
)
from service.healthcode.actions.printing import issue_printed, list_printed, revoke_printed
from service.healthcode.actions.scanning import (
    bills_visible,
    forget_uses,
    get_scan,
    list_scans,
    resolve_scan,
)
from service.healthcode.actions.showing import issue_once

__all__ = [
    "bills_visible",
    "challenge",
    "enrol",
    "forget_codes",
    "forget_uses",
    "freeze",
    "get_scan",
    "issue_once",
    "issue_printed",
    "list_phones",
    "list_printed",
    "list_scans",
    "resolve_scan",
    "revoke_all",
    "revoke_phone",
    "revoke_printed",
    "unfreeze",
    "void_codes",
]
