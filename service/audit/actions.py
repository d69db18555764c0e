"""Append to the audit log."""

import msgspec

from crypto.sm3 import sm3
from service.audit import store
from service.audit.model import AuditEntry
from service.kernel.context import Context
from service.kernel.database import Connection, Write, write

_COMMITMENT = b"YM audit entry\0"


async def append(conn: Connection, ctx: Context, entry: AuditEntry) -> None:
    """Insert an entry inside the caller's transaction."""
    prepared = await prepare(conn, ctx, entry)
    await write(conn, prepared.sql, *prepared.args)


async def prepare(conn: Connection, ctx: Context, entry: AuditEntry) -> Write:
    """An entry that the caller inserts, in its transaction, together with what it tells of.

    The commitment is SM3 over a label, a 16-byte salt and the canonical JSON of entry and time;
    the JSON itself is sealed under the record's data key, so destroying that key leaves the
    commitment, and with it every later proof, intact. Needs the record's data key to exist.
    """
    now = ctx.clock.now()
    entry_id = ctx.ids.new()
    salt = ctx.ids.token()
    text = msgspec.json.encode({"at": now, "entry_id": entry_id, "entry": entry}, order="sorted")
    key = await ctx.sealer.record_key(conn, entry.record_id)
    return store.entry_write(
        entry,
        entry_id=entry_id,
        at=now,
        salt=salt,
        commitment=sm3(_COMMITMENT + salt + text),
        sealed=ctx.sealer.seal(key, "audit_entry", "sealed", entry_id, text),
    )
