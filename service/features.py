"""The features in their order, gathered for the application and the worker. No logic."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Router

from service.account import routes as account_routes
from service.credential import routes as credential_routes
from service.healthcode import routes as healthcode_routes
from service.institution import routes as institution_routes
from service.kernel.claims import ClaimSource
from service.kernel.context import Context
from service.kernel.outbox import Event

Handler = Callable[[Context, Event], Awaitable[None]]


def routers() -> Sequence[Router]:
    """Every feature's HTTP."""
    return [
        institution_routes.router,
        account_routes.router,
        credential_routes.router,
        healthcode_routes.router,
    ]


def handlers() -> dict[str, Handler]:
    """Topic to handler, over all features."""
    return {}


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """All due work."""
    return []
