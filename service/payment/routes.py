"""HTTP of payment: where providers send their notices. Residents pay through settlements."""

from typing import Any

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from service.kernel.context import Context
from service.kernel.problems import BodyTooLarge
from service.payment import actions

NOTICE_MAX = 65_536


@post(
    "/v1/notices/payment/{provider:str}/{account_name:str}",
    status_code=200,
    tags=["notice"],
)
async def take_notice(
    provider: FromPath[str],
    account_name: FromPath[str],
    request: Request[Any, Any, Any],
    ctx: NamedDependency[Context],
) -> Response[bytes]:
    """Take a provider's notice, signed over the raw body; the answer has the provider's form."""
    body = await request.body()
    if len(body) > NOTICE_MAX:
        raise BodyTooLarge
    answer = await actions.take_notice(ctx, provider, account_name, request.headers, body)
    return Response(content=answer.body, status_code=answer.status, media_type=answer.content_type)


@post(
    "/v1/notices/payment/{provider:str}/{account_name:str}/mixed",
    status_code=200,
    tags=["notice"],
)
async def take_mixed_notice(
    provider: FromPath[str],
    account_name: FromPath[str],
    request: Request[Any, Any, Any],
    ctx: NamedDependency[Context],
) -> Response[bytes]:
    """Take a notice about an order of insurance and own part, signed over the raw body."""
    body = await request.body()
    if len(body) > NOTICE_MAX:
        raise BodyTooLarge
    answer = await actions.take_mixed_notice(ctx, provider, account_name, request.headers, body)
    return Response(content=answer.body, status_code=answer.status, media_type=answer.content_type)


router = Router(path="/", route_handlers=[take_notice, take_mixed_notice])
