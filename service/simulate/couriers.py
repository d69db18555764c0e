"""The payment providers' notices, from their couriers to our server."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from service.kernel.context import Context
from service.payment import actions as payment
from service.simulate.stage import TWINS, HostDown, Stage
from service.simulate.street import Twins

Request = Callable[[Callable[[Context], Coroutine[Any, Any, Any]]], Coroutine[Any, Any, Any]]
NOTICES_EVERY = timedelta(seconds=20)


class Couriers:
    """They knock at our server by way of ``request``, which raises ``HostDown``."""

    def __init__(self, stage: Stage, twins: Twins, request: Request) -> None:
        self._stage = stage
        self._twins = twins
        self._request = request
        self._taken: set[str] = set()

    async def live(self) -> None:
        """Have the twins send what is due, for ever."""
        while True:
            for twin in (self._twins.wechatpay, self._twins.alipay):
                await twin.tick()
            await self._stage.rest(NOTICES_EVERY, "couriers", until_change=TWINS)

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> bytes:
        """Take a notice from a twin: it travels by itself, and its answer is known next time."""
        take = payment.take_mixed_notice if url.endswith("/mixed") else payment.take_notice
        named = url.removesuffix("/mixed").rsplit("/", 2)[1:]
        provider, account = (unquote(part) for part in named)
        number = _notice_id(provider, body)
        if number in self._taken:
            return b"success"

        async def travel() -> None:
            try:
                answer = await self._request(
                    lambda ctx: take(ctx, provider, account, headers, body)
                )
            except HostDown:
                return
            if answer.status == 200 and answer.body != b"failure":
                self._taken.add(number)

        self._stage.play(f"notice of {provider}", None, travel)
        return b""


class _Envelope(msgspec.Struct):
    id: str = ""


def _notice_id(provider: str, body: bytes) -> str:
    """The number a provider gives a notice, equal at every sending."""
    if provider == "wechatpay":
        return msgspec.json.decode(body, type=_Envelope).id
    return parse_qs(body.decode()).get("notify_id", [""])[0]
