"""Stewards' rulings about pairs of records: they outlive every rebuild and win over every score.

A ruling comes with the change that it made necessary, or alone where nothing had to move. Undoing a
change withdraws the rulings that came with it, and puts back those that it had withdrawn.
"""

from collections.abc import Sequence

import msgspec

from service.audit.actions import append
from service.audit.model import AuditEntry, Decided
from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import NotFound, StateConflict
from service.person import store_merging
from service.person.model_merging import Ruling, RulingVerdict

_TABLE = "assertion"
_STANDS = "a ruling about these two records stands; withdraw it first, or undo what came of it"


async def rule(
    conn: Connection,
    ctx: Context,
    verdict: RulingVerdict,
    records: tuple[int, int],
    decided: Decided,
    ruling_id: int,
) -> Ruling:
    """Rule about two records. Raises ``StateConflict`` where a ruling about them stands."""
    lesser, greater = sorted(records)
    row = Ruling(
        record_id=lesser,
        other_record_id=greater,
        verdict=verdict,
        actor=decided.by,
        reason=decided.because,
        asserted_at=ctx.clock.now(),
        ruling_id=ruling_id,
        withdrawn_at=None,
        withdrawn_by=None,
        row_mac=b"",
    )
    row = _sealed(ctx, row)
    if not await store_merging.insert_ruling(conn, row):
        raise StateConflict(_STANDS)
    for record_id in records:
        await _audit(conn, ctx, record_id, "ruling.made", row, decided)
    return row


async def find(conn: Connection, ctx: Context, records: tuple[int, int]) -> Ruling | None:
    """What is ruled about two records. Raises ``RowTampered``."""
    row = await store_merging.find_ruling(conn, *sorted(records))
    return None if row is None else checked(ctx, row)


async def check_open(conn: Connection, ctx: Context, records: tuple[int, int]) -> None:
    """Raises ``StateConflict`` for one record, and where a ruling about the two stands;
    ``RowTampered``."""
    if records[0] == records[1]:
        raise StateConflict("it is one record")
    if await find(conn, ctx, records) is not None:
        raise StateConflict(_STANDS)


async def list_standing(conn: Connection, ctx: Context, records: Sequence[int]) -> list[Ruling]:
    """What is ruled about any of these records. Raises ``RowTampered``."""
    return [checked(ctx, row) for row in await store_merging.list_rulings(conn, records)]


async def withdraw(
    conn: Connection, ctx: Context, records: tuple[int, int], decided: Decided
) -> Ruling:
    """The ruling about two records stands no more; nothing moves by that.

    Raises ``NotFound`` where there is none, ``RowTampered``.
    """
    row = await find(conn, ctx, records)
    if row is None:
        raise NotFound("there is no ruling about these two records")
    await _set_withdrawn(conn, ctx, row, withdrawn_by=ctx.ids.new())
    for record_id in records:
        await _audit(conn, ctx, record_id, "ruling.withdrawn", row, decided)
    return row


async def withdraw_with(
    conn: Connection, ctx: Context, records: Sequence[int], *, undone: int, undone_by: int
) -> None:
    """A change is undone by another: the rulings about ``records`` that came with it stand no more.

    Raises ``RowTampered``.
    """
    for row in await list_standing(conn, ctx, records):
        if row.ruling_id == undone:
            await _set_withdrawn(conn, ctx, row, withdrawn_by=undone_by)


async def restore_with(
    conn: Connection, ctx: Context, records: Sequence[int], *, undone: int, undone_by: int
) -> None:
    """What the undone change had withdrawn between two of ``records`` stands again, and comes with
    the new change. Raises ``RowTampered``."""
    among = set(records)
    for row in await store_merging.list_rulings_withdrawn(conn, records, undone):
        if not {row.record_id, row.other_record_id} <= among:
            continue
        stands = msgspec.structs.replace(
            checked(ctx, row), ruling_id=undone_by, withdrawn_at=None, withdrawn_by=None
        )
        if not await store_merging.set_withdrawn(conn, _sealed(ctx, stands), row.row_mac):
            raise StateConflict("a ruling was changed meanwhile")


async def _set_withdrawn(conn: Connection, ctx: Context, row: Ruling, *, withdrawn_by: int) -> None:
    gone = msgspec.structs.replace(row, withdrawn_at=ctx.clock.now(), withdrawn_by=withdrawn_by)
    if not await store_merging.set_withdrawn(conn, _sealed(ctx, gone), row.row_mac):
        raise StateConflict("the ruling was changed meanwhile")


def _sealed(ctx: Context, row: Ruling) -> Ruling:
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac(_TABLE, row.mac_parts()))


def checked(ctx: Context, row: Ruling) -> Ruling:
    """The row, proved. Raises ``RowTampered``."""
    ctx.sealer.check_mac(_TABLE, row.mac_parts(), row.row_mac)
    return row


async def _audit(
    conn: Connection, ctx: Context, record_id: int, action: str, row: Ruling, decided: Decided
) -> None:
    other = row.other_record_id if record_id == row.record_id else row.record_id
    entry = AuditEntry(
        record_id=record_id,
        action=action,
        actor_kind="operator",
        actor_id=0,
        institution_id=None,
        facts={
            "verdict": row.verdict.value,
            "other_record": ctx.public_ids.text(other, other),
            **decided.facts(),
        },
    )
    await append(conn, ctx, entry)
