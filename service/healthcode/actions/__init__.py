"""The verbs of health codes, a file a subject; callers import them from here."""

from service.healthcode.actions.holding import freeze, unfreeze, void_codes
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
    "forget_uses",
    "freeze",
    "get_scan",
    "issue_once",
    "list_scans",
    "resolve_scan",
    "unfreeze",
    "void_codes",
]
