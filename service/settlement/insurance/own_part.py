"""What became of the own part at the payment centre, written where payments are written."""

from msgspec.structs import replace

from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken
from service.payment import actions as payment
from service.payment.model import RowKey
from service.payment.states import AttemptEvent
from service.settlement import door, tender
from service.settlement.insurance.verdicts import OwnPart, Verdict
from service.settlement.model import CentreOrder, Settlement
from service.settlement.states import SettlementEvent, SettlementState

_EVENTS = {
    OwnPart.PLACED: AttemptEvent.PLACED,
    OwnPart.PAID: AttemptEvent.PAY,
    OwnPart.CLOSED: AttemptEvent.CLOSE,
    OwnPart.REFUSED: AttemptEvent.REFUSE,
}


async def follow(conn: Connection, ctx: Context, row: Settlement, verdict: Verdict) -> Settlement:
    """Bring the attempt, and by it the settlement, up to what the centre said. The row is held.

    An order that ended unpaid ends the settlement: its charges have left the visit already.
    """
    if verdict.own_part is None:
        return row
    centre = verdict.progress.centre
    if centre is None:
        raise InvariantBroken("an own part at the centre has an order")
    if verdict.own_part is OwnPart.RETURNED:
        await _returned(conn, ctx, row, centre, verdict.own_ref or centre.order_no)
    else:
        await _happened(conn, ctx, row, centre, verdict.own_part)
    if verdict.own_part is OwnPart.PLACED:
        return row
    saved = await tender.sync(conn, ctx, row)
    if saved.state is not SettlementState.PRESETTLED:
        return saved
    why = saved.reason or centre.unwanted or "deadline-passed"
    over = replace(saved, reason=why)
    return await door.advance(conn, ctx, over, SettlementEvent.ABANDONED, None)


async def _happened(
    conn: Connection, ctx: Context, row: Settlement, centre: CentreOrder, what: OwnPart
) -> None:
    paid = what is OwnPart.PAID
    await payment.record_at_centre(
        conn,
        ctx,
        RowKey(row.record_id, centre.attempt_id),
        _EVENTS[what],
        provider_ref=centre.order.order_ref if paid and centre.order is not None else None,
        paid_at=ctx.clock.now() if paid else None,
    )


async def _returned(
    conn: Connection, ctx: Context, row: Settlement, centre: CentreOrder, ref: str
) -> None:
    found = await payment.list_refunds(conn, ctx, row.record_id, row.settlement_id)
    for one in found:
        if one.attempt_id == centre.attempt_id:
            await payment.record_returned(conn, ctx, RowKey(row.record_id, one.refund_id), ref)
