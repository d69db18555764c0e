"""The twin's control routes and cashier, under ``/sandbox/``: for tests and demonstrations only."""

import secrets
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from integrations.sandbox import book_page
from integrations.sandbox.book_page import Jump
from integrations.sandbox.wechatpay import cashier, pages
from integrations.sandbox.wechatpay.exchange import error_body, read
from integrations.sandbox.wechatpay.faults import RandomFaults, ScriptedFault
from integrations.sandbox.wechatpay.model import Refused
from integrations.sandbox.wechatpay.objects import transaction
from integrations.sandbox.wechatpay.twin import CODE_URL, H5_URL, twin_of

AnyRequest = Request[Any, Any, Any]
Text = Annotated[str, msgspec.Meta(max_length=512)]
NATIVE_PAYER = "oSandboxPayerNative"


class PayBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Pay, or fail to pay, an order named by either text."""

    prepay_id: Text | None = None
    code_url: Text | None = None
    """Of a native order, or the ``h5_url`` of an H5 one."""
    openid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    """Left out: the payer the order names, or one fixed payer for native."""
    client: dict[str, Text] | None = None
    """appId, timeStamp, nonceStr, package, signType, paySign: verified when given."""


class ConfirmBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which order of a shown code."""

    mchid: Text
    out_trade_no: Text


class EndRefundBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """End a refund by hand."""

    mchid: Text
    out_refund_no: Text
    status: Annotated[str, msgspec.Meta(pattern="^(SUCCESS|CLOSED|ABNORMAL)$")]


class ProbeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where to send a signature probe."""

    url: Text


class BillEditBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Leave a row out of a day's bill, or add one of 27 cells."""

    mchid: Text
    day: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
    omit: Text | None = None
    """out_trade_no or out_refund_no."""
    extra: Annotated[list[Text], msgspec.Meta(min_length=27, max_length=27)] | None = None


def said(value: object, status: int = 200) -> Response[Any]:
    """A plain JSON answer of the control side."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


def refused_answer(refused: Refused) -> Response[Any]:
    """The control side's refusals look like the partner's, unsigned."""
    return Response(error_body(refused), status_code=refused.status, media_type="application/json")


def prepay_of(prepay_id: str | None, code_url: str | None) -> str:
    """The book's reference of an order named by either text. Raises ``Refused``."""
    if bool(prepay_id) == bool(code_url):
        raise Refused(400, "PARAM_ERROR", "prepay_id 与 code_url 二选一")
    if code_url is None:
        return prepay_id or ""
    if code_url.startswith(H5_URL):
        return code_url[len(H5_URL) :].partition("&")[0]
    if not code_url.startswith(CODE_URL):
        raise Refused(400, "PARAM_ERROR", "不是微信支付二维码")
    return code_url[len(CODE_URL) :]


@post("/sandbox/pay", status_code=200)
async def pay(request: AnyRequest) -> Response[Any]:
    """Pay an order as its payer."""
    twin = twin_of(request)
    body = read(await request.body(), PayBody)
    prepay = prepay_of(body.prepay_id, body.code_url)
    order = twin.order_by_prepay(prepay)
    if body.client is not None and (
        body.client.get("package") != f"prepay_id={prepay}"
        or body.client.get("appId") != order.appid
        or not twin.seal.client_signature_holds(order.sp_mchid or order.mchid, body.client)
    ):
        raise Refused(400, "INVALID_REQUEST", "支付验证签名失败")
    paid = twin.trading.pay(prepay, body.openid or order.openid or NATIVE_PAYER, twin.now())
    return said(transaction(paid))


@post("/sandbox/confirm", status_code=200)
async def confirm(request: AnyRequest) -> Response[Any]:
    """The payer of a shown code confirms on his phone."""
    twin = twin_of(request)
    body = read(await request.body(), ConfirmBody)
    return said(transaction(twin.codes.confirm(body.mchid, body.out_trade_no, twin.now())))


@post("/sandbox/pay-fail", status_code=200)
async def pay_fail(request: AnyRequest) -> Response[Any]:
    """The payer's try fails: nothing changes, and no notice is sent."""
    twin = twin_of(request)
    body = read(await request.body(), PayBody)
    order = twin.order_by_prepay(prepay_of(body.prepay_id, body.code_url))
    return said({"out_trade_no": order.out_trade_no, "trade_state": order.state})


@get("/sandbox/book")
async def book(request: AnyRequest) -> Response[Any]:
    """Orders, refunds and notices; amounts in fen."""
    twin = twin_of(request)
    twin.trading.finish_refunds(twin.now())
    return said(twin.book_view())


@post("/sandbox/faults", status_code=200)
async def add_fault(request: AnyRequest) -> Response[Any]:
    """Script one fault."""
    twin = twin_of(request)
    try:
        twin.faults.add(read(await request.body(), ScriptedFault))
    except ValueError:
        raise Refused(429, "FREQUENCY_LIMITED", "排队的故障过多") from None
    return said({"added": True})


@post("/sandbox/faults/random", status_code=200)
async def random_faults(request: AnyRequest) -> Response[Any]:
    """Begin seeded random faults; rate 0 ends them."""
    twin = twin_of(request)
    random = read(await request.body(), RandomFaults)
    twin.faults.randomise(random if random.rate_permille else None)
    return said({"seed": random.seed})


@post("/sandbox/faults/clear", status_code=200)
async def clear_faults(request: AnyRequest) -> Response[Any]:
    """Forget scripted and random faults."""
    twin = twin_of(request)
    twin.faults.clear()
    return said({"cleared": True})


@post("/sandbox/notices/deliver", status_code=200)
async def deliver(request: AnyRequest) -> Response[Any]:
    """Send what is due now, without waiting for the background sender."""
    twin = twin_of(request)
    return said({"sent": await twin.tick()})


@post("/sandbox/probe", status_code=200)
async def probe(request: AnyRequest) -> Response[Any]:
    """Send a signature probe; the merchant must answer 4xx or 5xx."""
    twin = twin_of(request)
    body = read(await request.body(), ProbeBody)
    status = await twin.courier.probe(body.url)
    return said({"status": status, "refused": status >= 400})


@post("/sandbox/refunds/end", status_code=200)
async def end_refund(request: AnyRequest) -> Response[Any]:
    """End a refund that is in work or stuck."""
    twin = twin_of(request)
    body = read(await request.body(), EndRefundBody)
    twin.trading.end_refund(body.mchid, body.out_refund_no, body.status, twin.now())
    return said({"status": body.status})


@post("/sandbox/bill-edits", status_code=200)
async def edit_bill(request: AnyRequest) -> Response[Any]:
    """Make a day's bill differ from the book."""
    twin = twin_of(request)
    body = read(await request.body(), BillEditBody)
    if body.omit is not None:
        twin.book.add_bill_edit(body.mchid, body.day, "omit", body.omit)
    if body.extra is not None:
        twin.book.add_bill_edit(body.mchid, body.day, "extra", "|".join(body.extra))
    return said({"day": body.day})


@get("/sandbox/cashier")
async def show_cashier(
    request: AnyRequest,
    prepay_id: FromQuery[str | None] = None,
    code_url: FromQuery[str | None] = None,
    return_url: FromQuery[str | None] = None,
) -> Response[Any]:
    """The page on which a person pays."""
    twin = twin_of(request)
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    try:
        order = twin.order_by_prepay(prepay_of(prepay_id, code_url))
    except Refused:
        return Response(cashier.GONE, status_code=404, media_type="text/html", headers=headers)
    nonce = secrets.token_urlsafe(16)
    headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
        " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    merchant = twin.seal.merchant(order.mchid)
    text = cashier.page(
        order=order,
        merchant=merchant.name if merchant is not None else order.mchid,
        ref={"prepay_id": prepay_id} if prepay_id else {"code_url": code_url or ""},
        return_url=cashier.allowed_return(return_url, request.url.hostname or ""),
        nonce=nonce,
    )
    return Response(text, media_type="text/html", headers=headers)


@get("/sandbox/")
async def show_book(request: AnyRequest) -> Response[Any]:
    """The twin's book for people, with forms for faults and the clock."""
    twin = twin_of(request)
    twin.trading.finish_refunds(twin.now())
    return book_page.show(pages.book(twin.book_view(), twin.faults.waiting()))


@post("/sandbox/clock", status_code=200)
async def jump(request: AnyRequest) -> Response[Any]:
    """Let business time jump: expiry, refund windows, bill days, resends."""
    forward_s = read(await request.body(), Jump).forward_s
    return said({"now": twin_of(request).jump(forward_s).isoformat(timespec="seconds")})


CONTROL_ROUTES: list[HTTPRouteHandler] = [
    pay,
    confirm,
    pay_fail,
    book,
    add_fault,
    random_faults,
    clear_faults,
    deliver,
    probe,
    end_refund,
    edit_bill,
    show_cashier,
    show_book,
    jump,
]
"""Unsigned, for tests and people."""
