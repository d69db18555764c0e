"""SQL of the audit log."""

from datetime import datetime

from service.audit.model import AuditEntry, SealedEntry
from service.kernel.database import Connection, Write, find_row, list_rows

INSERT_ENTRY = """
insert into audit_entry (
  record_id, entry_id, at, action, actor_kind, actor_id, institution_id, salt, commitment, sealed
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
LIST_ACTS = """
select record_id, entry_id, at, sealed
from audit_entry
where actor_kind = $1
  and ($2::text is null or action = $2)
  and ($3::timestamptz is null or (at, entry_id) < ($3, $4::bigint))
order by at desc, entry_id desc
limit $5
"""
GET_ENTRY = """
select record_id, entry_id, at, sealed
from audit_entry
where record_id = $1 and entry_id = $2
"""


async def list_acts(
    conn: Connection, actor_kind: str, action: str | None, after: SealedEntry | None, limit: int
) -> list[SealedEntry]:
    """Newest first, before ``after``."""
    place = (None, None) if after is None else (after.at, after.entry_id)
    return await list_rows(conn, SealedEntry, LIST_ACTS, actor_kind, action, *place, limit)


async def find_entry(conn: Connection, record_id: int, entry_id: int) -> SealedEntry | None:
    """By its key."""
    return await find_row(conn, SealedEntry, GET_ENTRY, record_id, entry_id)


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
