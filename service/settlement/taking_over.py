"""Take a settlement over that was begun at another place: kiosk, counter or phone.

Nobody gets it while an order placed elsewhere may still take money. That order, and no later one,
is closed at its provider first; what the provider does not confirm is refused for the moment. Who
asks names since when it stood where he saw it: of two who ask at once the second sees another time.
"""

from datetime import timedelta

from msgspec.structs import replace

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.kernel.context import Context
from service.kernel.database import Connection
from service.payment import actions as payment
from service.payment import rules as payment_rules
from service.settlement import door, rules, tender
from service.settlement.model import Channel, Settlement, TakeOver
from service.settlement.problems import (
    PaymentStillOpen,
    SettlementNotPayable,
    SettlementTakenOver,
)
from service.settlement.states import PAYABLE, SettlementState

_OPEN = PAYABLE | {SettlementState.PRESETTLING}
_NEXT = timedelta(microseconds=1)


async def take_over(ctx: Context, command: TakeOver) -> Settlement:
    """Deal with the settlement at this place alone, by the division that stands, in the time that
    is left. It comes back as it stands where the payer was faster; again changes nothing.

    Raises ``PaymentStillOpen`` (``retry_after_s``) while an order elsewhere may take money,
    ``SettlementTakenOver`` when another place was faster, ``SettlementNotPayable``, ``NotFound``.
    """
    row, standing = await tender.look(ctx, command.key)
    if row.is_held_at(command.place) or row.state not in _OPEN:
        return row
    _check(ctx, row, command)
    if standing.live is not None:
        await payment.close(ctx, row.record_id, standing.live.attempt_id)
    return await door.through(ctx, command.key, _taking(ctx, command))


def _check(ctx: Context, row: Settlement, command: TakeOver) -> None:
    if row.held_since != command.held_since:
        raise SettlementTakenOver
    if row.correcting or rules.is_past(row.deadline_at, ctx.clock.now()):
        raise SettlementNotPayable


def _taking(ctx: Context, command: TakeOver) -> door.Decide[Settlement]:
    place = command.place

    async def decide(conn: Connection, row: Settlement) -> Settlement:
        if row.is_held_at(place):
            return row
        row = await tender.sync(conn, ctx, row)
        if row.state not in _OPEN:
            return row
        _check(ctx, row, command)
        now = ctx.clock.now()
        live = (await tender.tender_of(conn, ctx, row)).live
        if live is not None:
            raise PaymentStillOpen(retry_after_s=payment_rules.ask_again_s(live, now))
        taken = replace(
            row,
            channel=place.channel,
            terminal_id=place.terminal_id,
            account_id=place.account_id,
            # Never the time that somebody else saw.
            taken_over_at=max(now, row.held_since + _NEXT),
        )
        saved = await door.keep(conn, ctx, taken, None)
        await _note(conn, ctx, row, command)
        return saved

    return decide


async def _note(conn: Connection, ctx: Context, row: Settlement, command: TakeOver) -> None:
    place = command.place
    at_phone = place.channel is Channel.PHONE
    await audit.append(
        conn,
        ctx,
        AuditEntry(
            record_id=row.record_id,
            action="settlement.taken-over",
            actor_kind="resident" if at_phone else "terminal",
            actor_id=(place.account_id if at_phone else place.terminal_id) or 0,
            institution_id=row.institution_id,
            facts={"settlement_id": row.settlement_id, "from": row.channel.value},
        ),
    )
