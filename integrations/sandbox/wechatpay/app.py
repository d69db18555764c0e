"""The twin as an ASGI app: the partner's routes, the control routes and the background sender."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from integrations.sandbox.wechatpay.control import CONTROL_ROUTES, refused_answer
from integrations.sandbox.wechatpay.courier import NoticeSender
from integrations.sandbox.wechatpay.exchange import AsyncWork, error_body, numbers_in, target_of
from integrations.sandbox.wechatpay.faults import FaultPlan
from integrations.sandbox.wechatpay.mixed_routes import MIXED_ROUTES
from integrations.sandbox.wechatpay.model import (
    Refused,
    Reply,
    TwinKeys,
    TwinMerchant,
    TwinPace,
)
from integrations.sandbox.wechatpay.twin import Twin, twin_of

AnyRequest = Request[Any, Any, Any]


def _sync(work: Callable[[TwinMerchant, bytes], Reply]) -> AsyncWork:
    async def run(merchant: TwinMerchant, body: bytes) -> Reply:
        return work(merchant, body)

    return run


DIRECT, PARTNER = "/v3/pay/transactions", "/v3/pay/partner/transactions"


def _both(tail: str) -> list[str]:
    """The path for direct merchants and the one for providers."""
    return [DIRECT + tail, PARTNER + tail]


def _is_partner(request: AnyRequest) -> bool:
    return request.url.path.startswith(PARTNER)


async def _place(request: AnyRequest, way: str) -> Response[Any]:
    twin, partner = twin_of(request), _is_partner(request)
    return await twin.exchange.answer(
        request,
        numbers_in(),
        lambda merchant, body: twin.place(merchant, way, body, partner=partner),
    )


@post(_both("/jsapi"), status_code=200)
async def jsapi(request: AnyRequest) -> Response[Any]:
    """Order inside the mini-program."""
    return await _place(request, "jsapi")


@post(_both("/native"), status_code=200)
async def native(request: AnyRequest) -> Response[Any]:
    """Order shown as a code."""
    return await _place(request, "native")


@post(_both("/h5"), status_code=200)
async def h5(request: AnyRequest) -> Response[Any]:
    """Order opened by a browser."""
    return await _place(request, "h5")


@post(_both("/codepay"), status_code=200)
async def codepay(request: AnyRequest) -> Response[Any]:
    """Pay by the code that the payer shows."""
    twin, partner = twin_of(request), _is_partner(request)
    work = _sync(lambda merchant, body: twin.pay_by_code(merchant, body, partner=partner))
    return await twin.exchange.answer(request, numbers_in(), work)


@post(_both("/out-trade-no/{out_trade_no:str}/reverse"), status_code=200)
async def reverse(request: AnyRequest, out_trade_no: FromPath[str]) -> Response[Any]:
    """Undo a shown code's order."""
    twin, partner = twin_of(request), _is_partner(request)
    work = _sync(lambda merchant, body: twin.reverse(merchant, out_trade_no, body, partner=partner))
    return await twin.exchange.answer(request, numbers_in(out_trade_no), work)


@get(_both("/out-trade-no/{out_trade_no:str}"))
async def by_own_number(request: AnyRequest, out_trade_no: FromPath[str]) -> Response[Any]:
    """Query by the merchant's number."""
    twin, partner = twin_of(request), _is_partner(request)
    asked = {**request.query_params, "out_trade_no": out_trade_no}
    work = _sync(lambda merchant, _: twin.query(merchant, asked, partner))
    return await twin.exchange.answer(request, numbers_in(out_trade_no), work)


@get(_both("/id/{transaction_id:str}"))
async def by_their_number(request: AnyRequest, transaction_id: FromPath[str]) -> Response[Any]:
    """Query by WeChat's number."""
    twin, partner = twin_of(request), _is_partner(request)
    asked = {**request.query_params, "transaction_id": transaction_id}
    work = _sync(lambda merchant, _: twin.query(merchant, asked, partner))
    return await twin.exchange.answer(request, numbers_in(), work)


@post(_both("/out-trade-no/{out_trade_no:str}/close"), status_code=200)
async def close(request: AnyRequest, out_trade_no: FromPath[str]) -> Response[Any]:
    """Close an unpaid order."""
    twin, partner = twin_of(request), _is_partner(request)
    work = _sync(lambda merchant, body: twin.close(merchant, out_trade_no, body, partner=partner))
    return await twin.exchange.answer(request, numbers_in(out_trade_no), work)


@post("/pay/micropay", status_code=200)
async def micropay(request: AnyRequest) -> Response[Any]:
    """Pay by a shown code, over V2."""
    twin = twin_of(request)
    return await twin.answer_v2(request, twin.v2.micropay(twin.now()))


@post("/secapi/pay/reverse", status_code=200)
async def reverse_v2(request: AnyRequest) -> Response[Any]:
    """Undo a shown code's order, over V2."""
    twin = twin_of(request)
    return await twin.answer_v2(request, twin.v2.reverse(twin.now()))


@post("/v3/refund/domestic/refunds", status_code=200)
async def refund(request: AnyRequest) -> Response[Any]:
    """Start a refund."""
    twin = twin_of(request)
    return await twin.exchange.answer(request, numbers_in(), _sync(twin.refund))


@get("/v3/refund/domestic/refunds/{out_refund_no:str}")
async def refund_by_number(request: AnyRequest, out_refund_no: FromPath[str]) -> Response[Any]:
    """Query a refund."""
    twin = twin_of(request)
    sub_mchid = request.query_params.get("sub_mchid")
    work = _sync(lambda merchant, _: twin.query_refund(merchant, out_refund_no, sub_mchid))
    return await twin.exchange.answer(request, numbers_in(out_refund_no), work)


@get("/v3/bill/tradebill")
async def trade_bill(request: AnyRequest) -> Response[Any]:
    """Ask for a day's bill."""
    twin = twin_of(request)
    work = _sync(lambda merchant, _: twin.trade_bill(merchant, request))
    return await twin.exchange.answer(request, numbers_in(), work)


@get("/v3/bill/fundflowbill")
async def fund_flow_bill(request: AnyRequest) -> Response[Any]:
    """Ask for a day's fund flow."""
    twin = twin_of(request)
    work = _sync(lambda merchant, _: twin.fund_flow_bill(merchant, request))
    return await twin.exchange.answer(request, numbers_in(), work)


@get("/v3/certificates")
async def certificates(request: AnyRequest) -> Response[Any]:
    """Platform certificates, or 404 in public-key mode (1.5)."""
    twin = twin_of(request)
    work = _sync(lambda merchant, _: twin.certificates(merchant))
    return await twin.exchange.answer(request, numbers_in(), work)


@get("/v3/billdownload/file")
async def download(request: AnyRequest) -> Response[Any]:
    """The bill's bytes: the request is signed, the answer is not (1.4)."""
    twin = twin_of(request)
    try:
        merchant = twin.seal.authenticate(
            method="GET",
            target=target_of(request),
            headers={**request.headers, "accept": "application/json"},
            body=b"",
            at=twin.wall(),
        )
        content = twin.download(merchant, request.query_params.get("token", ""))
    except Refused as refused:
        return Response(
            error_body(refused), status_code=refused.status, media_type="application/json"
        )
    return Response(content, media_type="application/octet-stream")


PARTNER_ROUTES: list[HTTPRouteHandler] = [
    jsapi,
    native,
    h5,
    codepay,
    reverse,
    micropay,
    reverse_v2,
    by_own_number,
    by_their_number,
    close,
    refund,
    refund_by_number,
    trade_bill,
    fund_flow_bill,
    certificates,
    download,
]
"""The signed routes of 2.1 and 3.3."""


def create_wechatpay_twin(
    book: str,
    clock: Callable[[], datetime],
    keys: TwinKeys,
    notice_sender: NoticeSender,
    faults: FaultPlan,
    pace: TwinPace | None = None,
) -> Litestar:
    """The twin over a book file or ``:memory:``.

    ``notice_sender(url, headers, body)`` posts a notice and gives the status. The background
    sender runs while the app's lifespan does; ``POST /sandbox/notices/deliver`` sends at once.
    """
    twin = Twin(
        book=book,
        clock=clock,
        keys=keys,
        notice_sender=notice_sender,
        faults=faults,
        pace=pace or TwinPace(),
    )

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        sending = asyncio.ensure_future(_send_forever(twin))
        try:
            yield
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            twin.book.close()

    def refused_handler(_request: AnyRequest, refused: Refused) -> Response[Any]:
        return refused_answer(refused)

    app = Litestar(
        route_handlers=[*PARTNER_ROUTES, *MIXED_ROUTES, *CONTROL_ROUTES],
        lifespan=[lifespan],
        exception_handlers={Refused: refused_handler},
        openapi_config=None,
        logging_config=None,
        request_max_body_size=256 * 1024,
    )
    app.state.twin = twin
    return app


async def _send_forever(twin: Twin) -> None:
    while True:
        await asyncio.sleep(twin.pace.tick_ms / 1000)
        await twin.tick()
