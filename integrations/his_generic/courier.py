"""Posts events to hospitals: bounded in time and size, to allowed addresses, without redirects."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from integrations.kit.reach import GuardedTransport, Resolve, SystemResolver, read_target
from integrations.kit.transport import ProviderFault, ProviderNotReached, Transport
from integrations.ports.events_out import Posted, Reach, UrlRefused

ANSWER_WITHIN_S = 5.0
ANSWER_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 200


class HospitalCourier:
    """A ``Courier`` over one guarded client."""

    def __init__(self, guard: GuardedTransport, transport: Transport) -> None:
        self._guard = guard
        self._transport = transport

    async def check(self, url: str) -> None:
        """Raises ``UrlRefused`` for a text or an address to which nothing would be sent."""
        await self._guard.addresses(read_target(url, self._guard.reach))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        """Send once; only a whole 2xx answer within the time counts as taken."""
        try:
            answer = await self._transport.send(
                method="POST", url=url, headers=headers, content=body
            )
        except ProviderNotReached as fault:
            return Posted(why=_refusal(fault) or fault.why, answered=False)
        except ProviderFault as fault:
            return Posted(why=fault.why, answered=False)
        if 200 <= answer.status < 300:
            return Posted()
        return Posted(why=f"status-{answer.status}")


def _refusal(fault: ProviderFault) -> str | None:
    """The word of a refused address somewhere behind the fault."""
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, UrlRefused):
            return cause.why
        cause = cause.__cause__
    return None


@asynccontextmanager
async def open_courier(
    reach: Reach, *, resolve: Resolve | None = None, timeout_s: float = ANSWER_WITHIN_S
) -> AsyncIterator[HospitalCourier]:
    """A courier; certificates are checked against the system's roots (``SSL_CERT_FILE``)."""
    resolver = SystemResolver()
    inner = httpx.AsyncHTTPTransport(
        verify=ssl.create_default_context(),
        trust_env=False,
        # One connection an event: a kept one would be found by its address, whoever's name it had.
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=0),
    )
    guard = GuardedTransport(inner, reach, resolve or resolver)
    try:
        async with httpx.AsyncClient(
            transport=guard, timeout=timeout_s, trust_env=False, follow_redirects=False
        ) as client:
            transport = Transport(client, timeout_s, answer_bytes_max=ANSWER_BYTES_MAX)
            yield HospitalCourier(guard, transport)
    finally:
        resolver.close()
