"""HTTP of money at a counter: each path hangs on a scan of that very terminal and on its cashier.

Orders to be paid by phone, starting and giving up are as at every terminal (``routes_terminal``).
"""

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from service.kernel.context import Context
from service.kernel.idempotency import checked_key
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Terminal
from service.settlement import scans
from service.settlement.corrections import correcting
from service.settlement.corrections.schemas import AwaitingAnswer, AwaitingList
from service.settlement.counter import taking
from service.settlement.counter.schemas import (
    CounterPaymentRequest,
    GivenAnswer,
    GivingRequest,
    TakenAnswer,
    WaitingRefund,
    WaitingRefunds,
)
from service.settlement.model import TakePayment
from service.settlement.schemas import SettlementAnswer
from service.shift import actions as shift
from service.shift.model import Slip
from service.shift.problems import SlipMissing
from service.shift.routes import StaffToken

OPERATION = "counter"
_SCAN = "/v1/terminal/scans/{scan_id:str}"


@post(
    _SCAN + "/settlements/{settlement_id:str}/counter-payment",
    status_code=200,
    tags=["counter"],
    responses={
        200: ResponseSpec(
            data_container=TakenAnswer,
            generate_examples=False,
            description="The money is recorded, in the cashier's shift and for the settlement.",
        )
    },
)
async def take(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[CounterPaymentRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Take cash or a card payment for all or a part of what is owed.

    On any problem nothing is recorded: the money goes back to the payer. A request without an
    answer is sent again under its key.
    """

    async def run() -> TakenAnswer:
        view = await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
        taken = await taking.take(
            ctx,
            terminal,
            staff_token,
            TakePayment(
                record_id=view.settlement.record_id,
                settlement_id=view.settlement.settlement_id,
                tender=data.tender,
                amount_fen=data.amount_fen,
                tendered_fen=data.tendered_fen,
                slip=_slip(data.slip_no, data.slip_ref),
                request_key=checked_key(idempotency_key),
            ),
        )
        after = await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
        return TakenAnswer(
            entry_id=ctx.public_ids.text(taken.entry.institution_id, taken.entry.entry_id),
            tender=taken.entry.tender.value,
            amount_fen=taken.entry.amount_fen,
            change_fen=taken.change_fen,
            settlement=SettlementAnswer.of(ctx, after, scans.place_of(terminal)),
        )

    return await respond_once(
        ctx,
        request,
        caller=terminal.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


def _slip(slip_no: str | None, slip_ref: str | None) -> Slip | None:
    if slip_no is None and slip_ref is None:
        return None
    if slip_no is None or slip_ref is None:
        raise SlipMissing
    return Slip(slip_no=slip_no, slip_ref=slip_ref)


@get("/v1/terminal/shift/refunds", tags=["counter"])
async def list_waiting(
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
) -> WaitingRefunds:
    """All that waits at the institution's counters, to be given once its payer is scanned."""
    await shift.signed_in(ctx, terminal, staff_token)
    found = await taking.list_waiting(ctx, terminal.institution_id, None)
    return WaitingRefunds(refunds=[_waiting(ctx, one) for one in found])


@get(_SCAN + "/refunds", tags=["counter"])
async def list_waiting_for(
    scan_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
) -> WaitingRefunds:
    """What waits here for the person scanned."""
    await shift.signed_in(ctx, terminal, staff_token)
    scan = await scans.paying_scan(ctx, terminal, scan_id)
    found = await taking.list_waiting_for(ctx, terminal.institution_id, scan.record_id)
    return WaitingRefunds(refunds=[_waiting(ctx, one) for one in found])


def _waiting(ctx: Context, one: taking.Waiting) -> WaitingRefund:
    row = one.refund
    return WaitingRefund(
        refund_id=ctx.public_ids.text(row.record_id, row.refund_id),
        settlement_id=ctx.public_ids.text(row.record_id, row.settlement_id),
        bill_no=one.bill_no,
        tender=row.tender.value,
        amount_fen=row.amount_fen,
        asked_at=row.asked_at,
        overdue=row.overdue_at is not None,
    )


@get("/v1/terminal/shift/corrections", tags=["counter"])
async def list_awaiting(
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
) -> AwaitingList:
    """What waits at this institution for a second person; it may be decided at any counter."""
    await shift.signed_in(ctx, terminal, staff_token)
    found = await correcting.list_awaiting(ctx, terminal.institution_id)
    return AwaitingList(corrections=[AwaitingAnswer.of(ctx, one) for one in found])


@post(
    _SCAN + "/refunds/{refund_id:str}/giving",
    status_code=200,
    tags=["counter"],
    responses={
        200: ResponseSpec(
            data_container=GivenAnswer,
            generate_examples=False,
            description="It is recorded; now the money is handed out.",
        )
    },
)
async def give(
    scan_id: FromPath[str],
    refund_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[GivingRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Give a waiting refund back to the person scanned, the way it was paid."""

    async def run() -> GivenAnswer:
        scan = await scans.paying_scan(ctx, terminal, scan_id)
        key = ctx.public_ids.parse(refund_id)
        await scans.check_scanned(ctx, scan, key[0])
        slip = _slip(data.slip_no, data.slip_ref)
        entry = await taking.give(
            ctx, terminal, staff_token, key, slip, checked_key(idempotency_key)
        )
        return GivenAnswer(
            entry_id=ctx.public_ids.text(entry.institution_id, entry.entry_id),
            tender=entry.tender.value,
            amount_fen=entry.amount_fen,
        )

    return await respond_once(
        ctx,
        request,
        caller=terminal.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


router = Router(
    path="/", route_handlers=[take, list_waiting, list_waiting_for, list_awaiting, give]
)
