"""Join two persons, or part one: links are closed and opened, nothing else is rewritten.

All of it happens in the caller's transaction, under locks on every person concerned, taken in the
order of their numbers. Codes, bills and consents hang on records, so they move with theirs, and no
consent widens.
"""

from collections.abc import Sequence

import msgspec

from service.audit.actions import append
from service.audit.model import AuditEntry
from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken, NotFound, StateConflict
from service.person import (
    asking,
    freezing,
    golden,
    linking,
    opening,
    parting,
    rulings,
    store,
    store_merging,
)
from service.person.model import CITIZEN_ID, DecisionKind, Person
from service.person.model_merging import SYSTEM, Change, Grounds, Linked, RulingVerdict


async def join_people(
    conn: Connection, ctx: Context, keep_person_id: int, other_person_id: int, decision: Grounds
) -> Change:
    """All records of the other person become records of the one that is kept.

    The other stays as an alias. Raises ``NotFound``, ``RowTampered``; ``StateConflict`` where one
    of them is part of somebody already, where a steward ruled them apart, where they are too many,
    or where two own numbers would meet without a steward's word.
    """
    return await _join(conn, ctx, keep_person_id, other_person_id, decision, None)


async def join_again(conn: Connection, ctx: Context, parted: Change, decision: Grounds) -> Change:
    """Undo a parting: the two persons that came of it, whole as they are today, are joined.

    Raises as ``join_people``; ``StateConflict`` where it was undone already.
    """
    keep = await opening.current_person(conn, parted.person_id)
    other = await opening.current_person(conn, parted.other_person_id)
    return await _join(conn, ctx, keep, other, decision, parted)


async def _join(
    conn: Connection,
    ctx: Context,
    keep_person_id: int,
    other_person_id: int,
    decision: Grounds,
    parted: Change | None,
) -> Change:
    keep, other = await lock_both(conn, ctx, keep_person_id, other_person_id)
    kept = await _linked_of(conn, keep.person_id)
    moved = await _linked_of(conn, other.person_id)
    change = await _write_change(conn, ctx, DecisionKind.MERGE, keep, other, moved, decision)
    both = _ids(kept) + _ids(moved)
    if parted is not None:
        await _end(conn, ctx, parted, change, both)
    await _check_joinable(conn, ctx, kept, moved, decision)
    if parted is not None:
        await _give_back(conn, ctx, parted, change, both)
    await _move(conn, ctx, moved, change, keep.person_id, decision)
    if not await store_merging.insert_alias(conn, other.person_id, keep.person_id, ctx.clock.now()):
        raise StateConflict("the person was joined at this very moment")
    await freezing.count_parts(conn, ctx, keep.person_id, freezing.frozen_within(other))
    await freezing.save(conn, ctx, other)
    await golden.build(conn, ctx, keep.person_id)
    await golden.build(conn, ctx, other.person_id)
    await asking.answer(conn, ctx, _ids(kept), _ids(moved), change.change_id, "merged")
    return change


async def part_people(conn: Connection, ctx: Context, merged: Change, decision: Grounds) -> Change:
    """The records that a merge moved go back to their own person; undoes exactly that merge.

    A record that was registered since goes with them where it says their number or name and not
    those of who stays (``parting``). Raises ``StateConflict`` where the merge
    does not stand any more, or a steward ruled records on both sides the same; ``RowTampered``.
    """
    path = await _lock_path(conn, ctx, merged)
    other, whole = path[0], path[-1]
    everything = await _linked_of(conn, whole.person_id)
    brought = set(await store_merging.list_moved(conn, merged))
    left, moved = _divided(everything, brought)
    if not moved:
        raise StateConflict("none of the records is there any more")
    came = await _came_since(conn, merged, path, left)
    left, moved = _divided(
        everything, brought | set(await _following(conn, ctx, left, moved, came))
    )
    change = await _write_change(conn, ctx, DecisionKind.UNMERGE, whole, other, moved, decision)
    both = _ids(left) + _ids(moved)
    await _end(conn, ctx, merged, change, both)
    await _check_partable(conn, ctx, left, moved)
    await _give_back(conn, ctx, merged, change, both)
    await _move(conn, ctx, moved, change, other.person_id, decision)
    now = ctx.clock.now()
    if not await store_merging.close_alias(conn, other.person_id, merged.person_id, now):
        raise InvariantBroken("a merge that stands has no alias")
    for person in path[1:]:
        await freezing.count_parts(conn, ctx, person.person_id, -freezing.frozen_within(other))
    await freezing.save(conn, ctx, other)
    await golden.build(conn, ctx, whole.person_id)
    await golden.build(conn, ctx, other.person_id)
    return change


async def _came_since(
    conn: Connection, merged: Change, path: list[Person], left: list[Linked]
) -> set[int]:
    """Those that were registered after the merge with one of the persons it led to, and not with
    somebody whom another merge brought."""
    on_path = {person.person_id for person in path}
    elsewhere: set[int] = set()
    parts = await freezing.list_parts(conn, path[-1].person_id)
    for standing in await store_merging.list_standing(conn, list(parts)):
        if standing.other_person_id not in on_path:
            elsewhere |= set(await store_merging.list_moved(conn, standing))
    return {
        one.record.record_id
        for one in left
        if one.record.received_at > merged.changed_at and one.record.record_id not in elsewhere
    }


async def _following(
    conn: Connection, ctx: Context, left: list[Linked], moved: list[Linked], came: set[int]
) -> list[int]:
    if not came:
        return []
    staying, later = _divided(left, came)
    leave, stay, new = [
        [await opening.known_as(conn, ctx, one.record, one.link) for one in side]
        for side in (moved, staying, later)
    ]
    return parting.following(leave, stay, new)


async def _end(
    conn: Connection, ctx: Context, undone: Change, change: Change, records: list[int]
) -> None:
    """A change is undone, and the rulings that came with it stand in the way no more."""
    await end_change(conn, ctx, undone, change.change_id)
    await rulings.withdraw_with(
        conn, ctx, records, undone=undone.change_id, undone_by=change.change_id
    )


async def _give_back(
    conn: Connection, ctx: Context, undone: Change, change: Change, records: list[int]
) -> None:
    """What the undone change had taken away: rulings that stood, questions that were open."""
    await rulings.restore_with(
        conn, ctx, records, undone=undone.change_id, undone_by=change.change_id
    )
    await asking.ask_again(conn, ctx, undone.change_id)


async def split_off(
    conn: Connection, ctx: Context, person_id: int, record_ids: Sequence[int], decision: Grounds
) -> Change:
    """These records of a person become a new person, frozen if the whole is: nobody can say which
    of them was meant.

    Raises ``StateConflict`` where the person has other records only, or no others, or a steward
    ruled some of both the same; ``RowTampered``.
    """
    whole = await opening.lock_current(conn, ctx, person_id)
    wanted = set(record_ids)
    left, moved = _divided(await _linked_of(conn, whole.person_id), wanted)
    if len(moved) != len(wanted) or not left:
        raise StateConflict("these are not some of the person's records")
    await _check_partable(conn, ctx, left, moved)
    fresh = await linking.new_person(
        conn,
        ctx,
        frozen_at=(whole.frozen_at or ctx.clock.now()) if whole.is_frozen else None,
        frozen_because=(whole.frozen_because or "part-frozen") if whole.is_frozen else None,
    )
    change = await _write_change(conn, ctx, DecisionKind.UNMERGE, whole, fresh, moved, decision)
    await _move(conn, ctx, moved, change, fresh.person_id, decision)
    await freezing.save(conn, ctx, whole)
    await golden.build(conn, ctx, whole.person_id)
    await golden.build(conn, ctx, fresh.person_id)
    return change


async def find_change(conn: Connection, ctx: Context, person_id: int, change_id: int) -> Change:
    """Raises ``NotFound``, ``RowTampered``."""
    change = await store_merging.find_change(conn, person_id, change_id)
    if change is None:
        raise NotFound("there is no such change")
    return checked_change(ctx, change)


def checked_change(ctx: Context, change: Change) -> Change:
    """The row, proved. Raises ``RowTampered``."""
    ctx.sealer.check_mac("person_change", change.mac_parts(), change.row_mac)
    return change


async def end_change(conn: Connection, ctx: Context, change: Change, undone_by: int) -> None:
    """A change is undone by another one. Raises ``StateConflict`` if it was."""
    ended = msgspec.structs.replace(change, undone_by=undone_by)
    mac = ctx.sealer.row_mac("person_change", ended.mac_parts())
    if not await store_merging.end_change(conn, msgspec.structs.replace(ended, row_mac=mac)):
        raise StateConflict("it is undone already")


async def lock_both(
    conn: Connection, ctx: Context, keep_person_id: int, other_person_id: int
) -> tuple[Person, Person]:
    """Two persons of today, held until the transaction ends; in the order in which they were given.

    Raises ``NotFound``; ``StateConflict`` where they are one, or one is part of somebody already.
    """
    if keep_person_id == other_person_id:
        raise StateConflict("they are one person")
    rows = {one: await _lock(conn, ctx, one) for one in sorted((keep_person_id, other_person_id))}
    for one in rows:
        if await store_merging.find_alias(conn, one) is not None:
            raise StateConflict("the person is part of another one already")
    return rows[keep_person_id], rows[other_person_id]


async def _lock_path(conn: Connection, ctx: Context, merged: Change) -> list[Person]:
    """The person that was merged, the one it came to, and so on to the whole of today.

    Raises ``StateConflict`` where the merge does not stand, or persons moved while we waited.
    """
    before = await _path(conn, merged.other_person_id)
    rows = {one: await _lock(conn, ctx, one) for one in sorted(before)}
    stands = await find_change(conn, ctx, merged.person_id, merged.change_id)
    if stands.undone_by is not None or before[1:2] != [merged.person_id]:
        raise StateConflict("the merge does not stand any more")
    if await _path(conn, merged.other_person_id) != before:
        raise StateConflict("the person was changed meanwhile")
    return [rows[one] for one in before]


async def _path(conn: Connection, person_id: int) -> list[int]:
    path = [person_id]
    while (into := await store_merging.find_alias(conn, path[-1])) is not None:
        path.append(into)
        if len(path) > opening.MERGES_MAX:
            raise InvariantBroken("persons are merged in a circle")
    return path


async def _lock(conn: Connection, ctx: Context, person_id: int) -> Person:
    row = await store.lock_person(conn, person_id)
    if row is None:
        raise NotFound
    return opening.checked_person(ctx, row)


async def _linked_of(conn: Connection, person_id: int) -> list[Linked]:
    """Raises ``StateConflict`` for more records than a view is made of."""
    ids = await store_merging.list_record_ids(conn, person_id, golden.RECORDS_MAX + 1)
    if len(ids) > golden.RECORDS_MAX:
        raise StateConflict(f"a person with more than {golden.RECORDS_MAX} records is not moved")
    return await store_merging.list_linked(conn, ids)


async def _check_joinable(
    conn: Connection, ctx: Context, kept: list[Linked], moved: list[Linked], decision: Grounds
) -> None:
    if not kept or not moved:
        raise StateConflict("a person without records is not joined")
    if len(kept) + len(moved) > golden.RECORDS_MAX:
        raise StateConflict(f"they have more than {golden.RECORDS_MAX} records together")
    if await _ruled(conn, ctx, kept, moved, RulingVerdict.DIFFERENT):
        raise StateConflict("a steward ruled them different; withdraw the ruling first")
    if decision.actor != SYSTEM:
        return
    numbers = set()
    for one in (*kept, *moved):
        facts = (await opening.known_as(conn, ctx, one.record, one.link)).facts
        if facts.id_no is not None and facts.id_type == CITIZEN_ID:
            numbers.add(facts.id_no)
    if len(numbers) > 1:
        raise StateConflict("they have different own numbers, and no steward ruled them the same")


async def _check_partable(
    conn: Connection, ctx: Context, left: list[Linked], moved: list[Linked]
) -> None:
    if await _ruled(conn, ctx, left, moved, RulingVerdict.SAME):
        raise StateConflict("a steward ruled them the same; withdraw the ruling first")


async def _ruled(
    conn: Connection,
    ctx: Context,
    some: list[Linked],
    others: list[Linked],
    verdict: RulingVerdict,
) -> bool:
    """Whether a ruling of this verdict stands between the two sides. Raises ``RowTampered``."""
    one, other = set(_ids(some)), set(_ids(others))
    for ruling in await rulings.list_standing(conn, ctx, _ids(others)):
        ends = {ruling.record_id, ruling.other_record_id}
        if ruling.verdict is verdict and ends & one and ends & other:
            return True
    return False


async def _write_change(
    conn: Connection,
    ctx: Context,
    kind: DecisionKind,
    person: Person,
    other: Person,
    moved: list[Linked],
    decision: Grounds,
) -> Change:
    change = Change(
        person_id=person.person_id,
        change_id=ctx.ids.new(),
        kind=kind,
        other_person_id=other.person_id,
        actor=decision.actor,
        reason=decision.reason,
        changed_at=ctx.clock.now(),
        undone_by=None,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("person_change", change.mac_parts())
    change = msgspec.structs.replace(change, row_mac=mac)
    await store_merging.insert_change(conn, change, _ids(moved))
    return change


async def _move(
    conn: Connection,
    ctx: Context,
    moved: list[Linked],
    change: Change,
    to_person_id: int,
    grounds: Grounds,
) -> None:
    for one in moved:
        record_id, decision_id = one.record.record_id, change.change_id
        await linking.close_link(conn, ctx, one.link)
        await linking.append_decision(conn, ctx, record_id, decision_id, change.kind, grounds)
        await linking.open_link(conn, ctx, record_id, to_person_id, decision_id)
        entry = AuditEntry(
            record_id=record_id,
            action="person.merged" if change.kind is DecisionKind.MERGE else "person.unmerged",
            actor_kind="system" if grounds.actor == SYSTEM else "operator",
            actor_id=0,
            institution_id=None,
            facts={
                "change": ctx.public_ids.text(change.person_id, change.change_id),
                "by": grounds.actor,
                "because": grounds.reason,
            },
        )
        await append(conn, ctx, entry)


def _ids(linked: Sequence[Linked]) -> list[int]:
    return [one.record.record_id for one in linked]


def _divided(linked: list[Linked], wanted: set[int]) -> tuple[list[Linked], list[Linked]]:
    """Those that are not among ``wanted``, and those that are."""
    left = [one for one in linked if one.record.record_id not in wanted]
    return left, [one for one in linked if one.record.record_id in wanted]
