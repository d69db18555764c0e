"""HTTP of events out: a hospital's application says where they go, and pulls what it missed."""

from typing import Annotated

from litestar import Router, delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from service.kernel.context import Context
from service.kernel.principals import Application
from service.kernel.problems import NotAllowed
from service.notice import actions
from service.notice.schemas import EndpointAnswer, EndpointRequest, EventList, PersonEventList

SCOPE = "settlement"
PERSON_SCOPE = "scan"
"""Who scans knows patients by the ids that the events name."""


def _check_scope(application: Application) -> None:
    if SCOPE not in application.scopes:
        raise NotAllowed


@put("/v1/institution/notice-endpoint", status_code=200, tags=["institution"])
async def set_endpoint(
    application: NamedDependency[Application],
    data: JSONBody[EndpointRequest],
    ctx: NamedDependency[Context],
) -> EndpointAnswer:
    """From now on events are sent to this address; again replaces it and ends its rest.

    https to a public address, or to a network that the operator named. Pull once afterwards: what
    happened before is not sent by itself.
    """
    _check_scope(application)
    await actions.set_endpoint(ctx, application, data.url)
    return EndpointAnswer.of(*await actions.get_endpoint(ctx, application.institution_id))


@get("/v1/institution/notice-endpoint", tags=["institution"])
async def read_endpoint(
    application: NamedDependency[Application], ctx: NamedDependency[Context]
) -> EndpointAnswer:
    """Where events are sent, and how that goes."""
    _check_scope(application)
    return EndpointAnswer.of(*await actions.get_endpoint(ctx, application.institution_id))


@delete("/v1/institution/notice-endpoint", status_code=204, tags=["institution"])
async def delete_endpoint(
    application: NamedDependency[Application], ctx: NamedDependency[Context]
) -> None:
    """Send nothing any more; what was not taken can still be pulled."""
    _check_scope(application)
    await actions.delete_endpoint(ctx, application.institution_id)


@get("/v1/institution/events", tags=["institution"])
async def list_events(
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
    after: Annotated[str | None, QueryParameter(max_length=64)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=actions.LIST_MAX)] = 50,
) -> EventList:
    """Every event behind ``after``, an event's id, in the order in which they were written.

    Works without an endpoint. No event is left out, and each has the id under which it is sent.
    """
    _check_scope(application)
    found = await actions.list_events(ctx, application.institution_id, after, limit)
    return EventList(events=found, next=found[-1].event_id if found else after)


@get("/v1/institution/person-events", tags=["institution"])
async def list_person_events(
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
    after: Annotated[str | None, QueryParameter(max_length=64)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=actions.LIST_MAX)] = 50,
) -> PersonEventList:
    """Which of the patients that you registered are one person now, or are no more.

    Every event behind ``after``, an event's id, in the order in which they were written; none is
    left out, and each has the id under which it is sent.
    """
    if PERSON_SCOPE not in application.scopes:
        raise NotAllowed
    found = await actions.list_person_events(ctx, application.institution_id, after, limit)
    return PersonEventList(events=found, next=found[-1].event_id if found else after)


router = Router(
    path="/",
    route_handlers=[
        set_endpoint,
        read_endpoint,
        delete_endpoint,
        list_events,
        list_person_events,
    ],
)
