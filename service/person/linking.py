"""Rows that every act on links writes: persons, decisions at the end of their chain, links."""

from datetime import datetime

import msgspec

from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import StateConflict
from service.person import rules, store, store_merging
from service.person.model import Decision, DecisionKind, Link, Person
from service.person.model_merging import Grounds


async def new_person(
    conn: Connection,
    ctx: Context,
    *,
    frozen_at: datetime | None = None,
    frozen_because: str | None = None,
) -> Person:
    """A person without records yet."""
    row = Person(
        person_id=ctx.ids.new(),
        frozen_at=frozen_at,
        frozen_because=frozen_because,
        created_at=ctx.clock.now(),
        version=1,
        frozen_parts=0,
        row_mac=b"",
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("person", row.mac_parts()))
    await store.insert_person(conn, row)
    return row


async def append_decision(
    conn: Connection,
    ctx: Context,
    record_id: int,
    decision_id: int,
    kind: DecisionKind,
    grounds: Grounds,
    *,
    is_first: bool = False,
) -> None:
    """At the end of the record's chain; the ``is_first`` of a new record needs no look for it."""
    previous = None if is_first else await store.last_hash(conn, record_id)
    row = Decision(
        record_id=record_id,
        decision_id=decision_id,
        kind=kind,
        model=grounds.model,
        bits=grounds.bits,
        actor=grounds.actor,
        reason=grounds.reason,
        previous_hash=previous or rules.NO_HASH,
        hash=b"",
        decided_at=ctx.clock.now(),
    )
    row = msgspec.structs.replace(row, hash=rules.decision_hash(row))
    await store.insert_decision(conn, row)


async def open_link(
    conn: Connection, ctx: Context, record_id: int, person_id: int, decision_id: int
) -> None:
    """A record belongs to a person from now on; it has no other open link."""
    row = Link(
        record_id=record_id,
        link_id=ctx.ids.new(),
        person_id=person_id,
        decision_id=decision_id,
        from_at=ctx.clock.now(),
        to_at=None,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("link", row.mac_parts())
    await store.insert_link(conn, msgspec.structs.replace(row, row_mac=mac))


async def close_link(conn: Connection, ctx: Context, row: Link) -> None:
    """It belongs to that person no more. Raises ``RowTampered``, ``StateConflict``."""
    ctx.sealer.check_mac("link", row.mac_parts(), row.row_mac)
    closed = msgspec.structs.replace(row, to_at=ctx.clock.now())
    mac = ctx.sealer.row_mac("link", closed.mac_parts())
    if not await store_merging.close_link(conn, msgspec.structs.replace(closed, row_mac=mac)):
        raise StateConflict("the record was moved meanwhile")
