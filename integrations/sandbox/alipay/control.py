"""The twin's control routes and pages, under ``/sandbox/``: for tests and demonstrations only."""

import secrets
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from integrations.sandbox import book_page
from integrations.sandbox.alipay import pages
from integrations.sandbox.alipay.book import TradeRow
from integrations.sandbox.alipay.exchange import read
from integrations.sandbox.alipay.faults import RandomFaults, ScriptedFault
from integrations.sandbox.alipay.model import Json, Refused, invalid
from integrations.sandbox.alipay.posting import notice_parameters
from integrations.sandbox.alipay.trading import CODE_PAYER
from integrations.sandbox.alipay.twin import QR_TEXT, Twin, trade_fields, twin_of
from integrations.sandbox.book_page import Jump

AnyRequest = Request[Any, Any, Any]
Text = Annotated[str, msgspec.Meta(max_length=512)]


class TradeRef(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A trade named by either text."""

    trade_no: Text | None = None
    qr_code: Text | None = None


class PayBody(TradeRef, kw_only=True, forbid_unknown_fields=True):
    """Pay as this payer; left out, the one the order names, or a fixed one."""

    buyer: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


class BillEditBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Leave a row out of a day's bill, or add one of 25 cells."""

    seller_id: Text
    day: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
    omit: Text | None = None
    """out_trade_no or out_request_no."""
    extra: Annotated[list[Text], msgspec.Meta(min_length=25, max_length=25)] | None = None


def said(value: object) -> Response[Any]:
    """A plain JSON answer of the control side."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def refused_answer(refused: Refused) -> Response[Any]:
    """The control side's refusals, unsigned."""
    body = {"code": refused.sub_code, "message": refused.text}
    return Response(msgspec.json.encode(body), status_code=400, media_type="application/json")


def text_of(ref: TradeRef) -> str:
    """What the book knows a trade by. Raises ``Refused``."""
    if bool(ref.trade_no) == bool(ref.qr_code):
        raise invalid("trade_no 与 qr_code 二选一")
    if ref.trade_no:
        return ref.trade_no
    if not (ref.qr_code or "").startswith(QR_TEXT):
        raise invalid("不是支付宝二维码")
    return (ref.qr_code or "")[len(QR_TEXT) :]


@post("/sandbox/scan", status_code=200)
async def scan(request: AnyRequest) -> Response[Any]:
    """A payer scans a code, and does not pay yet."""
    twin = twin_of(request)
    text = text_of(read(await request.body(), TradeRef))
    return said(trade_fields(twin.trading.scan(text, twin.now())))


@post("/sandbox/pay", status_code=200)
async def pay(request: AnyRequest) -> Response[Any]:
    """Pay a trade as its payer."""
    twin = twin_of(request)
    body = read(await request.body(), PayBody)
    text = text_of(body)
    trade = twin.trading.look_at(text, twin.now())
    paid = twin.trading.pay(text, body.buyer or trade.buyer or CODE_PAYER, twin.now())
    return said(trade_fields(paid))


@post("/sandbox/pay-fail", status_code=200)
async def pay_fail(request: AnyRequest) -> Response[Any]:
    """The payer scans and his try fails: the trade waits on, and no notice is sent."""
    twin = twin_of(request)
    trade = twin.trading.scan(text_of(read(await request.body(), TradeRef)), twin.now())
    return said({"out_trade_no": trade.out_trade_no, "trade_status": trade.state})


@get("/sandbox/book")
async def book(request: AnyRequest) -> Response[Any]:
    """Trades, refunds, notices and waiting faults; amounts in fen."""
    return said(book_view(twin_of(request)))


def book_view(twin: Twin) -> Json:
    """The book as JSON values, brought up to now."""
    twin.trading.age(twin.now())
    twin.refunding.finish_due(twin.now())
    return {
        "now": twin.clock().isoformat(timespec="seconds"),
        "trades": [_trade_view(trade) for trade in twin.book.list_trades()],
        "refunds": [
            {
                "seller_id": row.seller_id,
                "out_trade_no": row.out_trade_no,
                "out_request_no": row.out_request_no,
                "refund_fen": row.amount,
                "status": row.status,
            }
            for row in twin.book.list_refunds()
        ],
        "notices": [
            {
                "notify_id": row.id,
                "out_trade_no": row.trade_no,
                "trade_status": row.status,
                "tries": row.tries,
                "state": row.state,
            }
            for row in twin.book.list_notices()
        ],
        "faults": [msgspec.to_builtins(fault) for fault in twin.faults.waiting()],
    }


def _trade_view(trade: TradeRow) -> Json:
    return {
        **notice_parameters(trade),
        "total_fen": trade.total,
        "refunded_fen": trade.refunded,
        "way": trade.way,
        "qr_code": QR_TEXT + trade.qr if trade.qr else None,
    }


@post("/sandbox/faults", status_code=200)
async def add_fault(request: AnyRequest) -> Response[Any]:
    """Script one fault."""
    twin = twin_of(request)
    try:
        twin.faults.add(read(await request.body(), ScriptedFault))
    except ValueError:
        raise invalid("排队的故障过多") from None
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
    twin_of(request).faults.clear()
    return said({"cleared": True})


@post("/sandbox/notices/deliver", status_code=200)
async def deliver(request: AnyRequest) -> Response[Any]:
    """Send what is due now, without waiting for the background sender."""
    return said({"sent": await twin_of(request).tick()})


@post("/sandbox/clock", status_code=200)
async def jump(request: AnyRequest) -> Response[Any]:
    """Let business time jump: expiry, refund windows, bill days, resends."""
    forward_s = read(await request.body(), Jump).forward_s
    return said({"now": twin_of(request).jump(forward_s).isoformat(timespec="seconds")})


@post("/sandbox/bill-edits", status_code=200)
async def edit_bill(request: AnyRequest) -> Response[Any]:
    """Make a day's bill differ from the book."""
    twin = twin_of(request)
    body = read(await request.body(), BillEditBody)
    if body.omit is not None:
        twin.book.add_bill_edit(body.seller_id, body.day, "omit", body.omit)
    if body.extra is not None:
        twin.book.add_bill_edit(body.seller_id, body.day, "extra", "|".join(body.extra))
    return said({"day": body.day})


def _page(text: str, nonce: str, status: int = 200) -> Response[Any]:
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
            " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        ),
    }
    return Response(text, status_code=status, media_type="text/html", headers=headers)


def show_page(request: AnyRequest) -> Response[Any]:
    """A payer's browser with a signed address: on to the cashier, or a page that says no."""
    try:
        text, return_url = twin_of(request).open_page(request.scope.get("query_string", b""))
    except Refused:
        nonce = secrets.token_urlsafe(16)
        return _page(pages.gone(nonce), nonce, 400)
    asked = urlencode({"qr_code": text, "return_url": return_url})
    headers = {"Location": f"sandbox/cashier?{asked}", "Cache-Control": "no-store"}
    return Response(b"", status_code=303, headers=headers)


@get("/sandbox/cashier")
async def show_cashier(
    request: AnyRequest,
    trade_no: FromQuery[str | None] = None,
    qr_code: FromQuery[str | None] = None,
    code_url: FromQuery[str | None] = None,
    return_url: FromQuery[str | None] = None,
) -> Response[Any]:
    """The page on which a person pays. ``code_url`` is what other twins call a shown code."""
    twin = twin_of(request)
    qr_code = qr_code or code_url
    nonce = secrets.token_urlsafe(16)
    try:
        ref = TradeRef(trade_no=trade_no, qr_code=qr_code)
        trade = twin.trading.look_at(text_of(ref), twin.now())
    except Refused:
        return _page(pages.gone(nonce), nonce, 404)
    text = pages.cashier(
        trade=trade,
        merchant=twin.seal.merchant_name(trade.seller_id),
        ref={"trade_no": trade_no} if trade_no else {"qr_code": qr_code or ""},
        return_url=pages.allowed_return(return_url, request.url.hostname or ""),
        nonce=nonce,
    )
    return _page(text, nonce)


@get("/sandbox/")
async def show_book(request: AnyRequest) -> Response[Any]:
    """The twin's book for people, with forms for faults and the clock."""
    return book_page.show(pages.book(book_view(twin_of(request))))


CONTROL_ROUTES: list[HTTPRouteHandler] = [
    scan,
    pay,
    pay_fail,
    book,
    add_fault,
    random_faults,
    clear_faults,
    deliver,
    jump,
    edit_bill,
    show_cashier,
    show_book,
]
"""Unsigned, for tests and people."""
