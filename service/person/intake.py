"""Take one registration in: record, keys, decision, link, review, golden view.

Everything happens in the caller's transaction; the caller holds the claim on the own number.
"""

from collections.abc import Awaitable, Callable

import msgspec

from service.audit.actions import append
from service.audit.model import AuditEntry
from service.kernel.context import Context
from service.kernel.database import Connection
from service.person import asking, golden, linking, opening, rules, store
from service.person.model import (
    DecisionKind,
    Facts,
    Known,
    Record,
    Registered,
    Registration,
    SealedRecord,
)
from service.person.model_merging import SYSTEM, Grounds, Review

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
    candidates = [await opening.known(conn, ctx, record_id) for record_id in found]
    return [one for one in candidates if one.facts.id_no == facts.id_no]


async def take_in(
    conn: Connection, ctx: Context, registration: Registration, facts: Facts, within: Within
) -> Registered:
    now = ctx.clock.now()
    verdict = rules.decide(facts, await same_number(conn, ctx, facts))
    if verdict.same is None:
        person_id = (await linking.new_person(conn, ctx)).person_id
    else:
        person_id = (await opening.lock_person_of(conn, ctx, verdict.same)).person_id
    record = await _store_record(conn, ctx, registration, facts)
    for kind, text in rules.match_key_texts(facts):
        blind = ctx.sealer.blind(blind_kind(kind), text)
        version = ctx.sealer.blind_version()
        await store.insert_key(conn, blind, kind, version, record.record_id, now)
    grounds = Grounds(actor=SYSTEM, reason=verdict.reason, model=rules.MODEL, bits=verdict.bits)
    decision_id = ctx.ids.new()
    await linking.append_decision(conn, ctx, record.record_id, decision_id, verdict.kind, grounds)
    await linking.open_link(conn, ctx, record.record_id, person_id, decision_id)
    if verdict.kind is DecisionKind.REVIEW and verdict.other is not None:
        await _open_review(conn, ctx, record.record_id, verdict.other, verdict.reason, decision_id)
    await golden.build(conn, ctx, person_id)
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


async def _open_review(
    conn: Connection, ctx: Context, record_id: int, other: int, reason: str, decision_id: int
) -> None:
    review = Review(
        record_id=record_id,
        review_id=ctx.ids.new(),
        other_record_id=other,
        reason=reason,
        closed_at=None,
        closed_by=None,
    )
    await store.insert_review(
        conn,
        record_id=review.record_id,
        review_id=review.review_id,
        other_record_id=review.other_record_id,
        reason=review.reason,
        decision_id=decision_id,
        now=ctx.clock.now(),
    )
    await asking.open_question_item(conn, ctx, review)
