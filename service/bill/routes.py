"""HTTP of bills: hospitals push, amend and withdraw; residents and terminals read."""

from litestar import Response, Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from service.account import actions as account
from service.bill import actions
from service.bill.model import Bill
from service.bill.problems import BillsNotVisible
from service.bill.schemas import (
    AmendRequest,
    BillAnswer,
    BillDetail,
    BillDetailsAnswer,
    BillRequest,
    BillsAnswer,
    InstitutionBillAnswer,
    PayableBill,
    WithdrawnAnswer,
)
from service.healthcode import actions as healthcode
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Application, Resident, Terminal
from service.kernel.problems import MalformedRequest, NotAllowed

SCOPE = "bill"


@post(
    "/v1/institution/bills",
    status_code=201,
    tags=["institution"],
    responses={
        201: ResponseSpec(data_container=BillAnswer, generate_examples=False, description="Taken.")
    },
)
async def push_bill(
    application: NamedDependency[Application],
    data: JSONBody[BillRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Push a bill for a visit. The answer is a ``BillAnswer``.

    Each line is quantity times unit price, rounded half up to the fen; the lines are the total.
    """
    _check_scope(application)

    async def run() -> BillAnswer:
        pushed = await actions.push(ctx, data.to_push(application))
        return BillAnswer.of(ctx, pushed)

    return await respond_once(
        ctx,
        request,
        caller=application.caller,
        operation="push-bill",
        key=idempotency_key,
        run=run,
        status=201,
    )


@put("/v1/institution/bills/{bill_no:str}", tags=["institution"])
async def amend_bill(
    application: NamedDependency[Application],
    bill_no: FromPath[str],
    data: JSONBody[AmendRequest],
    ctx: NamedDependency[Context],
) -> BillAnswer:
    """Replace a bill that nobody is paying; ``version`` is the version it replaces."""
    _check_scope(application)
    if data.bill_no != bill_no:
        raise MalformedRequest("bill_no: not the one in the path")
    return BillAnswer.of(ctx, await actions.amend(ctx, data.to_amend(application)))


@delete("/v1/institution/bills/{bill_no:str}", status_code=200, tags=["institution"])
async def withdraw_bill(
    application: NamedDependency[Application], bill_no: FromPath[str], ctx: NamedDependency[Context]
) -> WithdrawnAnswer:
    """Take back a bill that nobody is paying. A repeat changes nothing."""
    _check_scope(application)
    withdrawn = await actions.withdraw(
        ctx, application.institution_id, application.application_id, bill_no
    )
    return WithdrawnAnswer(state=withdrawn.state.value)


@get("/v1/institution/bills/{bill_no:str}", tags=["institution"])
async def read_bill(
    application: NamedDependency[Application], bill_no: FromPath[str], ctx: NamedDependency[Context]
) -> InstitutionBillAnswer:
    """How the institution's own bill stands."""
    _check_scope(application)
    found = await actions.read_number(ctx, application.institution_id, bill_no)
    return InstitutionBillAnswer.of(ctx, found)


@get("/v1/me/bills", tags=["resident"])
async def list_own_bills(
    resident: NamedDependency[Resident], ctx: NamedDependency[Context]
) -> BillsAnswer:
    """The resident's bills: to pay, being paid, and paid in the last 90 days."""
    record_id = account.own_record(resident)
    found = await actions.list_own(ctx, record_id)
    names = await _names(ctx, found)
    return BillsAnswer(
        bills=[PayableBill.of(ctx, bill, names[bill.institution_id]) for bill in found]
    )


@get("/v1/me/bills/{bill_id:str}", tags=["resident"])
async def read_own_bill(
    resident: NamedDependency[Resident], bill_id: FromPath[str], ctx: NamedDependency[Context]
) -> BillDetail:
    """One of the resident's bills, with its lines, in any state."""
    record_id, local_id = ctx.public_ids.parse(bill_id)
    await account.check_own(ctx, resident, record_id)
    found = await actions.read(ctx, record_id, local_id)
    return BillDetail.of(ctx, found, (await _names(ctx, [found]))[found.institution_id])


@get("/v1/terminal/scans/{scan_id:str}/bills", tags=["terminal"])
async def list_scanned_bills(
    terminal: NamedDependency[Terminal], scan_id: FromPath[str], ctx: NamedDependency[Context]
) -> BillDetailsAnswer:
    """The institution's own bills of the person scanned.

    A public kiosk gets them only after a code that was displayed just now.
    """
    scan = await healthcode.get_scan(ctx, terminal.institution_id, scan_id)
    if not healthcode.bills_visible(scan, terminal):
        raise BillsNotVisible
    found = await actions.list_of_person(ctx, scan.record_id, terminal.institution_id)
    names = await _names(ctx, found)
    return BillDetailsAnswer(
        bills=[BillDetail.of(ctx, bill, names[bill.institution_id]) for bill in found]
    )


def _check_scope(application: Application) -> None:
    if SCOPE not in application.scopes:
        raise NotAllowed


async def _names(ctx: Context, bills: list[Bill]) -> dict[int, str]:
    """The names of the bills' institutions, each read once."""
    wanted = {bill.institution_id for bill in bills}
    return {one: (await institution.get_institution(ctx, one)).name for one in wanted}


router = Router(
    path="/",
    route_handlers=[
        push_bill,
        amend_bill,
        withdraw_bill,
        read_bill,
        list_own_bills,
        read_own_bill,
        list_scanned_bills,
    ],
)
