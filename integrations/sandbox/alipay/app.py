"""The twin as an ASGI app: the partner's routes, the control routes and the background sender."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from litestar import Litestar, Request, Response, get, post, route
from litestar.handlers import HTTPRouteHandler

from integrations.sandbox.alipay.control import CONTROL_ROUTES, refused_answer, show_page
from integrations.sandbox.alipay.courier import NoticeSender
from integrations.sandbox.alipay.exchange import origin_of
from integrations.sandbox.alipay.faults import FaultPlan
from integrations.sandbox.alipay.model import Refused, TwinKeys, TwinPace
from integrations.sandbox.alipay.twin import (
    BILL_METHOD,
    METHODS,
    PAGE_METHOD,
    Twin,
    twin_of,
)

AnyRequest = Request[Any, Any, Any]


@route("/gateway.do", http_method=["GET", "POST"], status_code=200)
async def gateway(request: AnyRequest) -> Response[Any]:
    """Every method by a signed form, and the page to which a payer's browser is sent."""
    twin = twin_of(request)
    twin.origin = origin_of(request)
    if request.method == "GET" and request.query_params.get("method") == PAGE_METHOD:
        return show_page(request)
    return await twin.exchange.gateway(request)


def _v3_route(method: str) -> HTTPRouteHandler:
    """One method of v3 under its own path; what changes nothing is asked by GET."""
    verb = get if method == BILL_METHOD else post

    async def answer(request: AnyRequest) -> Response[Any]:
        twin = twin_of(request)
        twin.origin = origin_of(request)
        return await twin.exchange.v3(request, method)

    answer.__name__ = f"v3_{method.replace('.', '_')}"
    return verb(f"/v3/{method.replace('.', '/')}", status_code=200)(answer)


@get("/downloadBillFile.resource")
async def download(request: AnyRequest) -> Response[Any]:
    """The bill's bytes: neither request nor answer is signed."""
    content = twin_of(request).download(request.query_params.get("fileId", ""))
    if content is None:
        return Response(b"gone", status_code=404, media_type="text/plain")
    return Response(content, media_type="application/octet-stream")


PARTNER_ROUTES: list[HTTPRouteHandler] = [gateway, *map(_v3_route, METHODS), download]
"""The signed routes of 5.1 to 5.3 and the bill."""


def create_alipay_twin(
    book: str,
    clock: Callable[[], datetime],
    keys: TwinKeys,
    notice_sender: NoticeSender,
    faults: FaultPlan,
    pace: TwinPace | None = None,
) -> Litestar:
    """The twin over a book file or ``:memory:``.

    ``notice_sender(url, headers, body)`` posts a notice and gives the answer's body. The
    background sender runs while the app's lifespan does; ``POST /sandbox/notices/deliver`` sends
    at once.
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
