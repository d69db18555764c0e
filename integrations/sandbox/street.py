"""All twins of a sandbox behind one address, each under its own first path segment.

``raw_path`` keeps the address as it is on the wire, because signatures cover it; ``path`` loses
the segment, so that a twin serves the paths of the partner's document.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

from litestar import Litestar

from integrations.sandbox.book_page import index_text

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Street:
    """An ASGI application that hands each request to the twin of its first segment."""

    def __init__(self, twins: Mapping[str, Litestar], *, title: str) -> None:
        self._twins = dict(twins)
        self._title = title

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        name, _, rest = scope["path"].lstrip("/").partition("/")
        twin = self._twins.get(name)
        if twin is None:
            await self._answer(scope["path"], send)
            return
        if rest.startswith("sandbox/"):
            if scope["method"] == "OPTIONS":
                await self._allow_pages(send)
                return
            send = _open_to_pages(send)
        raw = scope.get("raw_path") or scope["path"].encode()
        inner = {**scope, "path": "/" + rest, "raw_path": raw, "state": {}}
        await twin(inner, receive, send)  # type: ignore[arg-type]

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                for twin in self._twins.values():
                    await stack.enter_async_context(twin.lifespan())
            except Exception as fault:
                await send({"type": "lifespan.startup.failed", "message": str(fault)})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _allow_pages(self, send: Send) -> None:
        """Answer a browser's question whether a page may use the control routes: anyone may."""
        headers = [
            *_OPEN,
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-allow-headers", b"content-type"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _answer(self, path: str, send: Send) -> None:
        known = path in ("/", "/healthz")
        kind, text = "text/plain", "no such twin\n"
        if known:
            books = [name for name, twin in self._twins.items() if _has_page(twin)]
            kind, text = "text/html", index_text(self._title, books, set(self._twins) - set(books))
        headers = [(b"content-type", f"{kind}; charset=utf-8".encode())]
        await send(
            {"type": "http.response.start", "status": 200 if known else 404, "headers": headers}
        )
        await send({"type": "http.response.body", "body": text.encode()})


def _has_page(twin: Litestar) -> bool:
    """Whether the twin shows its book to people."""
    return any(route.path == "/sandbox" for route in twin.routes)


_OPEN = [(b"access-control-allow-origin", b"*")]


def _open_to_pages(send: Send) -> Send:
    """Control routes are called by pages of another port; nothing behind them is real."""

    async def opened(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_OPEN]}
        await send(message)

    return opened
