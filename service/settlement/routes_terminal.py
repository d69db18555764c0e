"""HTTP of settlements for kiosks and desks: each path hangs on a scan of that very terminal."""

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from service.healthcode.symbols import SymbolDrawer
from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.masked import Masked
from service.kernel.principals import Terminal
from service.receipt import actions as receipt
from service.receipt.schemas import ReceiptAnswer
from service.settlement import actions, paying, scans, taking_over, ways
from service.settlement.model import StartPayment, StartSettlement, TakeOver
from service.settlement.problems import ScanBoundToAnotherBill
from service.settlement.routes import OPERATION, SHOWN, STARTED
from service.settlement.schemas import (
    Nothing,
    SettlementAnswer,
    TakeOverRequest,
    TerminalPaymentRequest,
    TerminalStartRequest,
    WaysAnswer,
)

_SCAN = "/v1/terminal/scans/{scan_id:str}/settlements"
_ONE = _SCAN + "/{settlement_id:str}"


async def _answer(
    ctx: Context, terminal: Terminal, scan_id: str, settlement_id: str, drawer: SymbolDrawer
) -> SettlementAnswer:
    view = await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
    answer = SettlementAnswer.of(ctx, view, scans.place_of(terminal))
    if answer.payment is not None and answer.payment.qr_text is not None:
        svg = await drawer.draw(answer.payment.qr_text)
        answer.payment = msgspec.structs.replace(answer.payment, qr_svg=svg)
    return answer


@post(_SCAN, status_code=202, tags=["terminal"], responses=STARTED)
async def start(
    scan_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[TerminalStartRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    symbol_drawer: NamedDependency[SymbolDrawer],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Begin to settle a bill of the scanned person at this institution."""

    async def run() -> SettlementAnswer:
        scan = await scans.starting_scan(ctx, terminal, scan_id, data.bill_id)
        record_id, bill_id = ctx.public_ids.parse(data.bill_id)
        await scans.check_scanned(ctx, scan, record_id)
        place = scans.place_of(terminal)
        command = StartSettlement(
            record_id=record_id,
            bill_id=bill_id,
            institution_id=terminal.institution_id,
            channel=place.channel,
            terminal_id=place.terminal_id,
            account_id=None,
            use_account=data.use_account,
            insured=data.insured,
            approved_fen=scan.bound_amount_fen,
        )
        row = await actions.start(ctx, command)
        text = ctx.public_ids.text(row.record_id, row.settlement_id)
        return await _answer(ctx, terminal, scan_id, text, symbol_drawer)

    return await respond_once(
        ctx,
        request,
        caller=terminal.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=202,
    )


@get(_ONE, tags=["terminal"])
async def read(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
    symbol_drawer: NamedDependency[SymbolDrawer],
) -> SettlementAnswer:
    """Where the settlement stands; an order to be paid by phone comes with its QR as SVG."""
    return await _answer(ctx, terminal, scan_id, settlement_id, symbol_drawer)


@get(_ONE + "/ways", tags=["terminal"])
async def list_ways(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
) -> WaysAnswer:
    """How this settlement can be paid at a terminal."""
    row = (await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)).settlement
    return WaysAnswer.of(await ways.at_terminal(ctx, row.institution_id))


@post(_ONE + "/payment", status_code=200, tags=["terminal"], responses=SHOWN)
async def pay(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[TerminalPaymentRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    symbol_drawer: NamedDependency[SymbolDrawer],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Place an order whose QR the payer scans with his phone, or take payment by the code that his
    phone showed to the scanner. Until such a payment is definite no other one begins."""

    async def run() -> SettlementAnswer:
        view = await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
        await paying.pay(
            ctx,
            StartPayment(
                record_id=view.settlement.record_id,
                settlement_id=view.settlement.settlement_id,
                provider=data.provider,
                way=data.way,
                payer=None,
                amount_fen=data.amount_fen,
                code=Masked(data.code) if data.code is not None else None,
                place=scans.place_of(terminal),
            ),
        )
        return await _answer(ctx, terminal, scan_id, settlement_id, symbol_drawer)

    return await respond_once(
        ctx,
        request,
        caller=terminal.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


@post(_ONE + "/confirmation", status_code=200, tags=["terminal"], responses=SHOWN)
async def confirm(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[Nothing],  # noqa: ARG001 - decoded strictly before the handler
    request: AnyRequest,
    ctx: NamedDependency[Context],
    symbol_drawer: NamedDependency[SymbolDrawer],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """The payer agrees to a division that leaves him nothing to pay."""

    async def run() -> SettlementAnswer:
        row = (await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)).settlement
        await actions.confirm(ctx, row.record_id, row.settlement_id, scans.place_of(terminal))
        return await _answer(ctx, terminal, scan_id, settlement_id, symbol_drawer)

    return await respond_once(
        ctx,
        request,
        caller=terminal.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


@post(_ONE + "/abandonment", status_code=200, tags=["terminal"])
async def abandon(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[Nothing],  # noqa: ARG001 - decoded strictly before the handler
    ctx: NamedDependency[Context],
    symbol_drawer: NamedDependency[SymbolDrawer],
) -> SettlementAnswer:
    """The payer gives up."""
    row = (await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)).settlement
    await actions.abandon(ctx, row.record_id, row.settlement_id, scans.place_of(terminal))
    return await _answer(ctx, terminal, scan_id, settlement_id, symbol_drawer)


@post(_ONE + "/takeover", status_code=200, tags=["terminal"])
async def take_over(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[TakeOverRequest],
    ctx: NamedDependency[Context],
    symbol_drawer: NamedDependency[SymbolDrawer],
) -> SettlementAnswer:
    """Go on here with what was begun elsewhere, with a scan that may start a settlement.

    An order that stands elsewhere is closed at its provider first: ``payment-still-open`` while
    that is not confirmed, with ``retry_after_s``. A payment that was faster stands.
    """
    view = await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
    row = view.settlement
    bill_id = ctx.public_ids.text(row.record_id, row.bill_id)
    scan = await scans.starting_scan(ctx, terminal, scan_id, bill_id)
    if scan.bound_amount_fen not in (None, row.total_fen):
        raise ScanBoundToAnotherBill
    command = TakeOver(
        key=(row.record_id, row.settlement_id),
        place=scans.place_of(terminal),
        held_since=data.held_since,
    )
    await taking_over.take_over(ctx, command)
    return await _answer(ctx, terminal, scan_id, settlement_id, symbol_drawer)


@get(_ONE + "/receipt", tags=["terminal"])
async def read_receipt(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
) -> ReceiptAnswer:
    """The receipt, once the hospital has posted."""
    row = (await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)).settlement
    return ReceiptAnswer.of(await receipt.get(ctx, row.record_id, row.settlement_id))


router = Router(
    path="/",
    route_handlers=[start, read, list_ways, pay, confirm, abandon, take_over, read_receipt],
)
