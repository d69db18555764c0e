"""Revocation lists: made by whichever worker comes first, handed out as deltas or whole.

A list states what was revoked, exactly, at one moment; online reading goes by the rows themselves.
"""

import asyncio
from array import array
from dataclasses import replace
from datetime import timedelta

from crypto.healthcode.revocation import (
    PREFIX,
    ListScope,
    RevocationDelta,
    RevocationList,
    entry_of,
    make_delta,
    make_full,
    revocation_body,
)
from crypto.keyring import Key, KeyKind
from service.healthcode import proving, rules_lists, store_lists
from service.healthcode.gathering import EXPIRED_FOR, gather
from service.healthcode.model_lists import (
    CodeList,
    DueList,
    Gathered,
    ListAnswer,
    ListPlace,
    ListStep,
)
from service.healthcode.problems import CodeListNotMade
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.limits import BoundedQueue
from service.kernel.logs import get_logger
from service.kernel.problems import InvariantBroken, Overloaded, SignerUnavailable
from service.kernel.signing import sign_message

_log = get_logger("code-lists")

LIST_EVERY = timedelta(minutes=5)
LIST_AT_MOST_EVERY = timedelta(minutes=2)
"""With a revocation waiting. A minute in caches and a reader that asks every five make 8."""
LATE_AFTER = timedelta(minutes=10)
OVERLAP = timedelta(seconds=10)
"""A revocation committed while a list was made may carry an earlier time than the list."""
STEPS_KEPT = timedelta(hours=24)
STEPS_MAX = STEPS_KEPT // LIST_AT_MOST_EVERY + 1
CLASSES_NEW_FOR = timedelta(days=2)
"""The list of the province covers a class that was missed."""
DUE_MAX = 64


class DeltaJoiner:
    """One delta is joined at a time and a few wait; whoever finds no place gets the full list."""

    def __init__(self) -> None:
        self._queue = BoundedQueue(running=1, waiting=4, patience_s=2.0)

    async def join(self, ctx: Context, held: CodeList, base: int) -> bytes | None:
        """The signed delta from ``base`` to ``held``; None where only the full list helps."""
        place = held.place
        try:
            async with self._queue.place(), connection(ctx.pool) as conn:
                known = await store_lists.find_delta(conn, place, held.sequence, base)
                if known is not None:
                    return known
                steps = await store_lists.list_steps(conn, place, base, STEPS_MAX)
                if not rules_lists.leads(steps, base, held.sequence):
                    return None
                if len(steps) == 1:
                    return steps[0].content
                joined = await asyncio.to_thread(_joined, ctx, held, steps, base)
                if joined is None:
                    return None
                made = await _sign(ctx, _list_key(ctx), joined)
                await store_lists.keep_delta(conn, place, held.sequence, base, made)
                return await store_lists.find_delta(conn, place, held.sequence, base) or made
        except (Overloaded, SignerUnavailable):
            return None


async def list_due(ctx: Context) -> list[DueList]:
    """Lists that are to be made now: the regular ones, and those overtaken by a revocation."""
    now = ctx.clock.now()
    async with connection(ctx.pool) as conn:
        return await store_lists.list_due(
            conn,
            live_after=now - EXPIRED_FOR,
            made_before=now - LIST_EVERY,
            hurried_before=now - LIST_AT_MOST_EVERY,
            overlap=OVERLAP,
            new_after=now - CLASSES_NEW_FOR,
            made_after=now + LIST_EVERY,
            limit=DUE_MAX,
        )


async def make_list(ctx: Context, due: DueList) -> bool:
    """Make the next list of a place; False when another worker was faster, or when its number
    would lie far above the time: then a person must look.

    Raises ``SignerUnavailable``; the list is due again at once then.
    """
    now = ctx.clock.now()
    async with connection(ctx.pool) as conn:
        mark = await store_lists.find_mark(conn, due.place)
        held = await store_lists.find_list(conn, due.place)
    if (0 if held is None else held.sequence) != due.sequence:
        return False
    proved = await proving.prove(ctx, due.place, held, mark)
    sequence = rules_lists.next_sequence(proved.last, now)
    if rules_lists.is_far_ahead(sequence, now):
        await proving.report(ctx, due.place, "code-list-number-ahead", str(proved.last))
        return False
    gathered = await gather(ctx, due.place, proved.listed)
    key = _list_key(ctx)
    full = await asyncio.to_thread(_make, ctx, due.place, sequence, proved.listed, gathered)
    old = proved.listed if proved.whole else None
    row, step = await _signed_rows(ctx, key, full, old)
    async with transaction(ctx.pool) as conn:
        if not await store_lists.put_list(conn, row, due.sequence):
            return False
        await store_lists.put_mark(conn, proving.mark_of(ctx, row))
        if step is not None:
            await store_lists.insert_step(conn, step)
        await store_lists.forget_steps(conn, due.place, now - STEPS_KEPT, row.sequence)
    if held is not None and now - held.made_at > LATE_AFTER:
        ctx.metrics.alarms.labels("code-list-late").inc()
        _log.warning("code_list.late", scope=due.scope.name, code_class=due.code_class)
    return True


async def find_answer(
    ctx: Context, joiner: DeltaJoiner, place: ListPlace, since: int, *, one_step: bool = False
) -> ListAnswer:
    """What brings a reader at sequence ``since`` (0: with nothing) to the newest list.

    A delta where one exists and is smaller, else the full list. With ``one_step`` the delta to the
    list that came next, which need not be the newest. Raises ``CodeListNotMade``.
    """
    async with connection(ctx.pool) as conn:
        held = await store_lists.find_list(conn, place)
        step = await store_lists.find_step(conn, place, since) if one_step else None
    if held is None:
        raise CodeListNotMade
    if step is not None and len(step.content) < len(held.content):
        return ListAnswer(place=place, sequence=step.sequence, base=since, content=step.content)
    if 0 < since < held.sequence and not one_step:
        delta = await joiner.join(ctx, held, since)
        if delta is not None and len(delta) < len(held.content):
            return ListAnswer(place=place, sequence=held.sequence, base=since, content=delta)
    return ListAnswer(place=place, sequence=held.sequence, base=0, content=held.content)


async def observe_lists(ctx: Context) -> None:
    """Set the metrics of every list, from any process: a dead maker cannot say that it is late."""
    now = ctx.clock.now()
    async with connection(ctx.pool) as conn:
        heads = await store_lists.list_heads(conn)
    for head in heads:
        age = now - head.made_at
        for value, figure in (
            ("age_seconds", age.total_seconds()),
            ("bytes", head.size),
            ("entries", head.entries),
            ("late", int(age > LATE_AFTER)),
        ):
            gauge = ctx.metrics.revocation_list
            gauge.labels(head.scope.name.lower(), str(head.code_class), value).set(figure)


def _make(
    ctx: Context,
    place: ListPlace,
    sequence: int,
    last: RevocationList | None,
    gathered: Gathered,
) -> RevocationList:
    """The new list. An entry that no row explains is known at the last list's width alone, so that
    width stays while there is one: rather one innocent too many than a revoked code too few."""
    now = ctx.clock.now()
    full = make_full(
        scope=ListScope(place.scope),
        code_class=place.code_class,
        sequence=sequence,
        made_at=now,
        next_at=now + LIST_EVERY,
        code_ids=gathered.revoked,
        innocent=gathered.near,
    )
    if last is None or not gathered.unexplained:
        return full
    entries = {entry_of(code_id, last.width) for code_id in gathered.revoked}
    kept = array("Q", sorted(entries | gathered.unexplained))
    return replace(full, width=last.width, entries=kept)


async def _signed_rows(
    ctx: Context, key: Key, full: RevocationList, old: RevocationList | None
) -> tuple[CodeList, ListStep | None]:
    """The rows of a list and of the step to it. Raises ``SignerUnavailable``."""
    row = CodeList(
        scope=full.scope.value,
        code_class=full.code_class,
        sequence=full.sequence,
        width=full.width,
        entries=len(full.entries),
        made_at=full.made_at,
        next_at=full.next_at,
        digest=await asyncio.to_thread(full.digest),
        row_mac=b"",
        content=await _sign(ctx, key, full),
    )
    row = proving.sealed_row(ctx, row)
    if old is None or old.width != full.width:
        return row, None
    delta = await asyncio.to_thread(make_delta, old, full)
    return row, ListStep(
        scope=row.place.scope,
        code_class=row.code_class,
        sequence=full.sequence,
        base=old.sequence,
        made_at=full.made_at,
        removed=rules_lists.to_bytes([old.entries[at] for at in delta.removed]),
        added=rules_lists.to_bytes(delta.added),
        content=await _sign(ctx, key, delta),
    )


def _joined(
    ctx: Context, held: CodeList, steps: list[ListStep], base: int
) -> RevocationDelta | None:
    """One delta over all steps; None when the stored list does not open."""
    newest = proving.open_served(ctx, held)
    if newest is None:
        return None
    entries = rules_lists.before(set(newest.entries), steps)
    old = replace(newest, sequence=base, entries=array("Q", sorted(entries)))
    return make_delta(old, newest)


def _list_key(ctx: Context) -> Key:
    return ctx.ring.current(KeyKind.CODE_LIST, ctx.clock.now())


async def _sign(ctx: Context, key: Key, listed: RevocationList | RevocationDelta) -> bytes:
    """Raises ``SignerUnavailable``."""
    if key.code_key_id is None:
        raise InvariantBroken("a list key has a key id")
    body = await asyncio.to_thread(revocation_body, listed, key.code_key_id)
    return body + await sign_message(ctx, key, PREFIX + body)
