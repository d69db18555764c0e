"""SQL of the audit log."""

from datetime import datetime

from service.audit.model import AuditEntry
from service.kernel.database import Write

INSERT_ENTRY = """
insert into audit_entry (
  record_id, entry_id, at, action, actor_kind, actor_id, institution_id, salt, commitment, sealed
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


def entry_write(
    entry: AuditEntry,
    *,
    entry_id: int,
    at: datetime,
    salt: bytes,
    commitment: bytes,
    sealed: bytes,
) -> Write:
    """One unnumbered entry."""
    who = (entry.action, entry.actor_kind, entry.actor_id, entry.institution_id)
    return Write(INSERT_ENTRY, (entry.record_id, entry_id, at, *who, salt, commitment, sealed))
