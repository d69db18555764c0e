"""HTTP of cashiers and shifts, at counters' terminals.

A PIN stands in bodies that are not kept: sign-in and hand-over take no idempotency key. Whoever
missed the answer to a hand-over signs in again; the shift is open then.
"""

from typing import Annotated

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, QueryParameter

from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Terminal
from service.shift import actions
from service.shift.schemas import (
    ClosingRequest,
    HandoverAnswer,
    HandoverRequest,
    OpeningRequest,
    ReportAnswer,
    ShiftAnswer,
    SignInAnswer,
    SignInRequest,
)

OPERATION = "shift"
StaffToken = Annotated[str | None, HeaderParameter(name="Yimatong-Staff", max_length=200)]
"""The cashier's session."""


@post("/v1/terminal/staff/sign-in", status_code=200, tags=["counter"])
async def sign_in(
    terminal: NamedDependency[Terminal],
    data: JSONBody[SignInRequest],
    ctx: NamedDependency[Context],
) -> SignInAnswer:
    """Prove a cashier by number and PIN; an earlier sign-in of his ends.

    After five wrong PINs in a row nobody can sign in under the number for 15 minutes.
    """
    signed = await actions.sign_in(ctx, terminal, data.staff_no, data.pin)
    tenders = await actions.list_tenders(ctx, terminal.institution_id)
    return SignInAnswer.of(ctx, signed, tenders, terminal.terminal_id)


@post("/v1/terminal/staff/sign-out", status_code=204, tags=["counter"])
async def sign_out(
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
) -> None:
    """End the session. An open shift stays open."""
    await actions.sign_out(ctx, terminal, staff_token)


@post(
    "/v1/terminal/shift",
    status_code=201,
    tags=["counter"],
    responses={
        201: ResponseSpec(
            data_container=ShiftAnswer, generate_examples=False, description="Open from now."
        )
    },
)
async def open_shift(
    terminal: NamedDependency[Terminal],
    data: JSONBody[OpeningRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Begin to work at this drawer. A drawer and a cashier have one open shift each."""

    async def run() -> ShiftAnswer:
        opened = await actions.open_shift(ctx, terminal, staff_token, data.float_fen)
        return ShiftAnswer.of(ctx, opened, terminal.terminal_id)

    return await respond_once(
        ctx,
        request,
        caller=terminal.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=201,
    )


@get("/v1/terminal/shift", tags=["counter"])
async def read_report(
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    shift_id: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> ReportAnswer:
    """The books of the cashier's open shift, or of an earlier one of his."""
    report = await actions.report(ctx, terminal, staff_token, shift_id)
    return ReportAnswer.of(ctx, report, terminal.terminal_id)


@post(
    "/v1/terminal/shift/closing",
    status_code=200,
    tags=["counter"],
    responses={
        200: ResponseSpec(
            data_container=ReportAnswer, generate_examples=False, description="Closed for good."
        )
    },
)
async def close(
    terminal: NamedDependency[Terminal],
    data: JSONBody[ClosingRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Close the shift over a count. A difference from the books needs words."""

    async def run() -> ReportAnswer:
        report = await actions.close(ctx, terminal, staff_token, data.counted())
        return ReportAnswer.of(ctx, report, terminal.terminal_id)

    return await respond_once(
        ctx,
        request,
        caller=terminal.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


@post("/v1/terminal/shift/handover", status_code=200, tags=["counter"])
async def hand_over(
    terminal: NamedDependency[Terminal],
    data: JSONBody[HandoverRequest],
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
) -> HandoverAnswer:
    """Close the shift and open the next cashier's at the same drawer, both or neither."""
    report, following = await actions.hand_over(
        ctx,
        terminal,
        staff_token,
        data.counted(),
        (data.next_staff_no, data.next_pin),
        data.float_fen,
    )
    tenders = await actions.list_tenders(ctx, terminal.institution_id)
    return HandoverAnswer(
        report=ReportAnswer.of(ctx, report, terminal.terminal_id),
        next=SignInAnswer.of(ctx, following, tenders, terminal.terminal_id),
    )


router = Router(
    path="/", route_handlers=[sign_in, sign_out, open_shift, read_report, close, hand_over]
)
