"""What became of the own part at the payment centre, written where payments are written."""

from service.bill.states import BillKind
from service.kernel.context import Context
from service.kernel.database import Connection
from service.kernel.problems import InvariantBroken
from service.payment import actions as payment
from service.payment.model import InsuredShare, RowKey
from service.payment.states import AttemptEvent
from service.settlement import tender
from service.settlement.insurance.verdicts import OwnPart, Verdict
from service.settlement.model import CentreOrder, Progress, Settlement

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
    if centre.mixed:
        await _collected_elsewhere(conn, ctx, row, verdict, centre)
    elif verdict.own_part is OwnPart.RETURNED:
        await _returned(conn, ctx, row, centre, verdict.own_ref or centre.order_no)
    else:
        await _happened(conn, ctx, row, centre, verdict.own_part)
    return row if verdict.own_part is OwnPart.PLACED else await tender.sync(conn, ctx, row)


async def _collected_elsewhere(
    conn: Connection, ctx: Context, row: Settlement, verdict: Verdict, centre: CentreOrder
) -> None:
    """A payment provider collects: it is handed the order once the centre has divided it, and
    closes what it has once that is over. What is paid, it says itself."""
    key = RowKey(row.record_id, centre.attempt_id)
    if verdict.own_part is OwnPart.PLACED:
        share = mixed_share(ctx, verdict.progress)
        await payment.hand_in(conn, ctx, key, share)
    elif verdict.own_part in (OwnPart.CLOSED, OwnPart.REFUSED):
        await payment.give_up(conn, ctx, key, _EVENTS[verdict.own_part])


def mixed_share(ctx: Context, progress: Progress) -> InsuredShare:
    """What the provider of a mixed order is told of the bureau's order."""
    centre, promised = progress.centre, progress.promised
    if centre is None or centre.order is None or promised is None:
        raise InvariantBroken("what is handed to a provider was ordered and divided")
    is_registration = progress.kind is BillKind.REGISTRATION
    return InsuredShare(
        order_ref=centre.order.order_ref,
        order_no=centre.order_no,
        authorisation=centre.proof.authorisation or "",
        location=centre.location,
        name=centre.order.name,
        id_no=centre.order.id_no,
        scene="registration" if is_registration else "outpatient",
        ordered_at=ctx.clock.now(),
        fund_fen=promised.fund_fen,
        account_fen=promised.account_fen,
        cash_fen=promised.cash_fen,
    )


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
