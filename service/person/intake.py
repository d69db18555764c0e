"""Take one registration in: record, keys, decision, link, questions, golden view.

Everything happens in the caller's transaction; the caller holds the claims on the strongest keys.
"""

from collections.abc import Awaitable, Callable

import msgspec

from service.audit.actions import append
from service.audit.model import AuditEntry
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection
from service.person import (
    asking,
    blinding,
    golden,
    linking,
    meeting,
    moving,
    rules,
    store,
    store_matching,
)
from service.person.facts import traits_in
from service.person.matching.keys import SHARED_MAX
from service.person.matching.placing import Met
from service.person.matching.traits import Traits
from service.person.model import Facts, Record, Registered, Registration, SealedRecord
from service.person.model_merging import SYSTEM, Grounds, Review

RECORDS_MAX = 200

Within = Callable[[Connection, Registered], Awaitable[None]]
"""What a caller does in the registering transaction; raising undoes the registration."""


async def take_in(
    conn: Connection, ctx: Context, registration: Registration, facts: Facts, within: Within
) -> Registered:
    """Raises ``RowTampered``, ``RegistrationBusy``."""
    record_id = ctx.ids.new()
    traits = traits_in(registration, business_day(ctx.clock.now()), key=f"{record_id}")
    placed = await meeting.meet(conn, ctx, traits)
    scale = meeting.scale_of(ctx.policy.registrations_expected)
    verdict = rules.verdict_on(traits, placed, scale)
    if placed.home is None:
        person_id = (await linking.new_person(conn, ctx)).person_id
    else:
        person_id = placed.home.person_id
    await _store_record(conn, ctx, record_id, registration, facts)
    await _store_keys(conn, ctx, record_id, traits)
    grounds = Grounds(
        actor=SYSTEM, reason=verdict.reason, model=scale.model.version, bits=verdict.bits
    )
    decision_id = ctx.ids.new()
    await linking.append_decision(conn, ctx, record_id, decision_id, verdict.kind, grounds)
    await linking.open_link(conn, ctx, record_id, person_id, decision_id)
    for met in placed.joins:
        await moving.join_people(conn, ctx, person_id, met.person_id, grounds)
    for met, reason in placed.questions:
        if await asking.needs_asking(conn, ctx, person_id, met.person_id):
            await _open_question(conn, ctx, record_id, met, reason, decision_id)
    if not placed.joins:  # joining builds it
        await golden.build(conn, ctx, person_id)
    await append(
        conn,
        ctx,
        AuditEntry(
            record_id=record_id,
            action="record.registered",
            actor_kind="system",
            actor_id=0,
            institution_id=registration.institution_id,
            facts={"source": registration.source.value, "decision": verdict.kind.value},
        ),
    )
    registered = Registered(record_id=record_id, person_id=person_id)
    await within(conn, registered)
    return registered


async def _store_keys(conn: Connection, ctx: Context, record_id: int, traits: Traits) -> None:
    await store_matching.insert_keys(
        conn,
        blinding.to_store(ctx, traits),
        key_version=ctx.sealer.blind_version(),
        record_id=record_id,
        shared_max=SHARED_MAX,
        now=ctx.clock.now(),
    )


async def _store_record(
    conn: Connection, ctx: Context, record_id: int, registration: Registration, facts: Facts
) -> None:
    now = ctx.clock.now()
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


async def _open_question(
    conn: Connection, ctx: Context, record_id: int, met: Met, reason: str, decision_id: int
) -> None:
    review = Review(
        record_id=record_id,
        review_id=ctx.ids.new(),
        other_record_id=int(met.traits.key),
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
