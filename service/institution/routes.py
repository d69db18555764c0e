"""HTTP of institutions: a terminal's activation, and the keys that sign our answers."""

import base64

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from service.institution import actions
from service.institution.schemas import (
    ActivationAnswer,
    ActivationRequest,
    PlatformKey,
    PlatformKeysAnswer,
)
from service.kernel.context import Context
from service.kernel.limits import RateLimit
from service.kernel.principals import Application


@post("/v1/terminal-activation", status_code=200, tags=["terminal"])
async def activate(
    data: JSONBody[ActivationRequest],
    ctx: NamedDependency[Context],
    activation_limit: NamedDependency[RateLimit],
) -> ActivationAnswer:
    """Exchange a terminal's activation code for its id and its HMAC-SM3 key, once."""
    activation_limit.take("all", ctx.clock.now())
    activated = await actions.activate_terminal(ctx, data.activation_code)
    return ActivationAnswer(
        terminal_id=ctx.public_ids.text(
            activated.terminal.institution_id, activated.terminal.terminal_id
        ),
        key=base64.b64encode(activated.key).decode(),
        institution_name=activated.institution_name,
        public_place=activated.terminal.public_place,
    )


@get("/v1/institution/platform-keys", tags=["institution"])
async def list_platform_keys(
    application: NamedDependency[Application],  # noqa: ARG001  any application of ours may ask
    ctx: NamedDependency[Context],
) -> PlatformKeysAnswer:
    """The keys by which to check our answers. A new one stands here two weeks before it signs."""
    return PlatformKeysAnswer(
        keys=[PlatformKey.of(key, public) for key, public in actions.platform_keys(ctx)]
    )


router = Router(path="/", route_handlers=[activate, list_platform_keys])
