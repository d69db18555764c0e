"""Whether the newest list of a place is the one made last, whatever somebody did to it by SQL.

Three things speak of it: its row, its signed content, and its mark, a row apart. Each counts by its
own MAC or signature; a number that none of them proves is never counted on from. Where they do not
agree a work item is opened, with its alarm, and the next list goes on from what holds.
"""

import asyncio
from typing import NamedTuple

import msgspec

from crypto.errors import CryptoError
from crypto.healthcode.revocation import (
    RevocationDelta,
    RevocationList,
    open_revocation_list,
)
from service.casework.actions import open_item
from service.casework.model import NewItem
from service.healthcode import reading
from service.healthcode.model_lists import CodeList, ListMark, ListPlace
from service.kernel.context import Context
from service.kernel.database import transaction
from service.kernel.logs import get_logger
from service.kernel.problems import RowTampered

_log = get_logger("code-lists")


class ProvedList(NamedTuple):
    """The last list as far as it holds."""

    listed: RevocationList | None
    """Signed by a key of ours for this place; None where there is none."""
    last: int
    """The highest number that is proved; 0 for none."""
    whole: bool
    """Nothing was changed, so a step may lead from it."""


async def prove(
    ctx: Context, place: ListPlace, held: CodeList | None, mark: ListMark | None
) -> ProvedList:
    """What holds of the newest list. The rows were read with nobody putting a list between."""
    listed = None if held is None else await asyncio.to_thread(open_list, ctx, held)
    sealed = held if held is not None and _holds(ctx, "code_list", held) else None
    marked = mark if mark is not None and _holds(ctx, "code_list_mark", mark) else None
    found = None
    if held is not None and (sealed is None or (listed and not _is_named(held, listed))):
        found = "changed"
    elif mark is not None and marked is None:
        found = "mark changed"
    elif sealed is not None or marked is not None:
        found = _odds(sealed, marked)
    if found is not None:
        await report(ctx, place, "row-tampered", found)
    if held is not None and listed is None:
        await report(ctx, place, "code-list-unreadable", "content")
    last = max(one.sequence if one is not None else 0 for one in (listed, sealed, marked))
    return ProvedList(listed, last, whole=found is None)


def _odds(held: CodeList | None, mark: ListMark | None) -> str | None:
    """What is wrong with a list and its mark, either of which holds by itself."""
    if held is None or mark is None:
        return "missing" if held is None else "mark missing"
    if held.sequence != mark.sequence:
        return "older" if held.sequence < mark.sequence else "mark older"
    return None if held.digest == mark.digest else "another"


def open_list(ctx: Context, held: CodeList) -> RevocationList | None:
    """The stored list; None when it is not what a key of ours signed for its place."""
    try:
        trust = reading.own_trust(ctx.ring.snapshot)
        listed = open_revocation_list(held.content, trust, ctx.clock.now())
    except CryptoError as fault:
        _log.error("code_list.unreadable", fault=fault)
        return None
    if isinstance(listed, RevocationDelta):
        return None
    place = (listed.scope.value, listed.code_class)
    return listed if place == (held.scope, held.code_class) else None


def open_served(ctx: Context, held: CodeList) -> RevocationList | None:
    """The same for handing out: None also when the list is another than its row says."""
    listed = open_list(ctx, held)
    return listed if listed is not None and _is_named(held, listed) else None


def sealed_row(ctx: Context, row: CodeList) -> CodeList:
    """The row with its MAC."""
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("code_list", row.mac_parts()))


def mark_of(ctx: Context, row: CodeList) -> ListMark:
    """The mark that stands beside a list."""
    mark = ListMark(
        scope=row.scope,
        code_class=row.code_class,
        sequence=row.sequence,
        digest=row.digest,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("code_list_mark", mark.mac_parts())
    return msgspec.structs.replace(mark, row_mac=mac)


async def report(ctx: Context, place: ListPlace, reason: str, found: str) -> None:
    """One work item, with its alarm, for a place and reason."""
    item = NewItem(
        record_id=0,
        kind="code_list",
        subject_id=place.scope.value << 8 | place.code_class,
        institution_id=None,
        reason=reason,
        evidence={
            "table": "code_list",
            "scope": place.scope.name.lower(),
            "code_class": place.code_class,
            "found": found,
        },
    )
    async with transaction(ctx.pool) as conn:
        await open_item(conn, ctx, item)


def _is_named(held: CodeList, listed: RevocationList) -> bool:
    return (held.sequence, held.digest) == (listed.sequence, listed.digest())


def _holds(ctx: Context, table: str, row: CodeList | ListMark) -> bool:
    try:
        ctx.sealer.check_mac(table, row.mac_parts(), row.row_mac)
    except RowTampered:
        return False
    return True
