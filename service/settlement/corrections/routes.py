"""HTTP of corrections, for hospitals' applications and for the terminals at their counters.

A hospital's system says who of its people asks or agrees; at a counter it is whoever is signed in.
A counter gives back to a person that it scanned; what waits for a second person may be decided at
any counter of the institution.
"""

from collections.abc import Awaitable, Callable

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Application, Terminal
from service.kernel.problems import NotAllowed
from service.settlement import scans
from service.settlement.corrections import correcting
from service.settlement.corrections.model import (
    AskCorrection,
    BillAfter,
    Correction,
    Person,
)
from service.settlement.corrections.schemas import (
    CorrectionAnswer,
    CorrectionList,
    CorrectionRequest,
    CounterCorrectionRequest,
    CounterReturnRequest,
    DecisionRequest,
    PostedAnswer,
    PostedList,
    ReturnRequest,
)
from service.settlement.routes import OPERATION, SCOPE
from service.settlement.schemas import Nothing
from service.shift import actions as shift
from service.shift.routes import StaffToken

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


def _check_scope(application: Application) -> None:
    if SCOPE not in application.scopes:
        raise NotAllowed


def _check_counter(terminal: Terminal) -> None:
    """A kiosk gives nothing back. Raises ``NotAllowed``."""
    if terminal.public_place:
        raise NotAllowed


def _named(application: Application, staff_no: str) -> Person:
    """Whom the hospital's system speaks for: it proves its people itself."""
    _check_scope(application)
    return Person(
        institution_id=application.institution_id,
        staff_no=staff_no,
        caller_kind="application",
        caller_id=application.application_id,
    )


async def _signed_in(ctx: Context, terminal: Terminal, staff_token: str | None) -> Person:
    """Who is signed in at the counter. Raises ``NotAllowed``, ``StaffNotSignedIn``."""
    _check_counter(terminal)
    staff = await shift.signed_in(ctx, terminal, staff_token)
    return Person(
        institution_id=terminal.institution_id,
        staff_no=staff.staff_no,
        caller_kind="terminal",
        caller_id=terminal.terminal_id,
    )


async def _answer(ctx: Context, row: Correction) -> CorrectionAnswer:
    view = await correcting.get(ctx, row.institution_id, row.record_id, row.correction_id)
    return CorrectionAnswer.of(ctx, view)


def _lines(
    ctx: Context, person: Person, settlement_id: str, data: CounterCorrectionRequest
) -> AskCorrection:
    record_id, local_id = ctx.public_ids.parse(settlement_id)
    return AskCorrection(
        record_id=record_id,
        settlement_id=local_id,
        bill_version=data.bill_version,
        lines=data.given(),
        bill_after=BillAfter.WITHDRAWN,
        reason=data.reason,
        person=person,
    )


def _all(
    ctx: Context, person: Person, settlement_id: str, data: CounterReturnRequest
) -> AskCorrection:
    record_id, local_id = ctx.public_ids.parse(settlement_id)
    return AskCorrection(
        record_id=record_id,
        settlement_id=local_id,
        bill_version=data.bill_version,
        lines=[],
        bill_after=data.bill_after,
        reason=data.reason,
        person=person,
    )


async def _ask(
    ctx: Context,
    request: AnyRequest,
    caller: Caller,
    key: str | None,
    wanted: Callable[[], Awaitable[AskCorrection]],
) -> Response[bytes]:
    async def run() -> CorrectionAnswer:
        return await _answer(ctx, await correcting.ask(ctx, await wanted()))

    return await respond_once(
        ctx, request, caller=caller.caller, operation=OPERATION, key=key, run=run, status=202
    )


async def _decide(
    ctx: Context,
    request: AnyRequest,
    caller: Caller,
    key: str | None,
    decision: tuple[str, Callable[[], Awaitable[Person]], bool],
) -> Response[bytes]:
    """``decision``: which correction, by whom, and whether he agrees."""
    correction_id, decider, agrees = decision

    async def run() -> CorrectionAnswer:
        where = ctx.public_ids.parse(correction_id)
        act = correcting.approve if agrees else correcting.refuse
        return await _answer(ctx, await act(ctx, await decider(), *where))

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

    async def wanted() -> AskCorrection:
        return _lines(ctx, _named(application, data.asked_by), settlement_id, data)

    return await _ask(ctx, request, application, idempotency_key, wanted)


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

    async def wanted() -> AskCorrection:
        return _all(ctx, _named(application, data.asked_by), settlement_id, data)

    return await _ask(ctx, request, application, idempotency_key, wanted)


@get(_SETTLEMENT + "/corrections", tags=["institution"])
async def list_corrections(
    settlement_id: FromPath[str],
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
) -> CorrectionList:
    """What was given back of a settlement of this hospital, and what waits."""
    _check_scope(application)
    return await _list(ctx, application, settlement_id)


@get(_OURS, tags=["institution"])
async def read_correction(
    correction_id: FromPath[str],
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
) -> CorrectionAnswer:
    """How far a correction is, and the money that goes back for it."""
    _check_scope(application)
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

    async def decider() -> Person:
        return _named(application, data.decided_by)

    decision = (correction_id, decider, True)
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

    async def decider() -> Person:
        return _named(application, data.decided_by)

    decision = (correction_id, decider, False)
    return await _decide(ctx, request, application, idempotency_key, decision)


@post(_SCANNED + "/corrections", status_code=202, tags=["counter"], responses=ASKED)
async def correct_at_counter(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[CounterCorrectionRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Give lines back to the person that this counter scanned."""

    async def wanted() -> AskCorrection:
        person = await _signed_in(ctx, terminal, staff_token)
        await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
        return _lines(ctx, person, settlement_id, data)

    return await _ask(ctx, request, terminal, idempotency_key, wanted)


@post(_SCANNED + "/return", status_code=202, tags=["counter"], responses=ASKED)
async def give_all_back_at_counter(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[CounterReturnRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Give all of it back to the person that this counter scanned."""

    async def wanted() -> AskCorrection:
        person = await _signed_in(ctx, terminal, staff_token)
        await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
        return _all(ctx, person, settlement_id, data)

    return await _ask(ctx, request, terminal, idempotency_key, wanted)


@get("/v1/terminal/scans/{scan_id:str}/posted", tags=["counter"])
async def list_posted(
    scan_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
) -> PostedList:
    """What this institution may give back to the person that this counter scanned."""
    _check_counter(terminal)
    scan = await scans.paying_scan(ctx, terminal, scan_id)
    found = await correcting.list_posted(ctx, scan.record_id, terminal.institution_id)
    return PostedList(settlements=[PostedAnswer.of(ctx, one) for one in found])


@get(_SCANNED + "/corrections", tags=["counter"])
async def list_at_counter(
    scan_id: FromPath[str],
    settlement_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
) -> CorrectionList:
    """What was given back of a settlement of the scanned person, and what waits."""
    _check_counter(terminal)
    await scans.settlement_of_scan(ctx, terminal, scan_id, settlement_id)
    return await _list(ctx, terminal, settlement_id)


@get(_AT_COUNTER, tags=["counter"])
async def read_at_counter(
    correction_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    ctx: NamedDependency[Context],
) -> CorrectionAnswer:
    """How far a correction of this institution is."""
    _check_counter(terminal)
    where = ctx.public_ids.parse(correction_id)
    return CorrectionAnswer.of(ctx, await correcting.get(ctx, terminal.institution_id, *where))


@post(_AT_COUNTER + "/approval", status_code=200, tags=["counter"], responses=DECIDED)
async def approve_at_counter(
    correction_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[Nothing],  # noqa: ARG001 - decoded strictly before the handler
    request: AnyRequest,
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Another person than the asker agrees: the correction begins."""

    async def decider() -> Person:
        return await _signed_in(ctx, terminal, staff_token)

    decision = (correction_id, decider, True)
    return await _decide(ctx, request, terminal, idempotency_key, decision)


@post(_AT_COUNTER + "/refusal", status_code=200, tags=["counter"], responses=DECIDED)
async def refuse_at_counter(
    correction_id: FromPath[str],
    terminal: NamedDependency[Terminal],
    data: JSONBody[Nothing],  # noqa: ARG001 - decoded strictly before the handler
    request: AnyRequest,
    ctx: NamedDependency[Context],
    staff_token: StaffToken = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Somebody says no: the settlement stays as it is."""

    async def decider() -> Person:
        return await _signed_in(ctx, terminal, staff_token)

    decision = (correction_id, decider, False)
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
        list_posted,
        list_at_counter,
        read_at_counter,
        approve_at_counter,
        refuse_at_counter,
    ],
)
