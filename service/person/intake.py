"""Take one registration in: record, keys, decision, link, questions, golden view.

Everything happens in the caller's transaction; the caller holds the claims on the strongest keys.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from service.audit.actions import append
from service.audit.model import AuditEntry
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.sealing import RecordKey
from service.person import (
    asking,
    blinding,
    golden,
    linking,
    meeting,
    moving,
    opening,
    rules,
    store,
    store_matching,
)
from service.person.facts import traits_in
from service.person.matching.keys import SHARED_MAX
from service.person.matching.traits import Traits
from service.person.model import (
    DecisionKind,
    Facts,
    Known,
    Record,
    Registered,
    Registration,
    SealedRecord,
)
from service.person.model_merging import SYSTEM, Grounds

RECORDS_MAX = 200

Within = Callable[[Connection, Registered], Awaitable[None]]
"""What a caller does in the registering transaction; raising undoes the registration."""


async def take_in(
    conn: Connection, ctx: Context, registration: Registration, facts: Facts, within: Within
) -> Registered:
    """Raises ``RowTampered``, ``RegistrationBusy``."""
    record_id = ctx.ids.new()
    traits = traits_in(registration, business_day(ctx.clock.now()), key=f"{record_id}")
    met = await meeting.meet(conn, ctx, traits)
    placed = met.placed
    scale = meeting.scale_of(ctx.policy.registrations_expected)
    verdict = rules.verdict_on(traits, placed, scale)
    if placed.home is None:
        person_id = (await linking.new_person(conn, ctx)).person_id
    else:
        person_id = placed.home.person_id
    now = ctx.clock.now()
    key = await store_record(conn, ctx, record_id, registration, facts, now)
    grounds = Grounds(
        actor=SYSTEM, reason=verdict.reason, model=scale.model.version, bits=verdict.bits
    )
    decision_id = ctx.ids.new()
    await linking.append_decision(
        conn, ctx, record_id, decision_id, verdict.kind, grounds, is_first=True
    )
    await linking.open_link(conn, ctx, record_id, person_id, decision_id)
    for other in placed.joins:
        await moving.join_people(conn, ctx, person_id, other.person_id, grounds)
    for other, reason in placed.questions:
        if await asking.needs_asking(conn, ctx, person_id, other.person_id):
            asked = (record_id, int(other.traits.key))
            await asking.ask(conn, ctx, asked, reason, decision_id)
    await note(conn, ctx, record_id, registration, verdict.kind, key)
    if not placed.joins:  # joining builds it
        new = Known(
            record_id=record_id,
            person_id=person_id,
            source=registration.source,
            received_at=now,
            facts=facts,
            changed=registration.changed,
        )
        known = [await opening.known_as(conn, ctx, one.record, one.link) for one in met.at_home]
        known = sorted([*known, new], key=lambda one: one.record_id)
        await golden.write(conn, ctx, person_id, known)
    await store_keys(conn, ctx, record_id, traits)
    registered = Registered(record_id=record_id, person_id=person_id)
    await within(conn, registered)
    return registered


async def store_keys(conn: Connection, ctx: Context, record_id: int, traits: Traits) -> None:
    """The blind keys of a record, counted."""
    await store_matching.insert_keys(
        conn,
        blinding.to_store(ctx, traits),
        key_version=ctx.sealer.blind_version(),
        record_id=record_id,
        shared_max=SHARED_MAX,
        now=ctx.clock.now(),
    )


async def store_record(
    conn: Connection,
    ctx: Context,
    record_id: int,
    registration: Registration,
    facts: Facts,
    received_at: datetime,
) -> RecordKey:
    """The registration as it was received, sealed under a key of its own, which is given."""
    key = await ctx.sealer.new_record_key(conn, record_id, ctx.clock.now())
    plain = msgspec.json.encode(SealedRecord(received=registration, facts=facts))
    row = Record(
        record_id=record_id,
        source=registration.source,
        institution_id=registration.institution_id,
        sealed=ctx.sealer.seal(key, "record", "sealed", record_id, plain),
        received_at=received_at,
        row_mac=b"",
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("record", row.mac_parts()))
    await store.insert_record(conn, row)
    return key


async def note(
    conn: Connection,
    ctx: Context,
    record_id: int,
    registration: Registration,
    kind: DecisionKind,
    key: RecordKey,
) -> None:
    """The audit log's entry of a registration."""
    await append(
        conn,
        ctx,
        AuditEntry(
            record_id=record_id,
            action="record.registered",
            actor_kind="system",
            actor_id=0,
            institution_id=registration.institution_id,
            facts={"source": registration.source.value, "decision": kind.value},
        ),
        key=key,
    )
