"""The signed routes of mixed insurance orders, and the payer's act on them."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from integrations.sandbox.wechatpay.control import said
from integrations.sandbox.wechatpay.exchange import AsyncWork, numbers_in, read
from integrations.sandbox.wechatpay.mixed import MixedBody, RefundTold
from integrations.sandbox.wechatpay.model import Reply, TwinMerchant
from integrations.sandbox.wechatpay.twin import twin_of

AnyRequest = Request[Any, Any, Any]


class _MixedPay(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    mix_trade_no: str


def _place(request: AnyRequest) -> AsyncWork:
    twin = twin_of(request)

    async def work(merchant: TwinMerchant, body: bytes) -> Reply:
        placed = twin.mixed.place(merchant, read(body, MixedBody), twin.now())
        return Reply(200, msgspec.json.encode(placed))

    return work


@post("/v3/med-ins/orders", status_code=200)
async def place(request: AnyRequest) -> Response[Any]:
    """Place a mixed order."""
    twin = twin_of(request)
    return await twin.exchange.answer(request, numbers_in(), _place(request))


@get(
    ["/v3/med-ins/orders/out-trade-no/{number:str}", "/v3/med-ins/orders/mix-trade-no/{number:str}"]
)
async def query(request: AnyRequest, number: FromPath[str]) -> Response[Any]:
    """Ask for a mixed order by either number."""
    twin = twin_of(request)

    async def work(merchant: TwinMerchant, _body: bytes) -> Reply:
        found = twin.mixed.query(merchant, number, request.query_params.get("sub_mchid"))
        return Reply(200, msgspec.json.encode(found))

    return await twin.exchange.answer(request, numbers_in(number), work)


@post("/v3/med-ins/refunds/notify", status_code=200)
async def take_refund(request: AnyRequest) -> Response[Any]:
    """Take it that insurance was refunded."""
    twin = twin_of(request)
    asked = request.query_params

    async def work(merchant: TwinMerchant, body: bytes) -> Reply:
        told = read(body, RefundTold)
        ref = asked.get("mix_trade_no", "")
        twin.mixed.take_refund(merchant, ref, told, asked.get("sub_mchid"))
        return Reply(204, b"")

    return await twin.exchange.answer(request, numbers_in(), work)


@post("/sandbox/mixed/pay", status_code=200)
async def pay(request: AnyRequest) -> Response[Any]:
    """The payer pays both legs."""
    twin = twin_of(request)
    body = read(await request.body(), _MixedPay)
    return said(twin.mixed.pay(body.mix_trade_no, twin.now()))


MIXED_ROUTES: list[HTTPRouteHandler] = [place, query, take_refund, pay]
