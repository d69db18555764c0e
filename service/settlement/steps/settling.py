"""PAID and SETTLING: settle as promised; a lost answer is cleared up, never repeated."""

from typing import Any

from msgspec.structs import replace

from integrations.ports.insurance import (
    CallId,
    InsuranceLine,
    Insured,
    SettleRequest,
    Split,
)
from integrations.ports.outcomes import Outcome
from service.bill import actions as bill
from service.bill.model import Bill
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import InvariantBroken
from service.settlement import door, rules, tender
from service.settlement.cover import claiming
from service.settlement.giving_back import give_back
from service.settlement.insurance import calls
from service.settlement.insurance.chains import Send
from service.settlement.model import CallKind, Progress, Settlement
from service.settlement.states import SettlementEvent, SettlementState
from service.settlement.steps import at_centre
from service.settlement.steps.presettling import split_request
from service.settlement.steps.undoing import clear_up


async def begin(ctx: Context, row: Settlement) -> Settlement:
    """PAID: from here on the payer cannot go back by himself."""

    async def decide(conn: Connection, fresh: Settlement) -> Settlement:
        if fresh.state is not SettlementState.PAID:
            return fresh
        return await door.advance(conn, ctx, fresh, SettlementEvent.SETTLE_BEGUN, None)

    return await door.through(ctx, (row.record_id, row.settlement_id), decide, row)


async def step(ctx: Context, row: Settlement) -> Settlement | None:
    """SETTLING: one call; without insurance there is nobody to tell."""
    async with connection(ctx.pool) as conn:
        progress = await door.progress_of(conn, ctx, row)
    if not row.insured:
        return await _settle_own(ctx, row)
    if progress.insured is None or progress.promised is None:
        raise InvariantBroken("a paid insured settlement has a person and a promise")
    kind = rules.next_settle_call(progress)
    if kind is CallKind.LOOK:
        return await at_centre.look(ctx, row, progress)
    charged = await bill.read(ctx, row.record_id, row.bill_id)
    if kind in claiming.KINDS:
        place = await institution.get_institution(ctx, row.institution_id)
        claim = claiming.sender(ctx, place.code, kind, progress, charged)
        return await calls.call(ctx, row, progress, kind, claim)
    send = _sender(kind, row, progress, (progress.insured, progress.promised), charged)
    return await calls.call(ctx, row, progress, kind, send)


async def _settle_own(ctx: Context, row: Settlement) -> Settlement:
    async def decide(conn: Connection, fresh: Settlement) -> Settlement:
        if fresh.state is not SettlementState.SETTLING:
            return fresh
        kept_fen = (await tender.tender_of(conn, ctx, fresh)).kept_fen
        done = replace(fresh, settled_at=ctx.clock.now(), reason=None)
        saved = await door.advance(conn, ctx, done, SettlementEvent.SETTLED, None)
        if kept_fen > (fresh.cash_fen or 0):
            await give_back(conn, ctx, saved, kept_fen - (fresh.cash_fen or 0))
        return saved

    return await door.through(ctx, (row.record_id, row.settlement_id), decide, row)


def _sender(
    kind: CallKind,
    row: Settlement,
    progress: Progress,
    agreed: tuple[Insured, Split],
    charged: Bill,
) -> Send:
    insured, promised = agreed

    async def send(line: InsuranceLine, call: CallId) -> Outcome[Any]:
        if kind is not CallKind.SETTLE:
            return await clear_up(line, call, kind, progress, insured)
        request = SettleRequest(
            split=split_request(row, progress, insured, charged.visit),
            promised=promised,
            invoice_no="",
        )
        return await line.settle(request, call)

    return send
