"""Who may call a twin of one of our own generic profiles: signature, window, each nonce once."""

import hmac
from collections.abc import Mapping
from typing import Any

from litestar import Request

from crypto.sm3 import hmac_sm3

WINDOW_S = 300
NONCES_MAX = 100_000
AnyRequest = Request[Any, Any, Any]


class GenericAdmission:
    """Clients and their used nonces, in memory. ``clients``: name to secret."""

    def __init__(self, profile: str, clients: Mapping[str, str]) -> None:
        self._prefix = f"x-{profile}-".lower()
        self.clients = dict(clients)
        self._nonces: dict[tuple[str, str], float] = {}

    def client_of(self, request: AnyRequest, body: bytes, now: float) -> str | None:
        """The client whose request it is; None where it is nobody's."""
        client, timestamp, nonce, given = (
            request.headers.get(self._prefix + name, "")
            for name in ("client", "timestamp", "nonce", "signature")
        )
        secret = self.clients.get(client)
        if secret is None or not timestamp.isdecimal() or len(timestamp) > 12:
            return None
        if abs(now - int(timestamp)) >= WINDOW_S or not 1 <= len(nonce) <= 64:
            return None
        raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
        path = raw.split(b"?")[0].decode("ascii", "replace")  # as on the wire
        head = f"POST\n{path}\n{timestamp}\n{nonce}\n".encode()
        expected = hmac_sm3(secret.encode(), head + body + b"\n").hex()
        if not hmac.compare_digest(expected.encode(), given.encode()):
            return None
        return client if self._is_new(client, nonce, now) else None

    def answer_headers(self, request: AnyRequest, status: int, content: bytes) -> dict[str, str]:
        """The signature of an answer to an admitted request."""
        secret = self.clients[request.headers[self._prefix + "client"]]
        nonce = request.headers[self._prefix + "nonce"]
        message = f"{status}\n{nonce}\n".encode() + content + b"\n"
        return {self._prefix + "signature": hmac_sm3(secret.encode(), message).hex()}

    def _is_new(self, client: str, nonce: str, now: float) -> bool:
        if len(self._nonces) >= NONCES_MAX:
            self._nonces = {k: at for k, at in self._nonces.items() if at > now - 2 * WINDOW_S}
        if (client, nonce) in self._nonces or len(self._nonces) >= NONCES_MAX:
            return False
        self._nonces[client, nonce] = now
        return True
