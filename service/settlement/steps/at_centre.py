"""AWAITING_PAYER at the payment centre, and giving back what was paid there."""

from typing import Any

from msgspec.structs import replace

from integrations.ports.insurance import CallId, InsuranceLine
from integrations.ports.insurance_mobile import MobileInsurance
from integrations.ports.outcomes import Outcome
from integrations.ports.partners import PartnerUnknown
from service.bill import actions as bill
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import InvariantBroken
from service.payment import actions as payment
from service.payment.model import Refund, RowKey
from service.payment.states import AttemptState
from service.person import actions as person
from service.settlement import door, rules
from service.settlement.insurance import calls, centre, own_part
from service.settlement.insurance.verdicts import OwnPart, Verdict
from service.settlement.model import CallKind, Progress, Settlement
from service.settlement.states import SettlementState
from service.settlement.steps.undoing import sender

_OPEN = (SettlementState.AWAITING_PAYER, SettlementState.REVERSING)


async def find_order(ctx: Context, row: Settlement) -> Progress | None:
    """The progress of a settlement whose payer pays, or may yet pay, at the centre; else None."""
    async with connection(ctx.pool) as conn:
        progress = await door.progress_of(conn, ctx, row)
    order = progress.centre
    return progress if order is not None and not (order.paid or order.ended) else None


async def step(
    ctx: Context, row: Settlement, progress: Progress, *, ending: bool
) -> Settlement | None:
    """The next call for an order that is not paid; without one nothing was ever sent."""
    kind = rules.next_centre_call(progress, ending=ending)
    if kind is None:
        return await _end_unsent(ctx, row)
    if kind is CallKind.WITHDRAW:
        if progress.insured is None:
            raise InvariantBroken("charges are an insured person's")
        send = sender(kind, progress, progress.insured)
    else:
        charged = await bill.read(ctx, row.record_id, row.bill_id)
        patient = await person.read(ctx, row.record_id)
        mobile = await _line(ctx, row)
        send = centre.sender(mobile, kind, row, progress, charged, patient)
    return await calls.call(ctx, row, progress, kind, send)


async def give_back(
    ctx: Context, row: Settlement, progress: Progress, kind: CallKind
) -> Settlement | None:
    """One part of what was paid there goes back, under numbers that never change."""
    if progress.centre is not None and progress.centre.mixed:
        return await _give_back_insurance(ctx, row, progress, kind)
    own = await _promised_back(ctx, row, progress)
    send = centre.returning(await _line(ctx, row), kind, progress, own)
    return await calls.call(ctx, row, progress, kind, send)


async def look(ctx: Context, row: Settlement, progress: Progress) -> Settlement | None:
    """SETTLING: the provider of a mixed order says that both legs are paid; does the centre?"""
    charged = await bill.read(ctx, row.record_id, row.bill_id)
    patient = await person.read(ctx, row.record_id)
    kind = CallKind.LOOK
    send = centre.sender(await _line(ctx, row), kind, row, progress, charged, patient)
    return await calls.call(ctx, row, progress, kind, send)


async def _give_back_insurance(
    ctx: Context, row: Settlement, progress: Progress, kind: CallKind
) -> Settlement | None:
    """The time that the centre is told is kept before the first call, as its number is."""
    order = progress.centre
    if order is not None and order.back_at is None:

        async def decide(conn: Connection, fresh: Settlement) -> Settlement:
            known = await door.progress_of(conn, ctx, fresh)
            if known.centre is None or known.centre.back_at is not None:
                return fresh
            dated = replace(known.centre, back_at=ctx.clock.now())
            return await door.keep(conn, ctx, fresh, replace(known, centre=dated))

        return await door.through(ctx, (row.record_id, row.settlement_id), decide)
    send = centre.returning(await _line(ctx, row), kind, progress, None)
    return await calls.call(ctx, row, progress, kind, send)


async def tell(ctx: Context, row: Settlement, progress: Progress) -> None:
    """The provider of a mixed order is told what went back; where it took no money, nothing."""
    order = progress.centre
    if order is None:
        raise InvariantBroken("there is an order to tell of")
    key = RowKey(row.record_id, order.attempt_id)
    if (await payment.read(ctx, key.record_id, key.row_id)).state is AttemptState.PAID:

        async def send(_line: InsuranceLine, _call: CallId) -> Outcome[Any]:
            return await payment.tell_insured_refund(ctx, key)

        await calls.call(ctx, row, progress, CallKind.TELL, send)
        return

    async def decide(conn: Connection, fresh: Settlement) -> None:
        known = await door.progress_of(conn, ctx, fresh)
        if fresh.version == row.version and known.centre is not None:
            over = replace(known, centre=replace(known.centre, told=True))
            await door.keep(conn, ctx, fresh, over)

    await door.through(ctx, (row.record_id, row.settlement_id), decide)


async def _line(ctx: Context, row: Settlement) -> MobileInsurance:
    place = await institution.get_institution(ctx, row.institution_id)
    found = centre.line(ctx, place.code)
    if found is None:
        raise PartnerUnknown(place.code)
    return found


async def _promised_back(ctx: Context, row: Settlement, progress: Progress) -> Refund:
    async with connection(ctx.pool) as conn:
        found = await payment.list_refunds(conn, ctx, row.record_id, row.settlement_id)
    for one in found:
        if progress.centre is not None and one.attempt_id == progress.centre.attempt_id:
            return one
    raise InvariantBroken("own money is promised back before anything goes back")


async def _end_unsent(ctx: Context, row: Settlement) -> Settlement:
    async def decide(conn: Connection, fresh: Settlement) -> Settlement:
        progress = await door.progress_of(conn, ctx, fresh)
        unsent = rules.next_centre_call(progress, ending=True) is None
        if fresh.state not in _OPEN or not unsent:
            return fresh
        closed = Verdict(progress=centre.ended(progress), own_part=OwnPart.CLOSED)
        held = await door.keep(conn, ctx, fresh, closed.progress)
        return await own_part.follow(conn, ctx, held, closed)

    return await door.through(ctx, (row.record_id, row.settlement_id), decide)
