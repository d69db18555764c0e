"""What a steward sees of persons. Each look is in the audit log of every record that it shows,
committed before anything personal leaves."""

from collections.abc import Sequence

import msgspec

from service.casework import actions as casework
from service.casework.model import WorkItem
from service.console import rows
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.principals import Operator
from service.kernel.problems import NotFound
from service.person import evidence, golden, history
from service.person.evidence import Pair, Side
from service.person.history import History
from service.person.model import Golden

PERSON = "person"
"""The kind of the work items about who is one person."""
SHOWN_MAX = 50
"""Of one person's records; the others are counted."""


class PersonSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A person of today: his golden view, his records, what was ruled and what moved them."""

    history: History
    golden: Golden
    sides: tuple[Side, ...]
    """The first ``SHOWN_MAX`` of his records, by number."""


class QuestionSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A work item about a record, and what it is about."""

    item: WorkItem
    pair: Pair | None
    """None where it asks about one record alone."""
    persons: tuple[PersonSeen, ...]
    """Of today: one where the two records are one person's."""


async def look_at_question(
    ctx: Context, operator: Operator, record_id: int, item_id: int
) -> QuestionSeen:
    """A work item of a person, open or closed. Raises ``NotFound``, ``RowTampered``."""
    item = await casework.read(ctx, record_id, item_id)
    if item.kind != PERSON:
        raise NotFound
    other = item.evidence.get("other_record")
    pair = None
    if isinstance(other, str):
        pair = await evidence.read_pair(ctx, record_id, ctx.public_ids.parse(other)[0])
    asked = [record_id] if pair is None else [record_id, pair.other.record_id]
    persons: dict[int, PersonSeen] = {}
    for one in asked:
        seen = await _person_of(ctx, one)
        persons[seen.history.person_id] = seen
    shown = {*asked, *(side.record_id for seen in persons.values() for side in seen.sides)}
    about = ctx.public_ids.text(record_id, item_id)
    await _note_look(ctx, operator, sorted(shown), about)
    return QuestionSeen(item=item, pair=pair, persons=tuple(persons.values()))


async def look_at_person(ctx: Context, operator: Operator, record_id: int) -> PersonSeen:
    """The person of a record. Raises ``NotFound``, ``RowTampered``."""
    seen = await _person_of(ctx, record_id)
    await _note_look(ctx, operator, [side.record_id for side in seen.sides], None)
    return seen


async def _person_of(ctx: Context, record_id: int) -> PersonSeen:
    found = await history.of_record(ctx, record_id)
    # The record that was asked for is shown, whatever its number.
    shown = sorted(found.records, key=lambda one: (one != record_id, one))[:SHOWN_MAX]
    async with connection(ctx.pool) as conn:
        view = await golden.read_within(conn, ctx, found.person_id)
        sides = await evidence.read_sides(conn, ctx, shown)
    return PersonSeen(history=found, golden=view, sides=tuple(sides))


async def _note_look(
    ctx: Context, operator: Operator, record_ids: Sequence[int], about: str | None
) -> None:
    async with transaction(ctx.pool) as conn:
        for record_id in record_ids:
            facts: rows.Facts = {"by": operator.name, "item": about}
            action = "record.looked-at"
            await rows.note(conn, ctx, action, operator.operator_id, facts, record_id)
