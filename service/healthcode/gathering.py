"""What a revocation list is made of: rows that hold, whatever somebody did to them by SQL.

Three things say that a code is revoked: its row of ``revoked_code``, the credential or printed code
itself, and the last signed list. Each row counts by its MAC alone. A row that is gone or spoilt is
written anew from the credential, and an entry of the last list that no row explains any more stays
listed. Either opens a work item, with its alarm.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from crypto.healthcode.revocation import RevocationList, entry_of
from service.casework.actions import open_item
from service.casework.model import Evidence, NewItem
from service.healthcode import store_lists
from service.healthcode.model import (
    HolderCredential,
    IssuedState,
    PrintedRow,
    RevokedCode,
    RevokedScope,
)
from service.healthcode.model_lists import Gathered, ListPlace
from service.healthcode.revoking import to_list
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.problems import RowTampered

EXPIRED_FOR = timedelta(minutes=1)
"""Readers accept a code half a minute past its life."""
EXPLAINED_FOR = timedelta(hours=23)
"""Rows are kept for a day after the code expired: so long they tell why an entry left a list."""

Row = TypeVar("Row", RevokedCode, HolderCredential | PrintedRow)

_ISSUED_IN = {RevokedScope.BOUND: "holder_credential", RevokedScope.PRINTED: "printed_code"}


async def gather(ctx: Context, place: ListPlace, held: RevocationList | None) -> Gathered:
    """What the next list of a place holds; ``held`` is the last one."""
    now = ctx.clock.now()
    live_after = now - EXPIRED_FOR
    if held is not None and held.made_at < now - EXPLAINED_FOR:
        held = None
    since = live_after if held is None else min(live_after, held.made_at - EXPIRED_FOR)
    async with connection(ctx.pool) as conn:
        # What says so itself comes first: what is revoked between the two then has its row.
        said = await store_lists.list_said_revoked(conn, place, live_after)
        rows = await store_lists.list_revoked(conn, place, since)
    sound, spoilt = await asyncio.to_thread(_sift, ctx, "revoked_code", rows)
    known = {(row.record_id, row.code_id) for row in sound}
    back, refused = await _put_back(ctx, place, said - known)
    sound += back
    revoked = {row.code_id for row in sound if row.expires_at > live_after}
    unexplained = await asyncio.to_thread(_unexplained, held, sound)
    async with connection(ctx.pool) as conn:
        neighbours = await store_lists.list_neighbours(conn, place, list(revoked), live_after)
    near, invented = await asyncio.to_thread(_sift, ctx, _ISSUED_IN[place.scope], neighbours)
    changed = {
        "revoked_code": refused | {row.record_id for row in [*spoilt, *back]},
        _ISSUED_IN[place.scope]: {row.record_id for row in invented},
    }
    if any(changed.values()) or unexplained:
        await _report(ctx, place, changed, len(unexplained))
    return Gathered(revoked, {row.code_id for row in near} - revoked, unexplained)


def _sift(ctx: Context, table: str, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Rows that hold, and rows that somebody else wrote."""
    sound: list[Row] = []
    spoilt: list[Row] = []
    for row in rows:
        try:
            ctx.sealer.check_mac(table, row.mac_parts(), row.row_mac)
        except RowTampered:
            spoilt.append(row)
        else:
            sound.append(row)
    return sound, spoilt


async def _put_back(
    ctx: Context, place: ListPlace, lost: set[tuple[int, bytes]]
) -> tuple[list[RevokedCode], set[int]]:
    """Rows written anew for codes that are revoked by their own rows alone.

    A credential that was made to say so by SQL is not believed; its record comes second.
    """
    back: list[RevokedCode] = []
    refused: set[int] = set()
    for record_id, code_id in sorted(lost):
        async with connection(ctx.pool) as conn:
            issued = await store_lists.find_issued(conn, place.scope, record_id, code_id)
            if issued is None or issued.state is not IssuedState.REVOKED:
                continue
            try:
                ctx.sealer.check_mac(_ISSUED_IN[place.scope], issued.mac_parts(), issued.row_mac)
            except RowTampered:
                refused.add(record_id)
                continue
            row = to_list(ctx, issued, place.scope)
            await store_lists.put_revoked(conn, row)
        back.append(row)
    return back, refused


def _unexplained(held: RevocationList | None, sound: Sequence[RevokedCode]) -> frozenset[int]:
    """Entries of the last list that no row stands behind, be it an expired one."""
    if held is None:
        return frozenset()
    return frozenset(held.entries) - {entry_of(row.code_id, held.width) for row in sound}


async def _report(
    ctx: Context, place: ListPlace, changed: Mapping[str, set[int]], unexplained: int
) -> None:
    """A work item for each record whose rows were changed, by table, and one for entries without a
    row."""
    scope = place.scope.name.lower()
    async with transaction(ctx.pool) as conn:
        for table, records in changed.items():
            for record_id in sorted(records):
                await _open(conn, ctx, record_id, record_id, {"table": table, "scope": scope})
        if unexplained:
            evidence: Evidence = {
                "table": "revoked_code",
                "scope": scope,
                "entries_without_a_row": unexplained,
            }
            await _open(conn, ctx, 0, place.scope.value, evidence)


async def _open(
    conn: Connection, ctx: Context, record_id: int, subject_id: int, evidence: Evidence
) -> None:
    await open_item(
        conn,
        ctx,
        NewItem(
            record_id=record_id,
            kind="revoked_code",
            subject_id=subject_id,
            institution_id=None,
            reason="row-tampered",
            evidence=evidence,
        ),
    )
