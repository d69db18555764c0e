"""The HTTP side of idempotency keys: the answer that was kept, as a response."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.params import HeaderParameter

from service.kernel.context import Context
from service.kernel.http_problems import MEDIA_TYPE
from service.kernel.idempotency import Answer, answer_once

AnyRequest = Request[None, None, State]
KEY_HEADER = "Idempotency-Key"
IdempotencyKey = Annotated[str | None, HeaderParameter(name=KEY_HEADER)]
"""Required wherever it stands: a missing one is ``idempotency-key-missing``."""


async def respond_once(
    ctx: Context,
    request: AnyRequest,
    *,
    caller: str,
    operation: str,
    key: str | None,
    run: Callable[[], Awaitable[msgspec.Struct]],
    status: int,
) -> Response[bytes]:
    """One effect and one answer for (caller, operation, key) with this path and body.

    ``run`` gives what is answered with ``status``. Raises what ``answer_once`` raises.
    """

    async def encoded() -> Answer:
        return Answer(status, msgspec.json.encode(await run()))

    answer = await answer_once(
        ctx.pool,
        ctx.sealer,
        ctx.clock,
        caller=caller,
        operation=operation,
        key=key,
        given=request.url.path.encode() + b"\n" + await request.body(),
        run=encoded,
    )
    media_type = "application/json" if answer.status < 400 else MEDIA_TYPE
    return Response(answer.body, status_code=answer.status, media_type=media_type)
