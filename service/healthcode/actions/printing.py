"""Issue, list and revoke printed codes."""

import msgspec

from crypto.healthcode.issue import PrintedRequest, prepare_printed
from crypto.healthcode.layout import Kind
from service.account import actions as account
from service.account import sessions
from service.healthcode import cards, issuing, notes, revoking, rules, store_printed
from service.healthcode.model import CodeCard, IssuedPrinted, IssuedState, PrintedRow
from service.healthcode.problems import PrintedLimitReached
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.principals import Resident
from service.kernel.problems import NotFound, StateConflict
from service.person import actions as person

PRINTED_LISTED = 50


async def issue_printed(ctx: Context, resident: Resident, life_days: int) -> IssuedPrinted:
    """A code to print; its text is told now and kept nowhere. ``life_days`` is 1 to 1,827.

    Raises ``RegistrationNeeded``, ``CodeFrozen``, ``CodeNoSuchCard``, ``PrintedLimitReached``,
    ``StateConflict``, ``SignerUnavailable``; ``NotAuthenticated`` where the login ended meanwhile.
    """
    record_id = account.own_record(resident)
    async with connection(ctx.pool) as conn:
        owner = await person.person_of(conn, ctx, record_id)
        card = await cards.find_or_make(conn, ctx, record_id)
    rules.check_card(card, card.epoch, person_frozen=owner.is_frozen)
    issued = await _sign(ctx, card, life_days)
    async with transaction(ctx.pool) as conn:
        # Held, so that codes are counted exactly and no epoch is raised in between.
        if (await cards.lock(conn, ctx, record_id)) != card:
            raise StateConflict
        # Who stops everything ends the logins, commits, and then needs the card that is held here:
        # either this read of the account's own shard finds the login ended, or the code is found.
        await sessions.check_open(conn, ctx, resident)
        out = await store_printed.lock_printed(conn, record_id, ctx.clock.now())
        if len(out) >= rules.PRINTED_MAX:
            raise PrintedLimitReached
        await store_printed.insert_printed(conn, issued.row)
        await _note(conn, ctx, resident, issued.row, "printed.issued")
    return issued


async def list_printed(ctx: Context, resident: Resident) -> list[PrintedRow]:
    """The resident's printed codes, newest first, at most 50. Raises ``RowTampered``."""
    record_id = account.own_record(resident)
    async with connection(ctx.pool) as conn:
        rows = await store_printed.list_printed(conn, record_id, PRINTED_LISTED)
    for row in rows:
        ctx.sealer.check_mac("printed_code", row.mac_parts(), row.row_mac)
    return rows


async def revoke_printed(ctx: Context, resident: Resident, printed_public_id: str) -> None:
    """The code identifies nobody from now on; a repeat changes nothing. Raises ``NotFound``."""
    record_id, printed_code_id = ctx.public_ids.parse(printed_public_id)
    if record_id != account.own_record(resident):
        raise NotFound
    async with transaction(ctx.pool) as conn:
        row = await store_printed.lock_one_printed(conn, record_id, printed_code_id)
        if row is None:
            raise NotFound
        if row.state is IssuedState.REVOKED:
            return
        await revoking.revoke_printed(conn, ctx, record_id, [row])
        await _note(conn, ctx, resident, row, "printed.revoked")


async def _sign(ctx: Context, card: CodeCard, life_days: int) -> IssuedPrinted:
    now = ctx.clock.now()
    prepared = prepare_printed(
        issuing.issuer(ctx, Kind.PRINTED, now),
        PrintedRequest(
            index=issuing.index_of(card), code_class=issuing.CODE_CLASS, life_days=life_days
        ),
        now,
    )
    issued = await issuing.sign_code(ctx, prepared)
    head = issued.code.head
    row = PrintedRow(
        record_id=card.record_id,
        printed_code_id=ctx.ids.new(),
        code_id=issued.code_id,
        code_class=head.code_class,
        state=IssuedState.LIVE,
        issued_at=head.issued_at,
        expires_at=head.expires_at,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("printed_code", row.mac_parts())
    return IssuedPrinted(row=msgspec.structs.replace(row, row_mac=mac), text=issued.text)


async def _note(
    conn: Connection, ctx: Context, resident: Resident, row: PrintedRow, action: str
) -> None:
    facts: notes.Facts = {"printed_code_id": row.printed_code_id, "code_id": row.code_id.hex()}
    await notes.append_act(conn, ctx, resident, row.record_id, action, facts)
