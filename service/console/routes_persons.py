"""HTTP of the steward: the queue, what it asks about, and his rulings.

What an act did is read again by the page; a repeat with the same key changes nothing.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from service.casework import actions as casework
from service.casework import reasons
from service.console import listing, looking
from service.console.guarding import require
from service.console.looking import PERSON, PersonSeen
from service.console.model import Right, Session
from service.console.routes import UNSTORED
from service.console.schemas_persons import (
    ChangeAnswer,
    DecidedRequest,
    PairRequest,
    PersonAnswer,
    QuestionAnswer,
    RulingAnswer,
    RulingRequest,
)
from service.console.schemas_work import FiguresAnswer, ItemsAnswer
from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Operator
from service.kernel.problems import NotFound, StateConflict
from service.person import history, merging
from service.person.model import DecisionKind

OPERATION = "console"
DAYS_MAX = 92
Id = Annotated[str, PathParameter(max_length=40)]
Reason = Annotated[str | None, QueryParameter(max_length=60)]
After = Annotated[str | None, QueryParameter(max_length=40)]
Closed = Annotated[bool, QueryParameter()]


class ClosedAnswer(msgspec.Struct, kw_only=True):
    """The item that was closed."""

    item: str


@get("/v1/console/questions", tags=["console"])
async def list_questions(
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    closed: Closed = False,
    reason: Reason = None,
    after: After = None,
) -> Response[ItemsAnswer]:
    """Work items about who is one person: the open ones oldest first, or the closed ones newest
    first. Nothing personal."""
    require(operator_session, Right.QUEUE)
    page = await listing.list_items(ctx, (PERSON,), reason=reason, is_open=not closed, after=after)
    return Response(page, headers=UNSTORED)


@get("/v1/console/questions/{item:str}", tags=["console"])
async def read_question(
    item: Id, operator_session: NamedDependency[Session], ctx: NamedDependency[Context]
) -> Response[QuestionAnswer]:
    """One with both records side by side, the evidence, and the persons of today. The look is in
    the audit log of each record that is shown."""
    operator = require(operator_session, Right.PERSONS)
    seen = await looking.look_at_question(ctx, operator, *ctx.public_ids.parse(item))
    places = await _places(ctx, *seen.persons)
    row = reasons.find(seen.item.kind, seen.item.reason)
    by_hand = row is not None and row.by_hand
    return Response(QuestionAnswer.of(ctx, seen, places, by_hand), headers=UNSTORED)


@post("/v1/console/questions/{item:str}/closing", status_code=200, tags=["console"])
async def close_question(
    item: Id,
    data: JSONBody[DecidedRequest],
    request: AnyRequest,
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Close by hand what nothing else ends."""
    operator = require(operator_session, Right.PERSONS)

    async def run() -> ClosedAnswer:
        record_id, item_id = ctx.public_ids.parse(item)
        if (await casework.read(ctx, record_id, item_id)).kind != PERSON:
            raise NotFound
        await casework.close_by_hand(ctx, record_id, item_id, data.decided(operator))
        return ClosedAnswer(item=item)

    return await _once(ctx, request, operator, idempotency_key, run)


@get("/v1/console/records/{record:str}/person", tags=["console"])
async def read_person(
    record: Id, operator_session: NamedDependency[Session], ctx: NamedDependency[Context]
) -> Response[PersonAnswer]:
    """The person of a record. The look is in the audit log of each record that is shown."""
    operator = require(operator_session, Right.PERSONS)
    seen = await looking.look_at_person(ctx, operator, ctx.public_ids.parse(record)[0])
    return Response(PersonAnswer.of(ctx, seen, await _places(ctx, seen)), headers=UNSTORED)


@post("/v1/console/rulings", status_code=200, tags=["console"])
async def rule(
    data: JSONBody[RulingRequest],
    request: AnyRequest,
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Two records are one person's, or two persons'; their persons are merged or parted."""
    operator = require(operator_session, Right.PERSONS)

    async def run() -> RulingAnswer:
        act = merging.say_same if data.verdict == "same" else merging.keep_apart
        return RulingAnswer.of(ctx, await act(ctx, *data.records(ctx), data.decided(operator)))

    return await _once(ctx, request, operator, idempotency_key, run)


@post("/v1/console/rulings/withdrawal", status_code=200, tags=["console"])
async def withdraw(
    data: JSONBody[PairRequest],
    request: AnyRequest,
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """A ruling about two records stands no more; nobody is moved."""
    operator = require(operator_session, Right.PERSONS)

    async def run() -> RulingAnswer:
        row = await merging.withdraw_ruling(ctx, *data.records(ctx), data.decided(operator))
        return RulingAnswer.of(ctx, row)

    return await _once(ctx, request, operator, idempotency_key, run)


@post("/v1/console/changes/{change:str}/unmerge", status_code=200, tags=["console"])
async def unmerge(
    change: Id,
    data: JSONBody[DecidedRequest],
    request: AnyRequest,
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Who was merged by this change is himself again, and no matcher joins the two any more."""
    operator = require(operator_session, Right.PERSONS)

    async def run() -> ChangeAnswer:
        merged = await history.read_change(ctx, *ctx.public_ids.parse(change))
        if merged.kind is not DecisionKind.MERGE or merged.undone_by is not None:
            raise StateConflict("it is no merge that stands")
        done = await merging.unmerge(ctx, merged.other_person_id, data.decided(operator))
        return ChangeAnswer.of(ctx, done)

    return await _once(ctx, request, operator, idempotency_key, run)


@post("/v1/console/changes/{change:str}/undo", status_code=200, tags=["console"])
async def undo(
    change: Id,
    data: JSONBody[DecidedRequest],
    request: AnyRequest,
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """A merge or un-merge is taken back with its rulings; what it answered is asked again."""
    operator = require(operator_session, Right.PERSONS)

    async def run() -> ChangeAnswer:
        place = ctx.public_ids.parse(change)
        return ChangeAnswer.of(ctx, await merging.undo(ctx, *place, data.decided(operator)))

    return await _once(ctx, request, operator, idempotency_key, run)


@get("/v1/console/figures", tags=["console"])
async def read_figures(
    operator_session: NamedDependency[Session],
    ctx: NamedDependency[Context],
    days: Annotated[int, QueryParameter(ge=1, le=DAYS_MAX)] = 14,
) -> Response[FiguresAnswer]:
    """What was opened, closed, merged and un-merged, day by day."""
    require(operator_session, Right.FIGURES)
    return Response(await listing.figures(ctx, PERSON, days), headers=UNSTORED)


async def _once(
    ctx: Context,
    request: AnyRequest,
    operator: Operator,
    key: str | None,
    run: Callable[[], Awaitable[msgspec.Struct]],
) -> Response[bytes]:
    return await respond_once(
        ctx,
        request,
        caller=operator.caller,
        operation=OPERATION,
        key=key,
        run=run,
        status=200,
    )


async def _places(ctx: Context, *seen: PersonSeen) -> dict[int, str]:
    sides = (side for one in seen for side in one.sides)
    return await listing.institutions_of(ctx, (side.institution_id for side in sides))


router = Router(
    path="/",
    route_handlers=[
        list_questions,
        read_question,
        close_question,
        read_person,
        rule,
        withdraw,
        unmerge,
        undo,
        read_figures,
    ],
)
