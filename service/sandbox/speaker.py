"""HTTP as a resident, a terminal and a hospital speak it, for the demo journey."""

import asyncio
import base64
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm3 import hmac_sm3
from service.kernel.clock import SystemClock
from service.kernel.signed_requests import (
    SCHEME_APPLICATION,
    SCHEME_TERMINAL,
    answer_to_sign,
    authorization,
    text_to_sign,
)
from service.sandbox.hospital import DemoHospital, DemoTerminal

WAIT_S = 30.0
PAUSE_S = 0.1


class StepWrong(Exception):
    """A step of the journey did not end as it must; the message says what was seen."""


class Speaker:
    """Sends requests and refuses unexpected answers. ``sign`` is None for residents."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        caller_id: str = "",
        scheme: str = "",
        sign: Callable[[bytes], bytes] | None = None,
        check: Callable[[bytes, bytes], bool] | None = None,
        token: str = "",
    ) -> None:
        self._client = client
        self._caller_id = caller_id
        self._scheme = scheme
        self._sign = sign
        self._check = check
        self._token = token

    async def send(self, method: str, target: str, body: Any = None, *, key: str = "") -> Any:
        """The raw answer; the signature of a signed answer is checked."""
        content = b"" if body is None else msgspec.json.encode(body)
        headers = {"content-type": "application/json"}
        if key:
            headers["idempotency-key"] = key
        nonce = secrets.token_hex(12)
        if self._sign is not None:
            now = int(SystemClock().now().timestamp())
            text = text_to_sign(
                caller_id=self._caller_id,
                method=method,
                host=urlsplit(str(self._client.base_url)).netloc,
                target=target,
                timestamp=now,
                nonce=nonce,
                idempotency_key=key,
                body=content,
            )
            headers["authorization"] = authorization(
                self._scheme, self._caller_id, now, nonce, self._sign(text)
            )
        elif self._token:
            headers["authorization"] = f"Bearer {self._token}"
        answer = await self._client.request(method, target, content=content, headers=headers)
        if self._check is not None:
            signature = base64.b64decode(answer.headers.get("yimatong-signature", ""))
            signed = answer_to_sign(status=answer.status_code, nonce=nonce, body=answer.content)
            if not self._check(signed, signature):
                raise StepWrong(
                    f"{method} {target}: no known key of the platform signed the answer"
                    f" ({answer.status_code})"
                )
        return answer

    async def ask(self, method: str, target: str, body: Any = None, *, key: str = "") -> Any:
        """The decoded answer of a success. Raises ``StepWrong`` with the problem's code."""
        answer = await self.send(method, target, body, key=key)
        if answer.status_code >= 300:
            raise StepWrong(f"{method} {target}: {answer.status_code} {answer.text[:300]}")
        return msgspec.json.decode(answer.content)

    async def refused(
        self, method: str, target: str, body: Any = None, *, key: str = "", code: str
    ) -> None:
        """The problem must have this code."""
        answer = await self.send(method, target, body, key=key)
        seen = msgspec.json.decode(answer.content).get("code")
        if seen != code:
            raise StepWrong(f"{method} {target}: expected {code}, saw {answer.status_code} {seen}")


def as_hospital(client: httpx.AsyncClient, hospital: DemoHospital) -> Speaker:
    """The hospital's system, signing with SM2."""
    key = PrivateKey.from_bytes(bytes.fromhex(hospital.private_key))
    platform = [PublicKey.from_bytes(bytes.fromhex(known)) for known in hospital.platform_keys]
    return Speaker(
        client,
        caller_id=hospital.application_id,
        scheme=SCHEME_APPLICATION,
        sign=key.sign,
        check=lambda text, signature: (
            len(signature) == 64 and any(known.verify(text, signature) for known in platform)
        ),
    )


def as_terminal(client: httpx.AsyncClient, terminal: DemoTerminal) -> Speaker:
    """A terminal, signing with HMAC-SM3."""
    key = bytes.fromhex(terminal.key)
    return Speaker(
        client,
        caller_id=terminal.terminal_id,
        scheme=SCHEME_TERMINAL,
        sign=lambda text: hmac_sm3(key, text),
        check=lambda text, signature: hmac_sm3(key, text) == signature,
    )


async def until(
    ask: Callable[[], Awaitable[Any]], wanted: frozenset[str], *, stuck: frozenset[str]
) -> Any:
    """Ask until ``state`` is wanted. Raises ``StepWrong`` when it is stuck or takes too long."""
    end = time.monotonic() + WAIT_S
    while True:
        seen = await ask()
        if seen["state"] in wanted:
            return seen
        if seen["state"] in stuck or time.monotonic() > end:
            raise StepWrong(
                f"waited for {sorted(wanted)}, saw {seen['state']} {seen.get('reason')}"
            )
        await asyncio.sleep(PAUSE_S)
