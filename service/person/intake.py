"""Take one registration in: record, keys, decision, link, review, golden view.

Everything happens in the caller's transaction; the caller holds the claim on the own number.
"""

from collections.abc import Awaitable, Callable

import msgspec

from service.audit.actions import append
from service.audit.model import AuditEntry
from service.casework.actions import open_item
from service.casework.model import NewItem
from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken, NotFound, RowTampered
from service.person import rules, store
from service.person.model import (
    Decision,
    DecisionKind,
    Facts,
    Known,
    Link,
    Person,
    Record,
    Registered,
    Registration,
    SealedRecord,
)

CANDIDATES_MAX = 20
RECORDS_MAX = 200

Within = Callable[[Connection, Registered], Awaitable[None]]
"""What a caller does in the registering transaction; raising undoes the registration."""


def number_kind(facts: Facts, id_no: str) -> tuple[str, str]:
    return blind_kind(rules.OWN_NUMBER), rules.number_key_text(facts.id_type, id_no)


def blind_kind(kind: int) -> str:
    """What the blind keys of one kind of match key are made for."""
    return f"match key {kind}"


async def same_number(conn: Connection, ctx: Context, facts: Facts) -> list[Known]:
    if facts.id_no is None:
        return []
    keys = ctx.sealer.blind_all(*number_kind(facts, facts.id_no))
    found = await store.list_by_key(conn, keys, rules.OWN_NUMBER, CANDIDATES_MAX)
    candidates = [await known(conn, ctx, record_id) for record_id in found]
    return [one for one in candidates if one.facts.id_no == facts.id_no]


async def take_in(
    conn: Connection, ctx: Context, registration: Registration, facts: Facts, within: Within
) -> Registered:
    now = ctx.clock.now()
    verdict = rules.decide(facts, await same_number(conn, ctx, facts))
    if verdict.person_id is None:
        person_id = await _new_person(conn, ctx)
    else:
        person_id = verdict.person_id
        checked_person(ctx, await store.lock_person(conn, person_id))
    record = await _store_record(conn, ctx, registration, facts)
    for kind, text in rules.match_key_texts(facts):
        blind = ctx.sealer.blind(blind_kind(kind), text)
        version = ctx.sealer.blind_version()
        await store.insert_key(conn, blind, kind, version, record.record_id, now)
    decision = await _append_decision(conn, ctx, record.record_id, verdict)
    await _link(conn, ctx, record.record_id, person_id, decision.decision_id)
    if verdict.kind is DecisionKind.REVIEW and verdict.other is not None:
        await _open_review(conn, ctx, registration, decision, verdict.other)
    await _build_golden(conn, ctx, person_id)
    await append(
        conn,
        ctx,
        AuditEntry(
            record_id=record.record_id,
            action="record.registered",
            actor_kind="system",
            actor_id=0,
            institution_id=registration.institution_id,
            facts={"source": registration.source.value, "decision": verdict.kind.value},
        ),
    )
    registered = Registered(record_id=record.record_id, person_id=person_id)
    await within(conn, registered)
    return registered


async def _new_person(conn: Connection, ctx: Context) -> int:
    row = Person(
        person_id=ctx.ids.new(),
        frozen_at=None,
        frozen_because=None,
        created_at=ctx.clock.now(),
        version=1,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("person", row.mac_parts())
    await store.insert_person(conn, msgspec.structs.replace(row, row_mac=mac))
    return row.person_id


async def _store_record(
    conn: Connection, ctx: Context, registration: Registration, facts: Facts
) -> Record:
    now = ctx.clock.now()
    record_id = ctx.ids.new()
    key = await ctx.sealer.new_record_key(conn, record_id, now)
    plain = msgspec.json.encode(SealedRecord(received=registration, facts=facts))
    row = Record(
        record_id=record_id,
        source=registration.source,
        institution_id=registration.institution_id,
        sealed=ctx.sealer.seal(key, "record", "sealed", record_id, plain),
        received_at=now,
        row_mac=b"",
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("record", row.mac_parts()))
    await store.insert_record(conn, row)
    return row


async def _append_decision(
    conn: Connection, ctx: Context, record_id: int, verdict: rules.Verdict
) -> Decision:
    row = Decision(
        record_id=record_id,
        decision_id=ctx.ids.new(),
        kind=verdict.kind,
        model=rules.MODEL,
        bits=verdict.bits,
        actor="system",
        reason=verdict.reason,
        previous_hash=await store.last_hash(conn, record_id) or rules.NO_HASH,
        hash=b"",
        decided_at=ctx.clock.now(),
    )
    row = msgspec.structs.replace(row, hash=rules.decision_hash(row))
    await store.insert_decision(conn, row)
    return row


async def _link(
    conn: Connection, ctx: Context, record_id: int, person_id: int, decision_id: int
) -> None:
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


async def _open_review(
    conn: Connection, ctx: Context, registration: Registration, decision: Decision, other: int
) -> None:
    review_id = ctx.ids.new()
    await store.insert_review(
        conn,
        record_id=decision.record_id,
        review_id=review_id,
        other_record_id=other,
        reason=decision.reason,
        decision_id=decision.decision_id,
        now=ctx.clock.now(),
    )
    await open_item(
        conn,
        ctx,
        NewItem(
            record_id=decision.record_id,
            kind="person",
            subject_id=review_id,
            institution_id=registration.institution_id,
            reason=decision.reason,
            evidence={"other_record": ctx.public_ids.text(other, other)},
        ),
    )


async def _build_golden(conn: Connection, ctx: Context, person_id: int) -> None:
    records = await store.list_person_records(conn, person_id, RECORDS_MAX)
    view = rules.golden_view([await known(conn, ctx, record_id) for record_id in records])
    sealed = ctx.sealer.seal_local("golden", person_id.to_bytes(8), msgspec.json.encode(view))
    await store.upsert_golden(conn, person_id, sealed, ctx.clock.now())


async def known(conn: Connection, ctx: Context, record_id: int) -> Known:
    found = await store.find_record_and_link(conn, record_id)
    if found is None:
        raise NotFound
    return await known_as(conn, ctx, *found)


async def known_as(conn: Connection, ctx: Context, record: Record, link: Link) -> Known:
    """``known`` of rows that were read already."""
    ctx.sealer.check_mac("record", record.mac_parts(), record.row_mac)
    ctx.sealer.check_mac("link", link.mac_parts(), link.row_mac)
    return Known(
        record_id=record.record_id,
        person_id=link.person_id,
        source=record.source,
        received_at=record.received_at,
        facts=await _opened(conn, ctx, record),
    )


async def facts_of(conn: Connection, ctx: Context, record_id: int) -> Facts | None:
    """What a record says, linked or not; None when it was forgotten. Raises ``RowTampered``."""
    record = await store.find_record(conn, record_id)
    if record is None:
        raise RowTampered("match_key")
    ctx.sealer.check_mac("record", record.mac_parts(), record.row_mac)
    try:
        return await _opened(conn, ctx, record)
    except NotFound:
        return None


async def _opened(conn: Connection, ctx: Context, record: Record) -> Facts:
    key = await ctx.sealer.record_key(conn, record.record_id)
    plain = ctx.sealer.open(key, "record", "sealed", record.record_id, record.sealed)
    return msgspec.json.decode(plain, type=SealedRecord).facts


async def open_link(conn: Connection, ctx: Context, record_id: int) -> Link:
    link = await store.find_open_link(conn, record_id)
    if link is None:
        raise NotFound
    ctx.sealer.check_mac("link", link.mac_parts(), link.row_mac)
    return link


def checked_person(ctx: Context, row: Person | None) -> Person:
    if row is None:
        raise InvariantBroken("a link names a person that does not exist")
    ctx.sealer.check_mac("person", row.mac_parts(), row.row_mac)
    return row
