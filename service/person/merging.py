"""A steward's acts: merge, un-merge, keep apart, say same, withdraw a ruling, undo.

Each is one transaction: it happens whole or not at all, and of two stewards at once the second is
told that the persons have changed.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.audit.model import Decided
from service.kernel.context import Context
from service.kernel.database import Connection, retry_serialization, transaction
from service.kernel.problems import NotFound, StateConflict
from service.person import (
    asking,
    freezing,
    golden,
    moving,
    opening,
    parting,
    rulings,
    store_merging,
)
from service.person.model import DecisionKind
from service.person.model_merging import Change, Grounds, Ruling, RulingVerdict
from service.person.survivorship import golden_view

STEWARD = "steward"
"""The model of a decision that no model made."""
_T = TypeVar("_T")


async def merge(
    ctx: Context, keep_person_id: int, other_person_id: int, decided: Decided
) -> Change:
    """Two persons are one: the other's records come to the one that is kept, and the best-founded
    record of each is ruled the same.

    Raises ``NotFound``, ``StateConflict``, ``RowTampered``.
    """

    async def work(conn: Connection) -> Change:
        await moving.lock_both(conn, ctx, keep_person_id, other_person_id)
        best = (
            await _best_founded(conn, ctx, keep_person_id),
            await _best_founded(conn, ctx, other_person_id),
        )
        change = await moving.join_people(
            conn, ctx, keep_person_id, other_person_id, _grounds(decided)
        )
        if await rulings.find(conn, ctx, best) is None:
            await rulings.rule(conn, ctx, RulingVerdict.SAME, best, decided, change.change_id)
        return change

    return await _in_one(ctx, work)


async def unmerge(ctx: Context, person_id: int, decided: Decided) -> Change:
    """A person who was merged into another one is himself again, with the records that he brought,
    and the best-founded record of each is ruled different, so that no matcher joins them again.

    Raises ``NotFound`` where he stands for himself; ``StateConflict``, ``RowTampered``.
    """

    async def work(conn: Connection) -> Change:
        merged = await _merge_of(conn, ctx, person_id)
        change = await moving.part_people(conn, ctx, merged, _grounds(decided))
        best = (
            await _best_founded(conn, ctx, change.person_id),
            await _best_founded(conn, ctx, change.other_person_id),
        )
        await rulings.rule(conn, ctx, RulingVerdict.DIFFERENT, best, decided, change.change_id)
        return change

    return await _in_one(ctx, work)


async def undo(ctx: Context, person_id: int, change_id: int, decided: Decided) -> Change:
    """A merge or un-merge is taken back, with the rulings that came with it; the questions that it
    answered are asked again.

    Raises ``NotFound`` for no such change; ``StateConflict`` where it does not stand any more;
    ``RowTampered``.
    """

    async def work(conn: Connection) -> Change:
        change = await moving.find_change(conn, ctx, person_id, change_id)
        act = moving.part_people if change.kind is DecisionKind.MERGE else moving.join_again
        return await act(conn, ctx, change, _grounds(decided))

    return await _in_one(ctx, work)


async def say_same(ctx: Context, record_id: int, other_record_id: int, decided: Decided) -> Ruling:
    """Two records are one person's, whatever any score says; where they are two persons', these are
    merged and the first one's is kept.

    Raises ``NotFound``, ``StateConflict``, ``RowTampered``.
    """

    pair = (record_id, other_record_id)
    return await _in_one(ctx, lambda conn: same_within(conn, ctx, pair, decided))


async def same_within(
    conn: Connection, ctx: Context, pair: tuple[int, int], decided: Decided
) -> Ruling:
    """``say_same``, in the caller's transaction."""
    await rulings.check_open(conn, ctx, pair)
    keep, other = await _persons_of(conn, ctx, pair)
    ruling_id = ctx.ids.new()
    if keep != other:
        change = await moving.join_people(conn, ctx, keep, other, _grounds(decided))
        ruling_id = change.change_id
    return await rulings.rule(conn, ctx, RulingVerdict.SAME, pair, decided, ruling_id)


async def keep_apart(
    ctx: Context, record_id: int, other_record_id: int, decided: Decided
) -> Ruling:
    """Two records are two persons', whatever any score says; where they are one person's, the
    newest merge that brought them together is undone, or else the other record leaves, with what
    goes with it (``parting``).

    Raises ``NotFound``, ``StateConflict``, ``RowTampered``.
    """

    async def work(conn: Connection) -> Ruling:
        pair = (record_id, other_record_id)
        await rulings.check_open(conn, ctx, pair)
        one, other = await _persons_of(conn, ctx, pair)
        ruling_id = ctx.ids.new()
        if one == other:
            change = await _part(conn, ctx, one, pair, _grounds(decided))
            ruling_id = change.change_id
            one, other = await _persons_of(conn, ctx, pair)
        some = await store_merging.list_record_ids(conn, one, golden.RECORDS_MAX)
        others = await store_merging.list_record_ids(conn, other, golden.RECORDS_MAX)
        await asking.answer(conn, ctx, some, others, ruling_id, "kept-apart")
        return await rulings.rule(conn, ctx, RulingVerdict.DIFFERENT, pair, decided, ruling_id)

    return await _in_one(ctx, work)


async def withdraw_ruling(
    ctx: Context, record_id: int, other_record_id: int, decided: Decided
) -> Ruling:
    """What was ruled about two records is open again. Nobody is joined or parted by it; the
    questions that a "different" answered are asked again.

    Raises ``NotFound`` where nothing is ruled; ``RowTampered``.
    """

    async def work(conn: Connection) -> Ruling:
        ruling = await rulings.withdraw(conn, ctx, (record_id, other_record_id), decided)
        if ruling.verdict is RulingVerdict.DIFFERENT:
            await asking.ask_again(conn, ctx, ruling.ruling_id)
        return ruling

    return await _in_one(ctx, work)


async def _in_one(ctx: Context, work: Callable[[Connection], Awaitable[_T]]) -> _T:
    async def once() -> _T:
        async with transaction(ctx.pool) as conn:
            return await work(conn)

    return await retry_serialization(once)


def _grounds(decided: Decided) -> Grounds:
    return Grounds(actor=decided.by, reason=decided.because, model=STEWARD, bits={})


async def _best_founded(conn: Connection, ctx: Context, person_id: int) -> int:
    """The record that the person's name comes from, of those that no merge brought: so a ruling
    about him says nothing about persons who are merged into him."""
    known = await golden.known_of(conn, ctx, person_id)
    brought: set[int] = set()
    for merged in await store_merging.list_standing(conn, [person_id]):
        brought |= set(await store_merging.list_moved(conn, merged))
    own = [one for one in known if one.record_id not in brought] or known
    if not own:
        raise StateConflict("the person has no records")
    return golden_view(own).provenance["name"]


async def _merge_of(conn: Connection, ctx: Context, person_id: int) -> Change:
    into = await store_merging.find_alias(conn, person_id)
    standing = [] if into is None else await store_merging.list_standing(conn, [into])
    for one in standing:
        if one.other_person_id == person_id:
            return moving.checked_change(ctx, one)
    raise NotFound("the person is not merged into another one")


async def _persons_of(conn: Connection, ctx: Context, records: tuple[int, int]) -> tuple[int, int]:
    """Whose the two records are now; both persons are held until the transaction ends."""
    found = {one: (await opening.open_link(conn, ctx, one)).person_id for one in records}
    held = sorted(set(found.values()))
    for person_id in held:
        await opening.lock_current(conn, ctx, person_id)
    for one in records:
        if (await opening.open_link(conn, ctx, one)).person_id != found[one]:
            raise StateConflict("the person was changed meanwhile")
    return found[records[0]], found[records[1]]


async def _part(
    conn: Connection, ctx: Context, person_id: int, pair: tuple[int, int], grounds: Grounds
) -> Change:
    """Part one person so that the two records are two persons': by undoing the newest merge that
    brought them together, both of them being there before it; else by splitting one off."""
    records = await golden.known_of(conn, ctx, person_id)
    by_id = {one.record_id: one for one in records}
    since = max(by_id[one].received_at for one in pair)
    parts = await freezing.list_parts(conn, person_id)
    for merged in await store_merging.list_standing(conn, list(parts)):
        moved = await store_merging.list_moved(conn, merged)
        if merged.changed_at >= since and (pair[0] in moved) != (pair[1] in moved):
            checked = moving.checked_change(ctx, merged)
            return await moving.part_people(conn, ctx, checked, grounds)
    same = [
        (one.record_id, one.other_record_id)
        for one in await rulings.list_standing(conn, ctx, list(by_id))
        if one.verdict is RulingVerdict.SAME
    ]
    leaving = parting.going_with(by_id[pair[1]], by_id[pair[0]], records, same)
    if leaving is None:
        raise StateConflict("a steward ruled them the same; withdraw the ruling first")
    return await moving.split_off(conn, ctx, person_id, leaving, grounds)
