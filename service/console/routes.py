"""HTTP of the console's sign-in. Answers are never stored by a browser or on the way."""

from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import JSONBody

from service.console import enrolling, signing
from service.console.guarding import COOKIE, check_own_site, cookie_of, no_cookie, require
from service.console.model import Right, Session
from service.console.schemas import (
    OperatorAnswer,
    OperatorsAnswer,
    SessionAnswer,
    SignInRequest,
)
from service.kernel.context import Context
from service.kernel.limits import RateLimit

UNSTORED = {"Cache-Control": "no-store"}


@post("/v1/console/sign-in", status_code=200, tags=["console"])
async def sign_in(
    data: JSONBody[SignInRequest],
    request: Request[None, None, State],
    ctx: NamedDependency[Context],
    sign_in_limit: NamedDependency[RateLimit],
) -> Response[SessionAnswer]:
    """Prove an operator by name, password and second factor; an earlier session of his ends.

    A code counts once. Refused sign-ins in a row make the next one wait; after five it is 15
    minutes.
    """
    check_own_site(request)
    sign_in_limit.take("console", ctx.clock.now())
    session = await signing.sign_in(ctx, data.name, data.password, data.code)
    answer = SessionAnswer.of(session)
    return Response(answer, cookies=[cookie_of(session.token)], headers=UNSTORED)


@get("/v1/console/session", tags=["console"])
async def read_session(operator_session: NamedDependency[Session]) -> Response[SessionAnswer]:
    """Who is signed in, after the page is loaded again."""
    return Response(SessionAnswer.of(operator_session), headers=UNSTORED)


@delete("/v1/console/session", status_code=204, tags=["console"])
async def sign_out(
    operator_session: NamedDependency[Session],
    request: Request[None, None, State],
    ctx: NamedDependency[Context],
) -> Response[None]:
    """End the session."""
    del operator_session
    await signing.sign_out(ctx, request.cookies[COOKIE])
    return Response(None, status_code=204, cookies=[no_cookie()], headers=UNSTORED)


@get("/v1/console/operators", tags=["console"])
async def list_operators(
    operator_session: NamedDependency[Session], ctx: NamedDependency[Context]
) -> Response[OperatorsAnswer]:
    """Who may sign in, as what, and whether he is signed in or locked now."""
    require(operator_session, Right.OPERATORS)
    now = ctx.clock.now()
    found = [OperatorAnswer.of(row, now) for row in await enrolling.list_operators(ctx)]
    return Response(OperatorsAnswer(operators=found), headers=UNSTORED)


router = Router(path="/", route_handlers=[sign_in, read_session, sign_out, list_operators])
