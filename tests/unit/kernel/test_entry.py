"""The outermost layer: a body is whole, and ends with the length that its request declared."""

import asyncio
from collections.abc import Iterator

import pytest

from service.kernel.entry import Entry, Message, Receive, Scope, Send, read_body
from service.kernel.limits import BoundedQueue
from service.kernel.metrics import Metrics


async def _what_is_read(pieces: list[tuple[bytes, bool]], *headers: tuple[bytes, bytes]) -> bytes:
    """By an application, from a server that sends these pieces and nothing after them."""
    waiting: Iterator[tuple[bytes, bool]] = iter(pieces)
    read: list[bytes] = []

    async def receive() -> Message:
        for body, more in waiting:
            return {"type": "http.request", "body": body, "more_body": more}
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        read.append(await read_body(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(_message: Message) -> None:
        return None

    queue = BoundedQueue(running=1, waiting=1, patience_s=1)
    scope: Scope = {"type": "http", "path": "/v1/me", "method": "POST", "headers": list(headers)}
    async with asyncio.timeout(30):
        await Entry(app, queue=queue, metrics=Metrics())(scope, receive, send)
    return read[0]


@pytest.mark.parametrize(
    "pieces",
    [
        [(b"a body", True)],
        [(b"a b", True), (b"ody", True)],
        [(b"a body", False)],
        [(b"", True), (b"a body", True)],
    ],
)
async def test_a_body_ends_with_its_declared_length(pieces: list[tuple[bytes, bool]]) -> None:
    assert await _what_is_read(pieces, (b"content-length", b"6")) == b"a body"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked"), (b"content-length", b"1")],
        [(b"content-length", b"no number")],
    ],
)
async def test_a_body_without_a_length_ends_when_the_server_says_so(
    headers: list[tuple[bytes, bytes]],
) -> None:
    pieces = [(b"a b", True), (b"ody", True), (b"", False)]
    assert await _what_is_read(pieces, *headers) == b"a body"
