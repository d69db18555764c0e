"""HTTP of accounts: log in and out. Who I am is the credential feature's to tell: it knows more."""

from typing import Annotated

from litestar import Router, delete, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from service.account import actions, sessions
from service.account.schemas import LoginAnswer, LoginRequest
from service.kernel.context import Context
from service.kernel.principals import Resident


@post("/v1/login/{provider:str}", status_code=200, tags=["resident"])
async def login(
    provider: Annotated[str, PathParameter(max_length=32)],
    data: JSONBody[LoginRequest],
    ctx: NamedDependency[Context],
) -> LoginAnswer:
    """Exchange the platform's one-time code for a bearer token of ours."""
    logged_in = await actions.login(ctx, provider, data.code)
    return LoginAnswer(
        access_token=logged_in.token,
        expires_in=logged_in.expires_in_s,
        registered=logged_in.registered,
    )


@delete("/v1/me/session", status_code=204, tags=["resident"])
async def log_out(resident: NamedDependency[Resident], ctx: NamedDependency[Context]) -> None:
    """End this session; its token is refused from now on."""
    await sessions.log_out(ctx, resident)


router = Router(path="/", route_handlers=[login, log_out])
