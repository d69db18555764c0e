"""One signed exchange of our own generic profiles, for partners of a kind without a public wire.

Requests and answers are JSON under HMAC-SM3 with a shared secret. The signature of an answer covers
the request's nonce, so that answers cannot be swapped.
"""

import hmac
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from crypto.sm3 import hmac_sm3
from integrations.kit.transport import Answer, ProviderFault, Transport, outcome_of
from integrations.ports.outcomes import NotSent, Unknown


class GenericClient(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs, and under which header names: ``X-<profile>-Client`` and its sisters."""

    profile: str
    client: str
    secret: str

    def __repr__(self) -> str:
        return f"GenericClient({self.profile!r}, {self.client!r})"


def request_signature(secret: str, *, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """Lower-case hex of HMAC-SM3 over method, path, timestamp, nonce and body, a line each."""
    head = f"POST\n{path}\n{timestamp}\n{nonce}\n".encode()
    return hmac_sm3(secret.encode(), head + body + b"\n").hex()


def answer_signature(secret: str, *, status: int, nonce: str, body: bytes) -> str:
    """Over status, the request's nonce and the body."""
    return hmac_sm3(secret.encode(), f"{status}\n{nonce}\n".encode() + body + b"\n").hex()


class GenericExchange:
    """Posts to one partner. ``nonce`` gives a text that is never given twice."""

    def __init__(
        self,
        client: GenericClient,
        transport: Transport,
        clock: Callable[[], datetime],
        nonce: Callable[[], str],
    ) -> None:
        self._client = client
        self._transport = transport
        self._clock = clock
        self._nonce = nonce

    async def post(self, url: str, body: bytes) -> Answer | NotSent | Unknown:
        """Post once. An answer that comes back is genuine; unsigned is only a 401, for before it
        knows its client the partner has no key to sign a refusal with."""
        timestamp, nonce = str(int(self._clock().timestamp())), self._nonce()
        prefix, secret = f"X-{self._client.profile}", self._client.secret
        signature = request_signature(
            secret, path=urlsplit(url).path, timestamp=timestamp, nonce=nonce, body=body
        )
        headers = {
            "Content-Type": "application/json",
            f"{prefix}-Client": self._client.client,
            f"{prefix}-Timestamp": timestamp,
            f"{prefix}-Nonce": nonce,
            f"{prefix}-Signature": signature,
        }
        try:
            answer = await self._transport.send(
                method="POST", url=url, headers=headers, content=body
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        expected = answer_signature(secret, status=answer.status, nonce=nonce, body=answer.body)
        signed = answer.headers.get(f"{prefix}-Signature", "")
        genuine = hmac.compare_digest(expected.encode(), signed.encode())
        if answer.status >= 500:
            return Unknown("provider-fault")
        if not genuine and not (answer.status == 401 and not signed):
            return Unknown("answer-invalid")
        return Unknown("too-often") if answer.status == 429 else answer
