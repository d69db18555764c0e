"""Message numbers (dossier 1.1): institution 12, Beijing time 14, sequence 4. Pure."""

import re
from datetime import datetime

from integrations.kit.clocktext import compact_text

SEQUENCE_MAX = 9999
_INSTITUTION = re.compile(r"[A-Z][0-9]{11}\Z", re.ASCII)


def format_message_no(institution_code: str, at: datetime, sequence: int) -> str:
    """The 30 characters of ``msgid``. Raises ``ValueError`` for parts that do not fit.

    The caller owns the sequence: institution, second and sequence together are used once, over all
    of its instances and restarts.
    """
    if _INSTITUTION.match(institution_code) is None:
        raise ValueError("institution code is not a letter and eleven digits")
    if not 0 <= sequence <= SEQUENCE_MAX:
        raise ValueError("sequence is not four digits")
    return f"{institution_code}{compact_text(at)}{sequence:04d}"
