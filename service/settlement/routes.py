"""HTTP of settlements for residents and hospitals; terminals have ``routes_terminal``."""

from typing import Annotated

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from service.account import actions as account
from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.masked import Masked
from service.kernel.principals import Application, Resident
from service.kernel.problems import NotAllowed
from service.payment.problems import PaymentWayUnknown
from service.payment.rules import CODE
from service.receipt import actions as receipt
from service.receipt.schemas import ReceiptAnswer
from service.settlement import actions, paying, taking_over, ways
from service.settlement.insurance.schemas import PhonePaymentRequest
from service.settlement.model import PHONES, Channel, Place, StartPayment, StartSettlement, TakeOver
from service.settlement.schemas import (
    Nothing,
    PostableAnswer,
    PostableList,
    PostingRequest,
    SettlementAnswer,
    StartRequest,
    TakeOverRequest,
    WaysAnswer,
)

SCOPE = "settlement"
OPERATION = "settlement"
STARTED = {
    202: ResponseSpec(
        data_container=SettlementAnswer, generate_examples=False, description="Under way."
    )
}
SHOWN = {
    200: ResponseSpec(
        data_container=SettlementAnswer, generate_examples=False, description="As it stands."
    )
}


async def own_key(ctx: Context, resident: Resident, text: str) -> tuple[int, int]:
    """(record, row) of the resident's own thing. Raises ``NotFound``, ``RegistrationNeeded``."""
    record_id, local_id = ctx.public_ids.parse(text)
    await account.check_own(ctx, resident, record_id)
    return record_id, local_id


async def _answer(ctx: Context, record_id: int, settlement_id: int) -> SettlementAnswer:
    view = await actions.get(ctx, record_id, settlement_id)
    return SettlementAnswer.of(ctx, view, PHONES)


@post(
    "/v1/me/bills/{bill_id:str}/settlements", status_code=202, tags=["resident"], responses=STARTED
)
async def start(
    bill_id: FromPath[str],
    resident: NamedDependency[Resident],
    data: JSONBody[StartRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Begin to settle one of my bills; read the settlement until its division is known."""
    record_id, local_id = await own_key(ctx, resident, bill_id)

    async def run() -> SettlementAnswer:
        command = StartSettlement(
            record_id=record_id,
            bill_id=local_id,
            institution_id=None,
            channel=Channel.PHONE,
            terminal_id=None,
            account_id=resident.account_id,
            use_account=data.use_account,
            insured=data.insured,
        )
        row = await actions.start(ctx, command)
        return await _answer(ctx, record_id, row.settlement_id)

    return await respond_once(
        ctx,
        request,
        caller=resident.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=202,
    )


@get("/v1/me/settlements/{settlement_id:str}", tags=["resident"])
async def read(
    settlement_id: FromPath[str], resident: NamedDependency[Resident], ctx: NamedDependency[Context]
) -> SettlementAnswer:
    """Where my settlement stands."""
    return await _answer(ctx, *await own_key(ctx, resident, settlement_id))


@get("/v1/me/settlements/{settlement_id:str}/ways", tags=["resident"])
async def list_ways(
    settlement_id: FromPath[str], resident: NamedDependency[Resident], ctx: NamedDependency[Context]
) -> WaysAnswer:
    """How I can pay my settlement on this phone."""
    view = await actions.get(ctx, *await own_key(ctx, resident, settlement_id))
    row = view.settlement
    own = await ways.on_phone(ctx, row.institution_id, resident)
    return WaysAnswer.of([*own, *await ways.at_centre(ctx, row, resident)])


@post(
    "/v1/me/settlements/{settlement_id:str}/payment",
    status_code=200,
    tags=["resident"],
    responses=SHOWN,
)
async def pay(
    settlement_id: FromPath[str],
    resident: NamedDependency[Resident],
    data: JSONBody[PhonePaymentRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Place an order for what is left to me. Another way than before closes the earlier order."""
    key = await own_key(ctx, resident, settlement_id)

    async def run() -> SettlementAnswer:
        if data.way == CODE:
            raise PaymentWayUnknown
        payer = await ways.payer_of(ctx, request, resident, data.provider, data.way)
        await paying.pay(
            ctx,
            StartPayment(
                record_id=key[0],
                settlement_id=key[1],
                provider=data.provider,
                way=data.way,
                payer=payer,
                amount_fen=data.amount_fen,
                authorisation=None if data.authorisation is None else Masked(data.authorisation),
                location=Masked(data.location),
                place=PHONES,
            ),
        )
        return await _answer(ctx, *key)

    return await respond_once(
        ctx,
        request,
        caller=resident.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


@post(
    "/v1/me/settlements/{settlement_id:str}/confirmation",
    status_code=200,
    tags=["resident"],
    responses=SHOWN,
)
async def confirm(
    settlement_id: FromPath[str],
    resident: NamedDependency[Resident],
    data: JSONBody[Nothing],  # noqa: ARG001 - decoded strictly before the handler
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Agree to a division that leaves me nothing to pay."""
    key = await own_key(ctx, resident, settlement_id)

    async def run() -> SettlementAnswer:
        await actions.confirm(ctx, *key, PHONES)
        return await _answer(ctx, *key)

    return await respond_once(
        ctx,
        request,
        caller=resident.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


@post("/v1/me/settlements/{settlement_id:str}/abandonment", status_code=200, tags=["resident"])
async def abandon(
    settlement_id: FromPath[str],
    resident: NamedDependency[Resident],
    data: JSONBody[Nothing],  # noqa: ARG001 - decoded strictly before the handler
    ctx: NamedDependency[Context],
) -> SettlementAnswer:
    """Give up. An open order is closed; a payment that was faster stands."""
    key = await own_key(ctx, resident, settlement_id)
    await actions.abandon(ctx, *key, PHONES)
    return await _answer(ctx, *key)


@post("/v1/me/settlements/{settlement_id:str}/takeover", status_code=200, tags=["resident"])
async def take_over(
    settlement_id: FromPath[str],
    resident: NamedDependency[Resident],
    data: JSONBody[TakeOverRequest],
    ctx: NamedDependency[Context],
) -> SettlementAnswer:
    """Go on on my phone with what was begun or taken over at a terminal; as there."""
    key = await own_key(ctx, resident, settlement_id)
    place = Place(channel=Channel.PHONE, account_id=resident.account_id)
    command = TakeOver(key=key, place=place, held_since=data.held_since)
    await taking_over.take_over(ctx, command)
    return await _answer(ctx, *key)


@get("/v1/me/settlements/{settlement_id:str}/receipt", tags=["resident"])
async def read_receipt(
    settlement_id: FromPath[str], resident: NamedDependency[Resident], ctx: NamedDependency[Context]
) -> ReceiptAnswer:
    """The receipt, once the hospital has posted."""
    key = await own_key(ctx, resident, settlement_id)
    return ReceiptAnswer.of(await receipt.get(ctx, *key))


def _check_scope(application: Application) -> None:
    if SCOPE not in application.scopes:
        raise NotAllowed


@get("/v1/institution/settlements", tags=["institution"])
async def list_settlements(
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
    to_post: FromQuery[bool] = False,
    limit: Annotated[int, QueryParameter(ge=1, le=actions.LIST_MAX)] = 50,
) -> PostableList:
    """With ``to_post``, what this hospital has still to post, oldest first; else its latest."""
    _check_scope(application)
    found = await actions.list_to_post(
        ctx, application.institution_id, limit, all_of_them=not to_post
    )
    return PostableList(settlements=[PostableAnswer.of(ctx, *one) for one in found])


@get("/v1/institution/settlements/{settlement_id:str}", tags=["institution"])
async def read_settlement(
    settlement_id: FromPath[str],
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
) -> PostableAnswer:
    """A settlement of this hospital, once it is definite."""
    _check_scope(application)
    found = await actions.get_of_institution(ctx, application, settlement_id)
    return PostableAnswer.of(ctx, *found)


@post(
    "/v1/institution/settlements/{settlement_id:str}/posting",
    status_code=200,
    tags=["institution"],
    responses={
        200: ResponseSpec(
            data_container=PostableAnswer, generate_examples=False, description="Posted."
        )
    },
)
async def acknowledge(
    settlement_id: FromPath[str],
    application: NamedDependency[Application],
    data: JSONBody[PostingRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """This hospital's own system has the settlement in its books, under this reference."""
    _check_scope(application)

    async def run() -> PostableAnswer:
        row = await actions.acknowledge_posting(
            ctx, application, settlement_id, data.hospital_ref, data.bill_version
        )
        return PostableAnswer.of(ctx, row, await actions.bill_no_of(ctx, row))

    return await respond_once(
        ctx,
        request,
        caller=application.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


RESIDENT = [start, read, list_ways, pay, confirm, abandon, take_over, read_receipt]
INSTITUTION = [list_settlements, read_settlement, acknowledge]
router = Router(path="/", route_handlers=[*RESIDENT, *INSTITUTION])
