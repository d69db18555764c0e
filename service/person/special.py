"""People whose papers come later or change, and people who die.

A record never changes: what is learnt about a person is a new record of the same person, and a code
of the earlier one keeps working.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec

from service.audit.actions import append
from service.audit.model import AuditEntry, Decided
from service.kernel.context import Context
from service.kernel.database import Connection, connection, retry_serialization, transaction
from service.kernel.principals import Application
from service.person import actions, freezing, intake, merging, opening, store_merging
from service.person.model import Changed, Registered, Registration


class Learnt(StrEnum):
    """Why a person is registered again."""

    NAMED = "named"
    """A newborn has a name, or a number: what the birth certificate did not say."""
    IDENTIFIED = "identified"
    """An unknown patient is known."""
    PAPERS_RENEWED = "papers-renewed"
    """A foreigner's new passport has another number."""
    NAME_CHANGED = "name-changed"
    NUMBER_CHANGED = "number-changed"


_CHANGED = {
    Learnt.PAPERS_RENEWED: Changed.ID_NO,
    Learnt.NAME_CHANGED: Changed.NAME,
    Learnt.NUMBER_CHANGED: Changed.ID_NO,
}


async def register_again(
    ctx: Context,
    record_id: int,
    registration: Registration,
    learnt: Learnt,
    decided: Decided,
    *,
    told_by: Application | None = None,
    within: intake.Within | None = None,
) -> Registered:
    """Register what is known now of the person of a record, and rule both records the same, in one
    transaction. Where the index knows the person already, the earlier record comes to him.
    ``told_by``: the hospital's system, or an operator; ``within``: the caller's own writes.

    Raises what ``actions.register`` and ``merging.say_same`` raise.
    """

    async def ruled_same(conn: Connection, registered: Registered) -> None:
        others = await store_merging.list_record_ids(conn, registered.person_id, 2)
        is_known = len(others) > 1
        pair = (registered.record_id, record_id)
        await merging.same_within(conn, ctx, pair if is_known else pair[::-1], decided)
        await _audit(conn, ctx, record_id, f"person.{learnt.value}", decided, told_by)
        if within is not None:
            await within(conn, registered)

    said = msgspec.structs.replace(registration, changed=_CHANGED.get(learnt))
    registered = await actions.register_within(ctx, said, ruled_same)
    async with connection(ctx.pool) as conn:
        link = await opening.open_link(conn, ctx, registered.record_id)
    return Registered(record_id=registered.record_id, person_id=link.person_id)


async def report_death(
    ctx: Context, record_id: int, decided: Decided, *, told_by: Application | None = None
) -> None:
    """The record's person died: no code of his resolves any more. ``told_by``: the hospital's
    system, or an operator.

    Raises ``NotFound``, ``StateConflict``, ``RowTampered``.
    """
    await _told(ctx, record_id, "person.died", decided, freezing.report_death, told_by)


async def report_alive(ctx: Context, record_id: int, decided: Decided) -> None:
    """He did not: an operator alone can say so, never a hospital or whoever unfreezes codes.

    Raises ``NotFound``, ``StateConflict``, ``RowTampered``.
    """
    await _told(ctx, record_id, "person.alive", decided, freezing.report_alive)


async def _told(
    ctx: Context,
    record_id: int,
    action: str,
    decided: Decided,
    act: Callable[[Connection, Context, int], Awaitable[None]],
    told_by: Application | None = None,
) -> None:
    async def once() -> None:
        async with transaction(ctx.pool) as conn:
            await act(conn, ctx, record_id)
            await _audit(conn, ctx, record_id, action, decided, told_by)

    await retry_serialization(once)


async def _audit(
    conn: Connection,
    ctx: Context,
    record_id: int,
    action: str,
    decided: Decided,
    told_by: Application | None,
) -> None:
    entry = AuditEntry(
        record_id=record_id,
        action=action,
        actor_kind="operator" if told_by is None else "application",
        actor_id=0 if told_by is None else told_by.application_id,
        institution_id=None if told_by is None else told_by.institution_id,
        facts=decided.facts(),
    )
    await append(conn, ctx, entry)
