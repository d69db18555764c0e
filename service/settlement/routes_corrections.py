"""HTTP of corrections, for hospitals' applications and for the terminals at their counters.

Both say who of the institution asks or agrees. A terminal asks for a person that it scanned; what
waits for a second person may be decided at any counter of the institution.
"""

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Application, Terminal
from service.kernel.problems import NotAllowed
from service.settlement import correcting, scans
from service.settlement.model_corrections import (
    AskCorrection,
    BillAfter,
    Correction,
    Person,
)
from service.settlement.routes import OPERATION, SCOPE
from service.settlement.schemas_corrections import (
    CorrectionAnswer,
    CorrectionList,
    CorrectionRequest,
    DecisionRequest,
    ReturnRequest,
)

Caller = Application | Terminal

_SETTLEMENT = "/v1/institution/settlements/{settlement_id:str}"
_OURS = "/v1/institution/corrections/{correction_id:str}"
_SCANNED = "/v1/terminal/scans/{scan_id:str}/settlements/{settlement_id:str}"
_AT_COUNTER = "/v1/terminal/corrections/{correction_id:str}"
ASKED = {
    202: ResponseSpec(
        data_container=CorrectionAnswer, generate_examples=False, description="Begun, or waiting."
    )
}
DECIDED = {
    200: ResponseSpec(
        data_container=CorrectionAnswer, generate_examples=False, description="As it stands."
    )
}


def _check(caller: Caller) -> None:
    """A kiosk gives nothing back, and an application needs its scope. Raises ``NotAllowed``."""
    barred = caller.public_place if isinstance(caller, Terminal) else SCOPE not in caller.scopes
    if barred:
        raise NotAllowed


def _person(caller: Caller, staff_no: str) -> Person:
    is_terminal = isinstance(caller, Terminal)
    return Person(
        institution_id=caller.institution_id,
        staff_no=staff_no,
        caller_kind="terminal" if is_terminal else "application",
        caller_id=caller.terminal_id if isinstance(caller, Terminal) else caller.application_id,
    )


async def _answer(ctx: Context, row: Correction) -> CorrectionAnswer:
    view = await correcting.get(ctx, row.institution_id, row.record_id, row.correction_id)
    return CorrectionAnswer.of(ctx, view)


def _lines(
    ctx: Context, caller: Caller, settlement_id: str, data: CorrectionRequest
) -> AskCorrection:
    record_id, local_id = ctx.public_ids.parse(settlement_id)
    return AskCorrection(
        record_id=record_id,
        settlement_id=local_id,
        bill_version=data.bill_version,
        lines=data.given(),
        bill_after=BillAfter.WITHDRAWN,
        reason=data.reason,
        person=_person(caller, data.asked_by),
    )


def _all(ctx: Context, caller: Caller, settlement_id: str, data: ReturnRequest) -> AskCorrection:
    record_id, local_id = ctx.public_ids.parse(settlement_id)
    return AskCorrection(
        record_id=record_id,
        settlement_id=local_id,
        bill_version=data.bill_version,
        lines=[],
        bill_after=data.bill_after,
        reason=data.reason,
        person=_person(caller, data.asked_by),
    )


async def _ask(
    ctx: Context,
    request: AnyRequest,
    caller: Caller,
    key: str | None,
    command: AskCorrection,
) -> Response[bytes]:
    async def run() -> CorrectionAnswer:
        return await _answer(ctx, await correcting.ask(ctx, command))

    return await respond_once(
        ctx, request, caller=caller.caller, operation=OPERATION, key=key, run=run, status=202
    )


async def _decide(
    ctx: Context,
    request: AnyRequest,
    caller: Caller,
    key: str | None,
    decision: tuple[str, str, bool],
) -> Response[bytes]:
    """``decision``: which correction, by whom, and whether he agrees."""
    correction_id, staff_no, agrees = decision

    async def run() -> CorrectionAnswer:
        where = ctx.public_ids.parse(correction_id)
        act = correcting.approve if agrees else correcting.refuse
        return await _answer(ctx, await act(ctx, _person(caller, staff_no), *where))

    return await respond_once(
        ctx, request, caller=caller.caller, operation=OPERATION, key=key, run=run, status=200
    )


async def _list(ctx: Context, caller: Caller, settlement_id: str) -> CorrectionList:
    where = ctx.public_ids.parse(settlement_id)
    found = await correcting.list_of(ctx, caller.institution_id, *where)
    return CorrectionList(corrections=[CorrectionAnswer.of(ctx, one) for one in found])


@post(_SETTLEMENT + "/corrections", status_code=202, tags=["institution"], responses=ASKED)
async def correct(
    settlement_id: FromPath[str],
    application: NamedDependency[Application],
    data: JSONBody[CorrectionRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Give lines of a posted settlement back; what remains is settled and has to be posted anew."""
    _check(application)
    command = _lines(ctx, application, settlement_id, data)
    return await _ask(ctx, request, application, idempotency_key, command)


@post(_SETTLEMENT + "/return", status_code=202, tags=["institution"], responses=ASKED)
async def give_all_back(
    settlement_id: FromPath[str],
    application: NamedDependency[Application],
    data: JSONBody[ReturnRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Give all of a posted settlement back: the payer's money first, then the insurance."""
    _check(application)
    command = _all(ctx, application, settlement_id, data)
    return await _ask(ctx, request, application, idempotency_key, command)


@get(_SETTLEMENT + "/corrections", tags=["institution"])
async def list_corrections(
    settlement_id: FromPath[str],
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
) -> CorrectionList:
    """What was given back of a settlement of this hospital, and what waits."""
    _check(application)
    return await _list(ctx, application, settlement_id)


@get(_OURS, tags=["institution"])
async def read_correction(
    correction_id: FromPath[str],
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
) -> CorrectionAnswer:
    """How far a correction is, and the money that goes back for it."""
    _check(application)
    where = ctx.public_ids.parse(correction_id)
    return CorrectionAnswer.of(ctx, await correcting.get(ctx, application.institution_id, *where))


@post(_OURS + "/approval", status_code=200, tags=["institution"], responses=DECIDED)
async def approve(
    correction_id: FromPath[str],
    application: NamedDependency[Application],
    data: JSONBody[DecisionRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Another person than the asker agrees: the correction begins."""
    _check(application)
    decision = (correction_id, data.decided_by, True)
    return await _decide(ctx, request, application, idempotency_key, decision)


@post(_OURS + "/refusal", status_code=200, tags=["institution"], responses=DECIDED)
async def refuse(
    correction_id: FromPath[str],
    application: NamedDependency[Application],
    data: JSONBody[DecisionRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Somebody says no: the settlement stays as it is."""
    _check(application)
    decision = (correction_id, data.decided_by, False)
    return await _decide(ctx, request, application, idempotency_key, decision)


@post(_SCANNED + "/corrections", status_code=202, tags=["terminal"], responses=ASKED)
async def correct_at_counter(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[CorrectionRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Give lines back to the person that this counter scanned."""
    _check(terminal)
    await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
    command = _lines(ctx, terminal, settlement_id, data)
    return await _ask(ctx, request, terminal, idempotency_key, command)


@post(_SCANNED + "/return", status_code=202, tags=["terminal"], responses=ASKED)
async def give_all_back_at_counter(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[ReturnRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Give all of it back to the person that this counter scanned."""
    _check(terminal)
    await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
    command = _all(ctx, terminal, settlement_id, data)
    return await _ask(ctx, request, terminal, idempotency_key, command)


@get(_SCANNED + "/corrections", tags=["terminal"])
async def list_at_counter(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
) -> CorrectionList:
    """What was given back of a settlement of the scanned person, and what waits."""
    _check(terminal)
    await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
    return await _list(ctx, terminal, settlement_id)


@get(_AT_COUNTER, tags=["terminal"])
async def read_at_counter(
    correction_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
) -> CorrectionAnswer:
    """How far a correction of this institution is."""
    _check(terminal)
    where = ctx.public_ids.parse(correction_id)
    return CorrectionAnswer.of(ctx, await correcting.get(ctx, terminal.institution_id, *where))


@post(_AT_COUNTER + "/approval", status_code=200, tags=["terminal"], responses=DECIDED)
async def approve_at_counter(
    correction_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[DecisionRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Another person than the asker agrees: the correction begins."""
    _check(terminal)
    decision = (correction_id, data.decided_by, True)
    return await _decide(ctx, request, terminal, idempotency_key, decision)


@post(_AT_COUNTER + "/refusal", status_code=200, tags=["terminal"], responses=DECIDED)
async def refuse_at_counter(
    correction_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[DecisionRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Somebody says no: the settlement stays as it is."""
    _check(terminal)
    decision = (correction_id, data.decided_by, False)
    return await _decide(ctx, request, terminal, idempotency_key, decision)


router = Router(
    path="/",
    route_handlers=[
        correct,
        give_all_back,
        list_corrections,
        read_correction,
        approve,
        refuse,
        correct_at_counter,
        give_all_back_at_counter,
        list_at_counter,
        read_at_counter,
        approve_at_counter,
        refuse_at_counter,
    ],
)
