"""The HTTP application: routers, dependencies, problems, and the outer layers."""

import asyncio
import contextlib
from typing import Any, cast

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import YamlRenderPlugin

from crypto.selftest import SelfTestReport
from service import features
from service.account import actions as account
from service.console.guarding import session_of
from service.healthcode import actions as healthcode
from service.healthcode.symbols import SymbolDrawer
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE, connection
from service.kernel.entry import App, Entry, SignedExchange
from service.kernel.http_problems import HANDLERS
from service.kernel.limits import BoundedQueue, RateLimit
from service.kernel.principals import Application, Resident, Terminal
from service.kernel.problems import NotAuthenticated
from service.kernel.strict_body import decode_strictly
from service.settlement.asks.answering import HeldTakes
from service.web.routes import PageSettings, web_router

VERSION = "0.1.0"
OBSERVE_WITHIN_S = 1.0
"""Metrics are read when all else waits."""
WAITING_MAX = 2048
"""In line at one process: of each only its head is in memory."""
PATIENCE_S = 3.0
"""A refusal after this says to come back a second later. At once it would only bring the next
request of the same client at once, and to refuse that costs as well."""


async def resident_of(request: Request[Any, Any, Any], ctx: NamedDependency[Context]) -> Resident:
    """The resident behind the bearer token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated
    return await account.authenticate(ctx, token)


async def terminal_of(request: Request[Any, Any, Any], ctx: NamedDependency[Context]) -> Terminal:
    """The terminal that ``SignedExchange`` proved.

    It asks for the context only to come after it: Litestar starts a task for each of several
    dependencies that could come at once, which costs more than all of them.
    """
    del ctx
    principal = request.scope["state"].get("principal")
    if not isinstance(principal, Terminal):
        raise NotAuthenticated
    return principal


async def application_of(
    request: Request[Any, Any, Any], ctx: NamedDependency[Context]
) -> Application:
    """The hospital's application that ``SignedExchange`` proved; after the context, as above."""
    del ctx
    principal = request.scope["state"].get("principal")
    if not isinstance(principal, Application):
        raise NotAuthenticated
    return principal


@get("/healthz", tags=["operation"], sync_to_thread=False)
def healthz() -> dict[str, str]:
    """The process runs. Says nothing of what it depends on."""
    return {"status": "ok", "version": VERSION}


@get("/readyz", tags=["operation"])
async def readyz(
    ctx: NamedDependency[Context], cipher: NamedDependency[SelfTestReport]
) -> Response[dict[str, Any]]:
    """Can this process serve? Names the cipher backend and the database in use.

    A fault of the trust list concerns readers elsewhere: it is told, and does not end readiness.
    """
    try:
        async with connection(ctx.pool) as conn:
            version = await conn.fetchval("show server_version")
            database: dict[str, Any] = {"ok": True, "server": f"PostgreSQL {version}"}
    except UNAVAILABLE:
        database = {"ok": False, "server": None}
    ready = bool(database["ok"]) and cipher.passed
    trust = await healthcode.trust_state(ctx)
    return Response(
        content={
            "status": "ready" if ready else "not-ready",
            "version": VERSION,
            "database": database,
            "cipher": {
                "ok": cipher.passed,
                "sm2": cipher.backend,
                "library": cipher.version,
                "constant_time": cipher.constant_time,
                "warnings": list(cipher.warnings),
            },
            "trust_list": msgspec.to_builtins(trust),
        },
        status_code=200 if ready else 503,
    )


@get("/metrics", media_type=MediaType.TEXT, tags=["operation"])
async def metrics(ctx: NamedDependency[Context]) -> Response[bytes]:
    """Prometheus text. Under load the figures of lists may be those of the call before."""
    await healthcode.trust_state(ctx)
    with contextlib.suppress(*UNAVAILABLE):
        async with asyncio.timeout(OBSERVE_WITHIN_S):
            await healthcode.observe_lists(ctx)
    return Response(content=ctx.metrics.text(), media_type="text/plain; version=0.0.4")


def create_framework_app(ctx: Context, cipher: SelfTestReport, pages: PageSettings) -> Litestar:
    """The Litestar application without the outer layers; the OpenAPI document comes from it."""
    activation_limit = RateLimit(per_s=1.0, burst=20)
    code_limit = RateLimit(per_s=0.5, burst=30)
    sign_in_limit = RateLimit(per_s=2.0, burst=40)
    symbol_drawer = SymbolDrawer()
    delta_joiner = healthcode.DeltaJoiner()
    held_takes = HeldTakes()

    # Each asks for what its routes ask for beside it, to come after it: see ``terminal_of``.
    def code_limit_of(resident: NamedDependency[Resident]) -> RateLimit:
        del resident
        return code_limit

    def activation_limit_of(ctx: NamedDependency[Context]) -> RateLimit:
        del ctx
        return activation_limit

    def sign_in_limit_of(ctx: NamedDependency[Context]) -> RateLimit:
        del ctx
        return sign_in_limit

    def delta_joiner_of(ctx: NamedDependency[Context]) -> healthcode.DeltaJoiner:
        del ctx
        return delta_joiner

    def held_takes_of(application: NamedDependency[Application]) -> HeldTakes:
        del application
        return held_takes

    return Litestar(
        route_handlers=[healthz, readyz, metrics, web_router(pages), *features.routers()],
        dependencies={
            "ctx": Provide(lambda: ctx, sync_to_thread=False),
            "cipher": Provide(lambda: cipher, sync_to_thread=False),
            "activation_limit": Provide(activation_limit_of, sync_to_thread=False),
            "sign_in_limit": Provide(sign_in_limit_of, sync_to_thread=False),
            "code_limit": Provide(code_limit_of, sync_to_thread=False),
            "delta_joiner": Provide(delta_joiner_of, sync_to_thread=False),
            "held_takes": Provide(held_takes_of, sync_to_thread=False),
            "symbol_drawer": Provide(lambda: symbol_drawer, sync_to_thread=False),
            "resident": Provide(resident_of),
            "terminal": Provide(terminal_of),
            "application": Provide(application_of),
            "operator_session": Provide(session_of),
        },
        exception_handlers=HANDLERS,
        before_request=decode_strictly,
        state=State({"ctx": ctx}),
        openapi_config=OpenAPIConfig(
            title="Yimatong",
            version=VERSION,
            path="/openapi",
            render_plugins=[YamlRenderPlugin(path="/openapi.yaml")],
        ),
        logging_config=None,
        pdb_on_exception=False,
        debug=False,
    )


def create_app(ctx: Context, cipher: SelfTestReport, pages: PageSettings) -> App:
    """The whole application: bounded queue and request ids, signatures, then the framework."""
    framework = create_framework_app(ctx, cipher, pages)

    async def prove(claimed: Any, text: bytes, changes_state: bool) -> Any:
        return await institution.prove(ctx, claimed, text, changes_state)

    signed = SignedExchange(
        cast("App", framework),
        prove=prove,
        clock=ctx.clock,
        limit=RateLimit(per_s=200.0, burst=400),
    )
    return Entry(
        signed,
        queue=BoundedQueue(running=64, waiting=WAITING_MAX, patience_s=PATIENCE_S),
        metrics=ctx.metrics,
    )
