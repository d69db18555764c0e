"""Rows of the index, proved by their MACs and opened."""

import msgspec

from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken, NotFound, RowTampered
from service.person import store, store_merging
from service.person.model import Known, Link, Person, Record, SealedRecord

MERGES_MAX = 1000
"""Of persons one into the next: more is a circle, which no act makes."""


async def known(conn: Connection, ctx: Context, record_id: int) -> Known:
    """A record and its person today. Raises ``NotFound``, ``RowTampered``."""
    found = await store.find_record_and_link(conn, record_id)
    if found is None:
        raise NotFound
    return await known_as(conn, ctx, *found)


async def known_as(conn: Connection, ctx: Context, record: Record, link: Link) -> Known:
    """``known`` of rows that were read already."""
    sealed = await sealed_of(conn, ctx, record, link)
    return Known(
        record_id=record.record_id,
        person_id=link.person_id,
        source=record.source,
        received_at=record.received_at,
        facts=sealed.facts,
        changed=sealed.received.changed,
    )


async def sealed_of(conn: Connection, ctx: Context, record: Record, link: Link) -> SealedRecord:
    """What a record holds, of rows that were read already. Raises ``NotFound``, ``RowTampered``."""
    ctx.sealer.check_mac("record", record.mac_parts(), record.row_mac)
    ctx.sealer.check_mac("link", link.mac_parts(), link.row_mac)
    return await _opened(conn, ctx, record)


async def record_content(
    conn: Connection, ctx: Context, record_id: int
) -> tuple[Record, SealedRecord] | None:
    """A record, linked or not, and what it holds; None when it was forgotten. Raises
    ``RowTampered``."""
    record = await store.find_record(conn, record_id)
    if record is None:
        raise RowTampered("match_key")
    ctx.sealer.check_mac("record", record.mac_parts(), record.row_mac)
    try:
        return record, await _opened(conn, ctx, record)
    except NotFound:
        return None


async def _opened(conn: Connection, ctx: Context, record: Record) -> SealedRecord:
    key = await ctx.sealer.record_key(conn, record.record_id)
    plain = ctx.sealer.open(key, "record", "sealed", record.record_id, record.sealed)
    return msgspec.json.decode(plain, type=SealedRecord)


async def open_link(conn: Connection, ctx: Context, record_id: int) -> Link:
    """Of a record, now. Raises ``NotFound``, ``RowTampered``."""
    link = await store.find_open_link(conn, record_id)
    if link is None:
        raise NotFound
    ctx.sealer.check_mac("link", link.mac_parts(), link.row_mac)
    return link


def checked_person(ctx: Context, row: Person | None) -> Person:
    """The row, proved. Raises ``InvariantBroken`` for none, ``RowTampered``."""
    if row is None:
        raise InvariantBroken("a link names a person that does not exist")
    ctx.sealer.check_mac("person", row.mac_parts(), row.row_mac)
    return row


async def current_person(conn: Connection, person_id: int) -> int:
    """The person whom this one is part of after all merges that stand; mostly himself."""
    for _ in range(MERGES_MAX):
        into = await store_merging.find_alias(conn, person_id)
        if into is None:
            return person_id
        person_id = into
    raise InvariantBroken("persons are merged in a circle")


async def lock_current(conn: Connection, ctx: Context, person_id: int) -> Person:
    """The same, held until the transaction ends: who is merged while we wait is followed.

    Raises ``NotFound``, ``RowTampered``.
    """
    for _ in range(MERGES_MAX):
        row = await store.lock_person(conn, await current_person(conn, person_id))
        if row is None:
            raise NotFound
        if await store_merging.find_alias(conn, row.person_id) is None:
            return checked_person(ctx, row)
    raise InvariantBroken("persons are merged in a circle")


async def lock_person_of(conn: Connection, ctx: Context, record_id: int) -> Person:
    """The person of a record, held until the transaction ends: a record that is moved while we
    wait is followed. Raises ``NotFound``, ``RowTampered``."""
    link = await open_link(conn, ctx, record_id)
    for _ in range(MERGES_MAX):
        row = checked_person(ctx, await store.lock_person(conn, link.person_id))
        link = await open_link(conn, ctx, record_id)
        if link.person_id == row.person_id:
            return row
    raise InvariantBroken("a record is moved without end")
