"""Whom a new registration meets: records that share its keys, opened, judged, their persons held.

By the functions that judge whole files (``matching``), so that a counter and a file tell people
apart alike.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection
from service.person import blinding, golden, opening, rulings, store_matching, store_merging
from service.person.facts import traits_in
from service.person.matching.deciding import Outcome, judge
from service.person.matching.keys import SHARED_MAX
from service.person.matching.placing import Met, Placed, place
from service.person.matching.traits import Traits
from service.person.matching.weighing import Expected, Scale, shipped
from service.person.model import Facts, Known
from service.person.model_merging import Linked, RulingVerdict
from service.person.problems import RegistrationBusy

MET_MAX = 200
TRIES = 3
CANDIDATES_MAX = 20
"""Records that are opened and judged: of every person that was met the best first."""


@lru_cache(maxsize=4)
def scale_of(registrations_expected: int) -> Scale:
    """The shipped model, set to the size of the province."""
    return Scale(shipped(), Expected(registrations_expected))


class Meeting(msgspec.Struct, frozen=True):
    """Where a registration belongs, and all records of the person who is its home, by number."""

    placed: Placed
    at_home: list[Linked]


async def meet(conn: Connection, ctx: Context, new: Traits) -> Meeting:
    """Where the registration belongs. Persons with whom it matches are held until the transaction
    ends. Raises ``RowTampered``; ``RegistrationBusy`` where they change again and again."""
    for _ in range(TRIES):
        met = await _judged(conn, ctx, new)
        held = await _held(conn, ctx, met)
        if held is None:
            continue
        members = {
            person_id: [await traits_of(conn, ctx, one) for one in records]
            for person_id, records in held.items()
        }
        placed = place(new, met, members, await _apart(conn, ctx, members))
        return Meeting(placed, held[placed.home.person_id] if placed.home else [])
    raise RegistrationBusy(retry_after_s=1)


async def _judged(conn: Connection, ctx: Context, new: Traits) -> list[Met]:
    """The candidates that are not plainly others."""
    scale = scale_of(ctx.policy.registrations_expected)
    met = []
    for candidate in await _candidates(conn, ctx, blinding.to_look_up(ctx, new)):
        theirs = await traits_of(conn, ctx, candidate)
        judged = judge(new, theirs, scale)
        if judged.outcome is not Outcome.APART:
            met.append(Met(traits=theirs, person_id=candidate.link.person_id, judged=judged))
    return met


async def _held(conn: Connection, ctx: Context, met: list[Met]) -> dict[int, list[Linked]] | None:
    """All records of each person with whom it matches or may; None where a candidate was moved to
    another person before we held his."""
    wanted = {one.person_id for one in met if one.judged.outcome is not Outcome.REVIEW}
    members = {}
    for person_id in sorted(wanted):
        if (await opening.lock_current(conn, ctx, person_id)).person_id != person_id:
            return None
        members[person_id] = await golden.linked_of(conn, ctx, person_id)
    for one in met:
        keys = {f"{member.record.record_id}" for member in members.get(one.person_id, ())}
        if one.person_id in wanted and one.traits.key not in keys:
            return None
    return members


async def same_number(conn: Connection, ctx: Context, facts: Facts) -> list[Known]:
    """Records with the same own number, whoever they belong to."""
    keys = blinding.number_to_look_up(ctx, f"{facts.id_type}:{facts.id_no}")
    known = [
        await opening.known_as(conn, ctx, one.record, one.link)
        for one in await _candidates(conn, ctx, keys)
    ]
    return [one for one in known if one.facts.id_no == facts.id_no]


async def _candidates(
    conn: Connection, ctx: Context, keys: Sequence[store_matching.BlindKey]
) -> list[Linked]:
    found = await store_matching.list_met(
        conn,
        keys,
        shared_max=SHARED_MAX - 1,
        best_kind=blinding.OWN_NUMBER,
        limit=MET_MAX,
    )
    linked = {one.record.record_id: one for one in await store_merging.list_linked(conn, found)}
    turns: dict[int, int] = {}
    ranked = []
    for place_met, record_id in enumerate(found):
        if (one := linked.get(record_id)) is not None:
            turn = turns[one.link.person_id] = turns.get(one.link.person_id, 0) + 1
            ranked.append((turn, place_met, one))
    ranked.sort(key=lambda it: it[:2])
    best = [one for _, _, one in ranked[:CANDIDATES_MAX]]
    await ctx.sealer.open_record_keys(conn, [one.record.record_id for one in best])
    return best


async def traits_of(conn: Connection, ctx: Context, one: Linked) -> Traits:
    """A stored record as the matching compares it. Raises ``NotFound``, ``RowTampered``."""
    sealed = await opening.sealed_of(conn, ctx, one.record, one.link)
    day = business_day(one.record.received_at)
    return traits_in(sealed.received, day, key=f"{one.record.record_id}")


async def _apart(
    conn: Connection, ctx: Context, members: dict[int, list[Traits]]
) -> frozenset[frozenset[int]]:
    """Pairs of these persons whom a steward ruled different."""
    if len(members) < 2:
        return frozenset()
    home = {int(one.key): person_id for person_id, all_ in members.items() for one in all_}
    standing = await rulings.list_standing(conn, ctx, list(home))
    return frozenset(
        frozenset({home[ruling.record_id], home[ruling.other_record_id]})
        for ruling in standing
        if ruling.verdict is RulingVerdict.DIFFERENT
        and ruling.record_id in home
        and ruling.other_record_id in home
    )
