"""Append to the audit log, and read what a kind of actors did."""

from contextlib import suppress

import msgspec

from crypto.sm3 import sm3
from service.audit import store
from service.audit.model import Acts, AuditEntry, Kept, SealedEntry
from service.kernel.context import Context
from service.kernel.database import Connection, Write, connection, write
from service.kernel.problems import NotFound, RowTampered
from service.kernel.sealing import RecordKey

_COMMITMENT = b"YM audit entry\0"


async def append(
    conn: Connection, ctx: Context, entry: AuditEntry, *, key: RecordKey | None = None
) -> None:
    """Insert an entry inside the caller's transaction; ``key``: the record's, where it is new."""
    prepared = await prepare(conn, ctx, entry, key=key)
    await write(conn, prepared.sql, *prepared.args)


async def prepare(
    conn: Connection, ctx: Context, entry: AuditEntry, *, key: RecordKey | None = None
) -> Write:
    """An entry that the caller inserts, in its transaction, together with what it tells of.

    The commitment is SM3 over a label, a 16-byte salt and the canonical JSON of entry and time;
    the JSON itself is sealed under the record's data key, so destroying that key leaves the
    commitment, and with it every later proof, intact. Needs the record's data key to exist.
    """
    now = ctx.clock.now()
    entry_id = ctx.ids.new()
    salt = ctx.ids.token()
    text = msgspec.json.encode({"at": now, "entry_id": entry_id, "entry": entry}, order="sorted")
    key = key or await ctx.sealer.record_key(conn, entry.record_id)
    return store.entry_write(
        entry,
        entry_id=entry_id,
        at=now,
        salt=salt,
        commitment=sm3(_COMMITMENT + salt + text),
        sealed=ctx.sealer.seal(key, "audit_entry", "sealed", entry_id, text),
    )


async def list_acts(
    ctx: Context, actor_kind: str, *, action: str | None, after: tuple[int, int] | None, limit: int
) -> Acts:
    """What actors of a kind did, newest first, as the entries themselves say it. What concerns a
    forgotten record is left out.

    Raises ``NotFound`` where ``after`` is no entry; ``RowTampered``.
    """
    async with connection(ctx.pool) as conn:
        last = None if after is None else await store.find_entry(conn, *after)
        if after is not None and last is None:
            raise NotFound
        rows = await store.list_acts(conn, actor_kind, action, last, limit + 1)
        kept: list[Kept] = []
        for row in rows[:limit]:
            with suppress(NotFound):
                kept.append(await _opened(conn, ctx, row))
    end = rows[limit - 1] if len(rows) > limit else None
    return Acts(kept=tuple(kept), next=None if end is None else (end.record_id, end.entry_id))


async def _opened(conn: Connection, ctx: Context, row: SealedEntry) -> Kept:
    """Raises ``NotFound`` where the record was forgotten, ``RowTampered``."""
    key = await ctx.sealer.record_key(conn, row.record_id)
    plain = ctx.sealer.open(key, "audit_entry", "sealed", row.entry_id, row.sealed)
    kept = msgspec.json.decode(plain, type=Kept)
    if (kept.entry_id, kept.at) != (row.entry_id, row.at):
        raise RowTampered("audit_entry")
    return kept
