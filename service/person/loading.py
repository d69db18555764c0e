"""The initial load of an index: a file's registrations, matched as files are, stored in steps.

Each step is a transaction that stores whole persons and says how far the load is; what was killed
goes on at the step that it did not end. The numbers of the records follow from the load's salt and
the lines' ids, so that questions, which come last, find them again.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice

import msgspec

from crypto.sm3 import hmac_sm3
from service.kernel.context import Context
from service.kernel.database import Connection, transaction
from service.kernel.problems import InvariantBroken, StateConflict
from service.person import asking, golden, intake, linking, store, store_loading
from service.person.matching.clustering import Partition, Question
from service.person.matching.comparing import compare
from service.person.matching.deciding import Outcome, judge
from service.person.matching.traits import Traits
from service.person.matching.weighing import Scale
from service.person.model import DecisionKind, Facts, Known, Registration
from service.person.model_merging import SYSTEM, Grounds
from service.person.store_loading import Load

STEP = 100
"""Registrations, or questions, that a transaction stores; more where one person has more."""
BEST_OF = 20
"""Registrations of one person that a further one is judged against, for the reason of its link."""
LOAD_SALT = 16

Progress = Callable[[str, int, int], None]


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """One registration of the file, typed."""

    registration: Registration
    facts: Facts
    received_at: datetime


class Everybody(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read and matched. ``open`` gives the registration at a place."""

    file_digest: bytes
    traits: Sequence[Traits]
    open: Callable[[int], Given]
    found: Partition
    scale: Scale


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What the index holds of the file; ``went_on``: an earlier run had begun it."""

    registrations: int
    people: int
    questions: int
    went_on: bool


async def load(ctx: Context, everybody: Everybody, progress: Progress) -> Loaded:
    """Store what is not stored yet.

    Raises ``StateConflict`` for an index that holds others, for a load that was begun with another
    model, and where another run loads the same file.
    """
    people = _people(everybody.found)
    steps: list[Sequence[list[int] | Question]] = [
        *_steps_of(people),
        *_pieces(everybody.found.questions),
    ]
    begun = await _begin(ctx, everybody, len(steps))
    for number, step in enumerate(steps[begun.done :], start=begun.done):
        async with transaction(ctx.pool) as conn:
            if not await store_loading.advance(conn, begun.file_digest, number, ctx.clock.now()):
                raise StateConflict("another run loads this file")
            for one in step:
                if isinstance(one, Question):
                    await _ask(conn, ctx, begun, one)
                else:
                    await _store_person(conn, ctx, begun, everybody, one)
        progress("stored", number + 1, len(steps))
    return Loaded(
        registrations=len(everybody.traits),
        people=len(people),
        questions=len(everybody.found.questions),
        went_on=begun.done > 0,
    )


async def _begin(ctx: Context, everybody: Everybody, steps: int) -> Load:
    model = everybody.scale.model.version
    now = ctx.clock.now()
    async with transaction(ctx.pool) as conn:
        begun = await store_loading.find_load(conn, everybody.file_digest)
        if begun is not None:
            if (begun.model, begun.steps) != (model, steps):
                raise StateConflict("the load was begun with another model or another program")
            return begun
        if await store_loading.has_records(conn):
            raise StateConflict("the index holds registrations; a load begins an empty one")
        row = Load(
            file_digest=everybody.file_digest,
            model=model,
            salt=secrets.token_bytes(LOAD_SALT),
            steps=steps,
            done=0,
            began_at=now,
            moved_at=now,
        )
        if not await store_loading.insert_load(conn, row):
            raise StateConflict("another run loads this file")
        return row


def _people(found: Partition) -> list[list[int]]:
    """The places of each person's registrations, persons by their first."""
    people: dict[str, list[int]] = {}
    for place, cluster in enumerate(found.cluster_of):
        people.setdefault(cluster, []).append(place)
    return list(people.values())


def _steps_of(people: Sequence[list[int]]) -> list[list[list[int]]]:
    """Whole persons, some ``STEP`` registrations in each step."""
    steps: list[list[list[int]]] = []
    filled = STEP
    for person in people:
        if filled >= STEP:
            steps.append([])
            filled = 0
        steps[-1].append(person)
        filled += len(person)
    return steps


def _pieces(questions: Sequence[Question]) -> list[list[Question]]:
    rest = iter(questions)
    return list(iter(lambda: list(islice(rest, STEP)), []))


def record_id_of(load: Load, line_id: str) -> int:
    """The number of a line's record: 63 bits, the same in every run of the load."""
    return int.from_bytes(hmac_sm3(load.salt, line_id.encode())[:8]) >> 1


async def _store_person(
    conn: Connection, ctx: Context, load: Load, everybody: Everybody, places: Sequence[int]
) -> None:
    person_id = (await linking.new_person(conn, ctx)).person_id
    known = []
    for nth, place in enumerate(places):
        given, traits = everybody.open(place), everybody.traits[place]
        record_id = record_id_of(load, traits.key)
        before = [everybody.traits[at] for at in places[:nth][-BEST_OF:]]
        kind, grounds = _decided(traits, before, everybody.scale)
        key = await intake.store_record(
            conn, ctx, record_id, given.registration, given.facts, given.received_at
        )
        await intake.store_keys(conn, ctx, record_id, traits)
        decision_id = ctx.ids.new()
        await linking.append_decision(
            conn, ctx, record_id, decision_id, kind, grounds, is_first=True
        )
        await linking.open_link(conn, ctx, record_id, person_id, decision_id)
        await intake.note(conn, ctx, record_id, given.registration, kind, key)
        known.append(
            Known(
                record_id=record_id,
                person_id=person_id,
                source=given.registration.source,
                received_at=given.received_at,
                facts=given.facts,
            )
        )
    known.sort(key=lambda one: one.record_id)
    await golden.write(conn, ctx, person_id, known)


def _decided(
    traits: Traits, before: Sequence[Traits], scale: Scale
) -> tuple[DecisionKind, Grounds]:
    """The first of a person is new; another is linked for what it has most in common."""
    if not before:
        grounds = Grounds(actor=SYSTEM, reason="nobody-alike", model=scale.model.version, bits={})
        return DecisionKind.NEW, grounds
    judged = [(judge(traits, other, scale), other) for other in before]
    best, other = max(judged, key=lambda it: (it[0].outcome is Outcome.MATCH, it[0].bits))
    weighed = scale.weigh(traits, other, compare(traits, other))
    grounds = Grounds(
        actor=SYSTEM,
        reason=best.reason,
        model=scale.model.version,
        bits={field: round(bits) for field, bits in weighed.items()},
    )
    return DecisionKind.LINK, grounds


async def _ask(conn: Connection, ctx: Context, load: Load, question: Question) -> None:
    records = (record_id_of(load, question.one), record_id_of(load, question.other))
    first = await store.list_decisions(conn, records[0], 1)
    if not first:
        raise InvariantBroken("a question about a record that was not loaded")
    await asking.ask(conn, ctx, records, question.reason, first[0].decision_id)
