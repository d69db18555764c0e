"""Signed callers for locust users: the same eight lines as docs/integration.md."""

import base64
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from crypto.sm2 import PrivateKey
from crypto.sm3 import hmac_sm3


class Signer:
    """Signs as one terminal or one application."""

    def __init__(self, host: str, *, caller_id: str, key: str, application: bool) -> None:
        self._host = urlsplit(host).netloc
        self._caller_id = caller_id
        self._secret = bytes.fromhex(key)
        self._private = PrivateKey.from_bytes(self._secret) if application else None
        self._scheme = "YIMATONG-SM2-SM3" if application else "YIMATONG-HMAC-SM3"

    def headers(self, method: str, target: str, body: bytes, key: str) -> dict[str, str]:
        """Headers of one request."""
        timestamp, nonce = str(int(time.time())), secrets.token_hex(12)
        lines = [self._caller_id, method, self._host, target, timestamp, nonce, key]
        text = "".join(f"{line}\n" for line in lines).encode() + body + b"\n"
        made = self._private.sign(text) if self._private else hmac_sm3(self._secret, text)
        signature = base64.b64encode(made).decode()
        headers = {
            "authorization": (
                f'{self._scheme} id="{self._caller_id}",timestamp="{timestamp}",'
                f'nonce="{nonce}",signature="{signature}"'
            ),
            "content-type": "application/json",
        }
        if key:
            headers["idempotency-key"] = key
        return headers


class Refused(Exception):
    """An answer that is not a success; the message is the problem's code."""


def ask(
    client: Any,
    method: str,
    target: str,
    body: Any = None,
    *,
    name: str,
    signer: Signer | None = None,
    token: str = "",
    key: str = "",
) -> Any:
    """Send by locust's client and decode the success. Raises ``Refused``."""
    content = b"" if body is None else msgspec.json.encode(body)
    if signer is not None:
        headers = signer.headers(method, target, content, key)
    else:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        if key:
            headers["idempotency-key"] = key
    with client.request(
        method, target, data=content, headers=headers, name=name, catch_response=True
    ) as answer:
        if not answer.content or answer.status_code >= 300 or answer.status_code == 0:
            code = "no-answer"
            if answer.content:
                code = msgspec.json.decode(answer.content).get("code", "unknown")
            answer.failure(code)
            raise Refused(code)
        return msgspec.json.decode(answer.content)
