"""HTTP: where the insurance's payment centre sends its notices."""

from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from service.kernel.context import Context
from service.kernel.problems import BodyTooLarge
from service.settlement.insurance import notices

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


router = Router(path="/", route_handlers=[take_notice])
