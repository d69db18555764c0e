"""Callers as a hospital's system and a terminal would write them: sign, send, check the answer."""

import base64
import secrets

import httpx
import msgspec

from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm3 import hmac_sm3
from service.kernel.clock import Clock
from service.kernel.signed_requests import (
    SCHEME_APPLICATION,
    SCHEME_TERMINAL,
    answer_to_sign,
    authorization,
    text_to_sign,
)


class Caller:
    """Signs each request; refuses an answer that is not signed back."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, caller_id: str) -> None:
        self.client = client
        self.clock = clock
        self.caller_id = caller_id

    scheme = ""

    def sign(self, text: bytes) -> bytes:
        raise NotImplementedError

    def check(self, text: bytes, signature: bytes) -> bool:
        raise NotImplementedError

    async def send(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        key: str = "",
        nonce: str | None = None,
        timestamp: int | None = None,
        content: bytes | None = None,
        more: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a signed request and check the signature of the answer."""
        if content is None:
            content = b"" if body is None else msgspec.json.encode(body)
        nonce = nonce or secrets.token_hex(12)
        timestamp = timestamp if timestamp is not None else int(self.clock.now().timestamp())
        text = text_to_sign(
            caller_id=self.caller_id,
            method=method,
            host=self.client.base_url.netloc.decode(),
            target=target,
            timestamp=timestamp,
            nonce=nonce,
            idempotency_key=key,
            body=content,
        )
        header = authorization(self.scheme, self.caller_id, timestamp, nonce, self.sign(text))
        headers = {"authorization": header, "content-type": "application/json", **(more or {})}
        if key:
            headers["idempotency-key"] = key
        answer = await self.client.request(method, target, content=content, headers=headers)
        if "yimatong-signature" in answer.headers:
            signed = answer_to_sign(status=answer.status_code, nonce=nonce, body=answer.content)
            assert self.check(signed, base64.b64decode(answer.headers["yimatong-signature"]))
        else:
            assert answer.status_code in (401, 403, 413, 429, 500, 503), "an unsigned answer"
        return answer


class ApplicationCaller(Caller):
    """A hospital's system."""

    scheme = SCHEME_APPLICATION

    def __init__(
        self,
        client: httpx.AsyncClient,
        clock: Clock,
        caller_id: str,
        key: PrivateKey,
        platform: PublicKey,
    ) -> None:
        super().__init__(client, clock, caller_id)
        self.key = key
        self.platform = platform

    def sign(self, text: bytes) -> bytes:
        return self.key.sign(text)

    def check(self, text: bytes, signature: bytes) -> bool:
        return self.platform.verify(text, signature)


class TerminalCaller(Caller):
    """A kiosk or desk scanner."""

    scheme = SCHEME_TERMINAL

    def __init__(self, client: httpx.AsyncClient, clock: Clock, caller_id: str, key: bytes) -> None:
        super().__init__(client, clock, caller_id)
        self.key = key

    def sign(self, text: bytes) -> bytes:
        return hmac_sm3(self.key, text)

    def check(self, text: bytes, signature: bytes) -> bool:
        return hmac_sm3(self.key, text) == signature
