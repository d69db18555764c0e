"""Control routes of the mobile payment centre's twin: for tests and demonstrations only."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from integrations.sandbox import book_page
from integrations.sandbox.insurance import pages, queries
from integrations.sandbox.insurance.control import twin_of
from integrations.sandbox.insurance.mobile_centre import MobileCentre
from integrations.sandbox.insurance.model import Refused
from integrations.sandbox.insurance.twin import said

AnyRequest = Request[Any, Any, Any]


class Payer(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Who says yes on his phone."""

    psn_no: str


def centre_of(request: AnyRequest) -> MobileCentre:
    """The centre behind this application."""
    found: MobileCentre = request.app.state.centre
    return found


@post("/sandbox/mobile/authorisations", status_code=200)
async def authorise(request: AnyRequest) -> Response[Any]:
    """A ``payAuthNo`` of a person."""
    try:
        payer = msgspec.json.decode(await request.body(), type=Payer)
    except msgspec.MsgspecError as fault:
        raise Refused(f"请求格式不符：{fault}") from None
    return said({"pay_auth_no": centre_of(request).authorise(payer.psn_no)})


@post("/sandbox/mobile/orders/{order_ref:str}/own-money", status_code=200)
async def pay_own_money(request: AnyRequest, order_ref: FromPath[str]) -> Response[Any]:
    """The payer pays his own part."""
    return said(centre_of(request).own_money_came(order_ref))


@get("/sandbox/mobile/orders")
async def list_orders(request: AnyRequest) -> Response[Any]:
    """Every order as the centre shows it."""
    return said(centre_of(request).orders())


@get("/sandbox/mobile/orders/{order_ref:str}/notice")
async def show_notice(request: AnyRequest, order_ref: FromPath[str]) -> Response[Any]:
    """The notice (6302) that the hospital's address is sent, sealed."""
    return said(centre_of(request).notice(order_ref))


@get("/sandbox/")
async def show_page(request: AnyRequest) -> Response[Any]:
    """The bureau's and the centre's book for people, with forms for faults and the clock."""
    twin = twin_of(request)
    page = pages.book(
        now=twin.clock(),
        waiting=twin.faults.scripted,
        settlements=queries.newest_settlements(twin.book, book_page.ROWS_MAX),
        orders=centre_of(request).orders(),
    )
    return book_page.show(page)


MOBILE_CONTROL_ROUTES: list[HTTPRouteHandler] = [
    authorise,
    pay_own_money,
    list_orders,
    show_notice,
    show_page,
]
