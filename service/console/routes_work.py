"""HTTP of what is read alone: work items of money, which end by command, and the staff's acts."""

from litestar import Response, Router, get
from litestar.di import NamedDependency

from service.console import listing
from service.console.guarding import require
from service.console.model import Right, Session
from service.console.routes import UNSTORED
from service.console.routes_persons import After, Closed, Reason
from service.console.schemas_work import ActsAnswer, ItemsAnswer
from service.kernel.context import Context

MONEY = ("settlement", "correction", "payment", "refund", "invoice", "statement", "ledger")
"""Kinds of items about money, as docs/work-items.md names them."""


@get("/v1/console/money", tags=["console"])
async def list_money(
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    closed: Closed = False,
    reason: Reason = None,
    after: After = None,
) -> Response[ItemsAnswer]:
    """Work items about money: the open ones oldest first, or the closed ones newest first."""
    require(operator_session, Right.MONEY)
    page = await listing.list_items(ctx, MONEY, reason=reason, is_open=not closed, after=after)
    return Response(page, headers=UNSTORED)


@get("/v1/console/acts", tags=["console"])
async def list_acts(
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    action: Reason = None,
    after: After = None,
) -> Response[ActsAnswer]:
    """What the platform's own staff did, at the console and by command, newest first: who looked
    at whom, ruled, signed in. ``action`` asks for one kind alone."""
    require(operator_session, Right.ACTS)
    page = await listing.list_acts(ctx, action=action, after=after)
    return Response(page, headers=UNSTORED)


router = Router(path="/", route_handlers=[list_money, list_acts])
