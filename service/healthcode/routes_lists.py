"""HTTP of what readers fetch and hand in: lists for anybody, the rest signed by terminals."""

from enum import Enum
from typing import Annotated

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter

from service.healthcode import actions
from service.healthcode.actions import DeltaJoiner
from service.healthcode.model import RevokedScope
from service.healthcode.model_lists import ListPlace
from service.healthcode.schemas_lists import (
    ShownCodesAnswer,
    ShownCodesBody,
    TillAnswer,
    TillRequest,
)
from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Terminal

CACHE = "public, max-age=60"
SEQUENCE_MAX = 0xFFFFFFFF


class ListedScope(Enum):
    """The scopes as paths name them."""

    BOUND = "bound"
    PRINTED = "printed"


@get("/v1/lists/trust", tags=["reader"])
async def trust_list(
    ctx: NamedDependency[Context],
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
) -> Response[bytes]:
    """The trust file: the keys whose signatures count, signed by the offline root.

    Pin the roots by another way than this file. 304 when the entity tag still holds.
    """
    published = await actions.published_trust(ctx)
    return _cached(published.content, f'"{published.etag}"', "application/json", if_none_match)


@get("/v1/lists/revoked/{listed:str}/{code_class:int}", tags=["reader"])
async def revoked_codes(
    listed: Annotated[ListedScope, PathParameter()],
    code_class: Annotated[int, PathParameter(ge=0, le=255)],
    ctx: NamedDependency[Context],
    delta_joiner: NamedDependency[DeltaJoiner],
    since: Annotated[int, QueryParameter(ge=0, le=SEQUENCE_MAX)] = 0,
    step: Annotated[bool, QueryParameter()] = False,
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
) -> Response[bytes]:
    """Revoked codes: the delta from list ``since`` where there is one, else the full list.

    Which of the two it is stands in the signed bytes. The entity tag names the list that they lead
    to: 304 as long as no newer one is there. A delta leads to the newest list; with ``step=true``
    to the one after ``since``, in few bytes: ask again from there until the answer is 304.
    """
    place = ListPlace(RevokedScope[listed.name], code_class)
    answer = await actions.find_answer(ctx, delta_joiner, place, since, one_step=step)
    return _cached(answer.content, answer.etag, "application/octet-stream", if_none_match)


@post("/v1/terminal/till-certificate", status_code=200, tags=["terminal"])
async def certify_till(
    terminal: NamedDependency[Terminal],
    data: JSONBody[TillRequest],
    ctx: NamedDependency[Context],
) -> TillAnswer:
    """A certificate for this terminal's till key: 30 days, under the hospital's name."""
    certified = await actions.certify_till(ctx, terminal, bytes.fromhex(data.public_key))
    return TillAnswer.of(certified)


@post(
    "/v1/terminal/shown-codes",
    status_code=200,
    tags=["terminal"],
    responses={
        200: ResponseSpec(
            data_container=ShownCodesAnswer, generate_examples=False, description="What was taken."
        )
    },
)
async def take_shown_codes(
    terminal: NamedDependency[Terminal],
    data: JSONBody[ShownCodesBody],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """What this reader accepted without a network, in the order of its chained log.

    The answer is a ``ShownCodesAnswer``. Nothing that is reported opens bills or pays.
    """

    async def run() -> ShownCodesAnswer:
        return ShownCodesAnswer.of(await actions.take_report(ctx, terminal, data.report()))

    return await respond_once(
        ctx,
        request,
        caller=terminal.caller,
        operation="shown-codes",
        key=idempotency_key,
        run=run,
        status=200,
    )


def _cached(
    content: bytes, etag: str, media_type: str, if_none_match: str | None
) -> Response[bytes]:
    """The content, or 304 when the caller holds what the tag names."""
    headers = {"ETag": etag, "Cache-Control": CACHE}
    held = {one.strip().removeprefix("W/") for one in (if_none_match or "")[:1000].split(",")}
    if etag.removeprefix("W/") in held or held == {"*"}:
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    return Response(content, headers=headers, media_type=media_type)


router = Router(
    path="/", route_handlers=[trust_list, revoked_codes, certify_till, take_shown_codes]
)
