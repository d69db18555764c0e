"""An answer that breaks off, so that the caller cannot know what was done."""

from typing import Any

from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send


class ConnectionDropped(ConnectionError):
    """Raised on purpose, so that the server breaks the connection off."""


class _Broken(ASGIResponse):
    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]}
        )
        # Servers that buffer the head would otherwise answer 500 in its place.
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ConnectionDropped("dropped on purpose")


class BrokenOff(Response[Any]):
    """Begins an answer and breaks off."""

    def __init__(self) -> None:
        super().__init__(b"")

    def to_asgi_response(self, *_args: Any, **_options: Any) -> ASGIResponse:
        """What breaks off."""
        return _Broken()
