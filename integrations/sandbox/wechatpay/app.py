"""The twin as an ASGI app: the partner's routes, the control routes and the background sender."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from integrations.sandbox.wechatpay.control import CONTROL_ROUTES, refused_answer
from integrations.sandbox.wechatpay.courier import NoticeSender
from integrations.sandbox.wechatpay.exchange import AsyncWork, error_body, target_of
from integrations.sandbox.wechatpay.faults import FaultPlan
from integrations.sandbox.wechatpay.model import (
    Refused,
    Reply,
    TwinKeys,
    TwinMerchant,
    TwinPace,
)
from integrations.sandbox.wechatpay.twin import Twin, twin_of

AnyRequest = Request[Any, Any, Any]


class _Numbers(msgspec.Struct):
    """The numbers a body may name, for faults."""

    out_trade_no: str = ""
    out_refund_no: str = ""


def _numbers(*fixed: str) -> Callable[[bytes], frozenset[str]]:
    def read(body: bytes) -> frozenset[str]:
        try:
            found = msgspec.json.decode(body, type=_Numbers) if body else _Numbers()
        except (msgspec.MsgspecError, ValueError, RecursionError):
            found = _Numbers()
        return frozenset({*fixed, found.out_trade_no, found.out_refund_no} - {""})

    return read


def _sync(work: Callable[[TwinMerchant, bytes], Reply]) -> AsyncWork:
    async def run(merchant: TwinMerchant, body: bytes) -> Reply:
        return work(merchant, body)

    return run


@post("/v3/pay/transactions/jsapi", status_code=200)
async def jsapi(request: AnyRequest) -> Response[Any]:
    """Order inside the mini-program."""
    twin = twin_of(request)
    return await twin.exchange.answer(
        request, _numbers(), lambda merchant, body: twin.place(merchant, "jsapi", body)
    )


@post("/v3/pay/transactions/native", status_code=200)
async def native(request: AnyRequest) -> Response[Any]:
    """Order shown as a code."""
    twin = twin_of(request)
    return await twin.exchange.answer(
        request, _numbers(), lambda merchant, body: twin.place(merchant, "native", body)
    )


@get("/v3/pay/transactions/out-trade-no/{out_trade_no:str}")
async def by_own_number(request: AnyRequest, out_trade_no: FromPath[str]) -> Response[Any]:
    """Query by the merchant's number."""
    twin = twin_of(request)
    mchid = request.query_params.get("mchid", "")
    work = _sync(lambda merchant, _: twin.query(merchant, mchid, out_trade_no, ""))
    return await twin.exchange.answer(request, _numbers(out_trade_no), work)


@get("/v3/pay/transactions/id/{transaction_id:str}")
async def by_their_number(request: AnyRequest, transaction_id: FromPath[str]) -> Response[Any]:
    """Query by WeChat's number."""
    twin = twin_of(request)
    mchid = request.query_params.get("mchid", "")
    work = _sync(lambda merchant, _: twin.query(merchant, mchid, "", transaction_id))
    return await twin.exchange.answer(request, _numbers(), work)


@post("/v3/pay/transactions/out-trade-no/{out_trade_no:str}/close", status_code=200)
async def close(request: AnyRequest, out_trade_no: FromPath[str]) -> Response[Any]:
    """Close an unpaid order."""
    twin = twin_of(request)
    work = _sync(lambda merchant, body: twin.close(merchant, out_trade_no, body))
    return await twin.exchange.answer(request, _numbers(out_trade_no), work)


@post("/v3/refund/domestic/refunds", status_code=200)
async def refund(request: AnyRequest) -> Response[Any]:
    """Start a refund."""
    twin = twin_of(request)
    return await twin.exchange.answer(request, _numbers(), _sync(twin.refund))


@get("/v3/refund/domestic/refunds/{out_refund_no:str}")
async def refund_by_number(request: AnyRequest, out_refund_no: FromPath[str]) -> Response[Any]:
    """Query a refund."""
    twin = twin_of(request)
    work = _sync(lambda merchant, _: twin.query_refund(merchant, out_refund_no))
    return await twin.exchange.answer(request, _numbers(out_refund_no), work)


@get("/v3/bill/tradebill")
async def trade_bill(request: AnyRequest) -> Response[Any]:
    """Ask for a day's bill."""
    twin = twin_of(request)
    work = _sync(lambda merchant, _: twin.trade_bill(merchant, request))
    return await twin.exchange.answer(request, _numbers(), work)


@get("/v3/certificates")
async def certificates(request: AnyRequest) -> Response[Any]:
    """Merchants in public-key mode have no platform certificates (1.5)."""
    twin = twin_of(request)

    def none(_merchant: TwinMerchant, _body: bytes) -> Reply:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请使用微信支付公钥")

    return await twin.exchange.answer(request, _numbers(), _sync(none))


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
            at=twin.clock(),
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
    by_own_number,
    by_their_number,
    close,
    refund,
    refund_by_number,
    trade_bill,
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
        route_handlers=[*PARTNER_ROUTES, *CONTROL_ROUTES],
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
