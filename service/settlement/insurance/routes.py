"""HTTP of the insurance's payment centre: its notices, and what a payer allows there anew."""

from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from service.kernel.context import Context
from service.kernel.masked import Masked
from service.kernel.principals import Resident
from service.kernel.problems import BodyTooLarge
from service.settlement import actions
from service.settlement.insurance import authorising, notices
from service.settlement.insurance.schemas import AuthorisationRequest
from service.settlement.model import PHONES
from service.settlement.routes import SHOWN, own_key
from service.settlement.schemas import SettlementAnswer

NOTICE_MAX = 65_536


@post("/v1/notices/insurance/{institution_code:str}", status_code=200, tags=["notice"])
async def take_notice(
    institution_code: FromPath[str],
    request: Request[Any, Any, Any],
    ctx: NamedDependency[Context],
) -> notices.Answer:
    """Take a notice (6302) of the payment centre about an order of this institution."""
    body = await request.body()
    if len(body) > NOTICE_MAX:
        raise BodyTooLarge
    return await notices.take(ctx, institution_code, body)


@post(
    "/v1/me/settlements/{settlement_id:str}/authorisation",
    status_code=200,
    tags=["resident"],
    responses=SHOWN,
)
async def renew_authorisation(
    settlement_id: FromPath[str],
    resident: NamedDependency[Resident],
    data: JSONBody[AuthorisationRequest],
    ctx: NamedDependency[Context],
) -> SettlementAnswer:
    """Allow again that what I paid at the payment centre is given back there."""
    key = await own_key(ctx, resident, settlement_id)
    await authorising.renew(ctx, key, Masked(data.authorisation))
    return SettlementAnswer.of(ctx, await actions.get(ctx, *key), PHONES)


router = Router(path="/", route_handlers=[take_notice, renew_authorisation])
