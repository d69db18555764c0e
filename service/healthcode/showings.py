"""One showing of a code belongs to one place; where a second place took it, a person must look.

Never a block: what a reader reports is its own word, and a copied code is not its owner's fault.
"""

from service.casework.actions import open_item
from service.casework.model import NewItem
from service.healthcode import store, store_lists
from service.healthcode.model_lists import ShownCode
from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken, RowTampered

REASON = "code-shown-twice"


async def note(conn: Connection, ctx: Context, showing: ShownCode) -> bool:
    """Keep the showing, in the caller's transaction; True if another terminal took it before.

    Two places at once are told apart by the row's key: the later transaction waits for the other.
    """
    if await store_lists.insert_shown(conn, showing):
        return False
    return await note_again(conn, ctx, showing)


async def note_again(conn: Connection, ctx: Context, showing: ShownCode) -> bool:
    """The same of a showing that is known to be kept already."""
    first = await store_lists.find_shown(conn, showing.code_id, showing.rise)
    if first is None:
        raise InvariantBroken("a showing was kept and was not")
    return await compare(conn, ctx, first, showing)


async def compare(conn: Connection, ctx: Context, first: ShownCode, second: ShownCode) -> bool:
    """Open a work item if two terminals took one showing; True if they did.

    The scan's own row, which has a MAC, must say of the first place what is noted there. Otherwise
    nobody knows who took it first: True, and the work item says that the row was changed.
    """
    try:
        await _check_place(conn, ctx, first)
    except RowTampered as fault:
        await open_item(conn, ctx, _changed(second, str(fault)))
        return True
    if first.terminal_id == second.terminal_id:
        return False
    item = NewItem(
        record_id=second.record_id,
        kind="code",
        subject_id=int.from_bytes(second.code_id[:8]) >> 1,
        institution_id=None,
        reason=REASON,
        evidence={
            "code_id": second.code_id.hex(),
            "rise": second.rise,
            "first_terminal": ctx.public_ids.text(first.institution_id, first.terminal_id),
            "first_at": first.shown_at.isoformat(),
            "first_reported": first.reported,
            "second_terminal": ctx.public_ids.text(second.institution_id, second.terminal_id),
            "second_at": second.shown_at.isoformat(),
            "second_reported": second.reported,
        },
    )
    await open_item(conn, ctx, item)
    return True


async def _check_place(conn: Connection, ctx: Context, place: ShownCode) -> None:
    scan = await store.find_scan(conn, place.record_id, place.scan_id)
    if scan is None:
        raise RowTampered("shown_code")
    ctx.sealer.check_mac("scan", scan.mac_parts(), scan.row_mac)
    noted = (place.institution_id, place.terminal_id, place.shown_at, place.reported)
    if noted != (scan.institution_id, scan.terminal_id, scan.scanned_at, scan.reported):
        raise RowTampered("shown_code")


def _changed(showing: ShownCode, table: str) -> NewItem:
    """About the row of the first place, found when another place named the same showing."""
    return NewItem(
        record_id=showing.record_id,
        kind="shown_code",
        subject_id=int.from_bytes(showing.code_id[:8]) >> 1,
        institution_id=None,
        reason="row-tampered",
        evidence={"table": table, "code_id": showing.code_id.hex(), "rise": showing.rise},
    )
