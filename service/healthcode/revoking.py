"""Revoke codes of a record: rows, phones and the lists, in the caller's transaction."""

from collections.abc import Sequence

import msgspec

from service.healthcode import store_phones, store_printed
from service.healthcode.model import (
    HolderCredential,
    IssuedState,
    PhoneRow,
    PhoneState,
    PrintedRow,
    RevokedCode,
    RevokedScope,
)
from service.kernel.context import Context
from service.kernel.database import Connection


async def revoke_everything(conn: Connection, ctx: Context, record_id: int) -> int:
    """Every phone and every unexpired code of the record; gives how many codes.

    The caller has raised the card's epoch before, and so holds off whoever issues meanwhile.
    """
    phones = await store_phones.lock_phones(conn, record_id)
    count = await revoke_phones(conn, ctx, record_id, phones, all_credentials=True)
    printed = await store_printed.lock_printed(conn, record_id, ctx.clock.now())
    await revoke_printed(conn, ctx, record_id, printed)
    return count + len(printed)


async def revoke_phones(
    conn: Connection,
    ctx: Context,
    record_id: int,
    phones: Sequence[PhoneRow],
    *,
    state: PhoneState = PhoneState.REVOKED,
    all_credentials: bool = False,
) -> int:
    """These phones, which the caller holds locked, and their unexpired credentials.

    ``state`` is what becomes of the phones. ``all_credentials``: the record's, whichever phone they
    were given to. Raises ``RowTampered``.
    """
    now = ctx.clock.now()
    for phone in phones:
        ctx.sealer.check_mac("phone", phone.mac_parts(), phone.row_mac)
    if phones:
        await store_phones.revoke_phones(
            conn, record_id, [_ended_phone(ctx, row, state) for row in phones]
        )
    ids = {phone.phone_id for phone in phones}
    held = [
        row
        for row in await store_phones.list_unexpired(conn, record_id, now)
        if all_credentials or row.phone_id in ids
    ]
    if held:
        await store_phones.revoke_credentials(
            conn, record_id, [_revoked_credential(ctx, row) for row in held]
        )
        await _list(conn, ctx, held, RevokedScope.BOUND)
    return len(held)


async def revoke_printed(
    conn: Connection, ctx: Context, record_id: int, rows: Sequence[PrintedRow]
) -> None:
    """These printed codes, which the caller holds locked. Raises ``RowTampered``."""
    if not rows:
        return
    await store_printed.revoke_printed(
        conn, record_id, [_revoked_printed(ctx, row) for row in rows]
    )
    await _list(conn, ctx, rows, RevokedScope.PRINTED)


async def _list(
    conn: Connection,
    ctx: Context,
    rows: Sequence[HolderCredential] | Sequence[PrintedRow],
    scope: RevokedScope,
) -> None:
    await store_phones.insert_revoked(conn, [to_list(ctx, row, scope) for row in rows])


def to_list(ctx: Context, row: HolderCredential | PrintedRow, scope: RevokedScope) -> RevokedCode:
    """What readers must refuse from now on until the code expires."""
    listed = RevokedCode(
        record_id=row.record_id,
        code_id=row.code_id,
        scope=scope,
        code_class=row.code_class,
        expires_at=row.expires_at,
        revoked_at=ctx.clock.now(),
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("revoked_code", listed.mac_parts())
    return msgspec.structs.replace(listed, row_mac=mac)


def _ended_phone(ctx: Context, row: PhoneRow, state: PhoneState) -> PhoneRow:
    changed = msgspec.structs.replace(row, state=state)
    mac = ctx.sealer.row_mac("phone", changed.mac_parts())
    return msgspec.structs.replace(changed, row_mac=mac)


def _revoked_credential(ctx: Context, row: HolderCredential) -> HolderCredential:
    ctx.sealer.check_mac("holder_credential", row.mac_parts(), row.row_mac)
    changed = msgspec.structs.replace(row, state=IssuedState.REVOKED)
    mac = ctx.sealer.row_mac("holder_credential", changed.mac_parts())
    return msgspec.structs.replace(changed, row_mac=mac)


def _revoked_printed(ctx: Context, row: PrintedRow) -> PrintedRow:
    ctx.sealer.check_mac("printed_code", row.mac_parts(), row.row_mac)
    changed = msgspec.structs.replace(row, state=IssuedState.REVOKED)
    mac = ctx.sealer.row_mac("printed_code", changed.mac_parts())
    return msgspec.structs.replace(changed, row_mac=mac)
