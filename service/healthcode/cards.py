"""A record's card: made at first need, voided by its epoch, frozen by its state."""

from collections.abc import Callable, Sequence

import msgspec

from crypto.healthcode.index import Index
from service.audit.actions import append
from service.audit.model import AuditEntry
from service.healthcode import rules, store, store_phones
from service.healthcode.model import (
    CodeCard,
    CodeState,
    HolderCredential,
    IssuedState,
    PrintedRow,
    Shown,
)
from service.kernel.context import Context
from service.kernel.database import Connection, transaction
from service.kernel.joined_reads import Cells, Read, read_together, row_of
from service.kernel.problems import InvariantBroken, NotFound, StateConflict


async def find(conn: Connection, ctx: Context, record_id: int, card: int) -> CodeCard | None:
    """A card with its MAC checked. Raises ``RowTampered``."""
    row = await store.find_card(conn, record_id, card)
    if row is not None:
        ctx.sealer.check_mac("code", row.mac_parts(), row.row_mac)
    return row


async def find_or_make(conn: Connection, ctx: Context, record_id: int) -> CodeCard:
    """The record's first card; two first needs at once make one."""
    if (found := await find(conn, ctx, record_id, rules.CARD)) is not None:
        return found
    row = CodeCard(
        record_id=record_id,
        card=rules.CARD,
        epoch=0,
        state=CodeState.ACTIVE,
        created_at=ctx.clock.now(),
        row_mac=b"",
    )
    await store.insert_card(conn, _with_mac(ctx, row))
    made = await find(conn, ctx, record_id, rules.CARD)
    if made is None:
        raise InvariantBroken("a card was neither there nor made")
    return made


async def lock(conn: Connection, ctx: Context, record_id: int) -> CodeCard:
    """The record's first card, held until the transaction ends. Raises ``RowTampered``."""
    row = await store.lock_card(conn, record_id, rules.CARD)
    if row is None:
        raise InvariantBroken("a card was made and is not there")
    ctx.sealer.check_mac("code", row.mac_parts(), row.row_mac)
    return row


async def find_with_issued(
    conn: Connection, ctx: Context, place: Index, shown: Shown, code_id: bytes
) -> tuple[CodeCard | None, IssuedState | None]:
    """A card and, for kinds that are kept when issued, the state of this code.

    Raises ``RowTampered`` where either is not what was written.
    """
    (found,) = await read_together(conn, issued_read(place, shown, code_id))
    return issued(ctx, shown, found)


def issued_read(place: Index, shown: Shown, code_id: bytes) -> Read:
    """What ``issued`` needs, to be read together with other rows of the record."""
    record_id = int.from_bytes(place.record_id)
    if shown is Shown.BOUND:
        return store_phones.card_and_credential_read(record_id, place.card, code_id)
    if shown is Shown.PRINTED:
        return store_phones.card_and_printed_read(record_id, place.card, code_id)
    return store.card_read(record_id, place.card)


def issued(
    ctx: Context, shown: Shown, found: Sequence[Cells]
) -> tuple[CodeCard | None, IssuedState | None]:
    """``find_with_issued``, of what ``issued_read`` gave. Raises ``RowTampered``."""
    state = None
    if shown is Shown.BOUND:
        card, credential = store_phones.card_and(HolderCredential, found)
        if credential is not None:
            ctx.sealer.check_mac("holder_credential", credential.mac_parts(), credential.row_mac)
            state = credential.state
    elif shown is Shown.PRINTED:
        card, printed = store_phones.card_and(PrintedRow, found)
        if printed is not None:
            ctx.sealer.check_mac("printed_code", printed.mac_parts(), printed.row_mac)
            state = printed.state
    else:
        card = row_of(CodeCard, found[0]) if found else None
    if card is not None:
        ctx.sealer.check_mac("code", card.mac_parts(), card.row_mac)
    return card, state


async def change(
    ctx: Context, record_id: int, action: str, changed: Callable[[CodeCard], CodeCard]
) -> None:
    """Write what ``changed`` makes of the card. Raises ``NotFound``, ``StateConflict``."""
    async with transaction(ctx.pool) as conn:
        was = await change_within(conn, ctx, record_id, changed)
        await append(
            conn,
            ctx,
            AuditEntry(
                record_id=record_id,
                action=action,
                actor_kind="system",
                actor_id=0,
                institution_id=None,
                facts={"card": was.card, "epoch": was.epoch},
            ),
        )


async def change_within(
    conn: Connection, ctx: Context, record_id: int, changed: Callable[[CodeCard], CodeCard]
) -> CodeCard:
    """``change`` in the caller's transaction and without its audit entry; gives what was."""
    was = await find(conn, ctx, record_id, rules.CARD)
    if was is None:
        raise NotFound
    if not await store.update_card(conn, _with_mac(ctx, changed(was)), was):
        raise StateConflict
    return was


def with_next_epoch(card: CodeCard) -> CodeCard:
    """Every code issued before becomes void."""
    if card.epoch >= rules.EPOCH_MAX:
        raise InvariantBroken("the epochs of a card are used up")
    return msgspec.structs.replace(card, epoch=card.epoch + 1)


def moved(source: CodeState, target: CodeState) -> Callable[[CodeCard], CodeCard]:
    """From one state to another. Raises ``StateConflict`` from any other state."""

    def change_state(card: CodeCard) -> CodeCard:
        if card.state is not source:
            raise StateConflict
        return msgspec.structs.replace(card, state=target)

    return change_state


def _with_mac(ctx: Context, row: CodeCard) -> CodeCard:
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("code", row.mac_parts()))
