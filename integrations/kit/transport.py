"""The one way out to a partner: one request, one bounded answer, one of two named faults.

Owns deadlines, the answer's size bound, the refusal while a transaction is open, and the table
from httpx exceptions to faults. Does no retries, signs nothing, reads no status.

    ProviderFault
    ├── ProviderNotReached     certainly not sent; the same call may be sent again
    ├── ProviderAnswerLost     perhaps done; resolve by query or reversal only
    └── ProviderAnswerInvalid  an answer came, but forged or unreadable; treat as lost and alert
"""

import asyncio
from collections.abc import Mapping
from time import perf_counter

import httpx
import msgspec

from integrations.ports.outcalls import transaction_open, waiting
from integrations.ports.outcomes import NotSent, Unknown

ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""Above any partner's JSON, below what would hurt; statement files pass their own bound."""

CONNECT_SHARE = 0.4
"""Part of the deadline that pool and connect may each take: both end before the deadline does,
so a partner that cannot be reached is always told apart from one that does not answer."""


class ProviderFault(Exception):
    """A call ended without a usable answer. ``why`` is a fixed word, never a partner's text."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class ProviderNotReached(ProviderFault):
    """Nothing was sent: no connection, or none free on our side."""


class ProviderAnswerLost(ProviderFault):
    """Something may have arrived there, and no whole answer came back."""


class ProviderAnswerInvalid(ProviderFault):
    """The answer's signature or shape is wrong. Raised by partner folders, not by the transport."""


class TransactionOpen(RuntimeError):
    """A partner was called inside a database transaction: a mistake of the caller, nothing sent."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, body whole and raw. ``headers`` look up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


NOT_REACHED: tuple[type[Exception], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
"""The closed list. Any exception that is not here may have happened after the first byte left."""


def fault_of(error: Exception) -> ProviderFault:
    """The fault that an exception under way stands for; anything not listed is a lost answer."""
    if isinstance(error, NOT_REACHED):
        return ProviderNotReached("not-reached")
    return ProviderAnswerLost("answer-lost")


def outcome_of(fault: ProviderFault) -> NotSent | Unknown:
    """The port's word for a fault: not reached is NotSent, everything else is Unknown."""
    if isinstance(fault, ProviderNotReached):
        return NotSent(fault.why)
    return Unknown(fault.why)


class Transport:
    """Sends single requests through a client that somebody else opened and will close."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        timeout_s: float,
        *,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._answer_bytes_max = answer_bytes_max
        share_s = timeout_s * CONNECT_SHARE
        self._phases = httpx.Timeout(timeout_s, connect=share_s, pool=share_s)

    async def send(
        self, *, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> Answer:
        """Send these bytes once and give back the answer of any status, 5xx included.

        Redirects are not followed. Ends within ``timeout_s``. Raises ``TransactionOpen`` before
        anything is sent, ``ProviderNotReached`` or ``ProviderAnswerLost``.
        """
        if transaction_open.get():
            raise TransactionOpen("a partner may not be called inside a transaction")
        began = perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(method, url, headers, content)
        except ProviderFault:
            raise
        except Exception as error:
            raise fault_of(error) from error
        finally:
            if (counted := waiting.get()) is not None:
                counted.seconds += perf_counter() - began

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> Answer:
        request = self._client.build_request(
            method,
            url,
            # Asking for no compression keeps the size bound honest and the signed bytes raw.
            headers={"Accept-Encoding": "identity", **headers},
            content=content,
            timeout=self._phases,
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._answer_bytes_max:
                    raise ProviderAnswerLost("answer-too-large")
            return Answer(status=response.status_code, headers=response.headers, body=bytes(body))
        finally:
            await response.aclose()
