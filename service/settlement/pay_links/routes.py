"""HTTP of links by which somebody else pays: the person makes one, whoever gets it looks and pays.

A link travels in bodies alone, so that no log of addresses holds one.
"""

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from service.healthcode.symbols import SymbolDrawer
from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Resident
from service.payment.problems import PaymentWayUnknown
from service.payment.rules import CODE, NATIVE
from service.settlement import ways
from service.settlement.pay_links import sharing
from service.settlement.pay_links.schemas import (
    PayLinkAnswer,
    PayLinkRequest,
    SharedBillAnswer,
    SharedPaymentRequest,
)
from service.settlement.routes import OPERATION, own_key
from service.settlement.schemas import Nothing

PAGE = "/#/help/"
"""Where our own page takes a link."""
SHOWN = {
    200: ResponseSpec(
        data_container=SharedBillAnswer, generate_examples=False, description="As it stands."
    )
}


@post("/v1/me/settlements/{settlement_id:str}/pay-link", status_code=200, tags=["resident"])
async def make(
    settlement_id: FromPath[str],
    resident: NamedDependency[Resident],
    data: JSONBody[Nothing],  # noqa: ARG001 - decoded strictly before the handler
    ctx: NamedDependency[Context],
    symbol_drawer: NamedDependency[SymbolDrawer],
) -> PayLinkAnswer:
    """A link for a relative, who pays what is left to me: for this settlement alone, 30 minutes at
    most. Its holder sees my masked name, the hospital and the amount."""
    link = await sharing.make(ctx, resident, await own_key(ctx, resident, settlement_id))
    url = f"{ctx.policy.notice_url_base}{PAGE}{link.text}"
    svg = await symbol_drawer.draw(url)
    return PayLinkAnswer(link=link.text, url=url, svg=svg, expires_at=link.expires_at)


async def _shared(ctx: Context, resident: Resident, text: str) -> SharedBillAnswer:
    shared = await sharing.look(ctx, text)
    offered = await ways.on_phone(ctx, shared.institution_id, resident)
    return SharedBillAnswer.of(shared, offered)


@post("/v1/me/pay-link", status_code=200, tags=["resident"])
async def look(
    resident: NamedDependency[Resident],
    data: JSONBody[PayLinkRequest],
    ctx: NamedDependency[Context],
) -> SharedBillAnswer:
    """What somebody asks me to pay for him, and how I can."""
    return await _shared(ctx, resident, data.link)


@post("/v1/me/pay-link/payment", status_code=200, tags=["resident"], responses=SHOWN)
async def pay(
    resident: NamedDependency[Resident],
    data: JSONBody[SharedPaymentRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Place an order of mine for all that is owed; one that stood for somebody else is closed
    first. ``payment`` says how I pay it, and is left out where another was faster."""

    async def run() -> SharedBillAnswer:
        if data.way in (CODE, NATIVE):
            raise PaymentWayUnknown
        payer = await ways.payer_of(ctx, request, resident, data.provider, data.way)
        wanted = (data.provider, data.way, payer)
        view = await sharing.pay(ctx, resident, data.link, wanted)
        answer = await _shared(ctx, resident, data.link)
        return answer if view is None else answer.with_payment(ctx, view)

    return await respond_once(
        ctx,
        request,
        caller=resident.caller,
        operation=OPERATION,
        key=idempotency_key,
        run=run,
        status=200,
    )


router = Router(path="/", route_handlers=[make, look, pay])
