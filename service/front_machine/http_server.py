"""HTTP/1.1 for small requests whose answers are computed at once, over httptools' parser.

Decision 0014 says why not one of the ASGI servers, and why what came in one turn of the loop is
answered together. Everything is bounded: the head, the body, the time for a request to arrive and
for an answer to be taken, and the number of connections.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import NamedTuple, cast

import httptools

HEAD_MAX = 16_384
BODY_MAX = 16_384
READ_MAX = 16_384
CONNECTIONS_MAX = 512
TOGETHER_MAX = 16
"""So many requests are answered together: the first of them waits for the last."""
REQUEST_WITHIN_S = 10.0
"""From the first byte of a request to its last; so long a client may also be in taking answers."""
IDLE_S = 75.0
SWEEP_S = 1.0

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_KEPT = frozenset({b"authorization", b"content-length", b"expect"})


class Request(NamedTuple):
    """A whole request. ``authorization`` is empty where there was none."""

    method: bytes
    path: bytes
    authorization: bytes
    body: bytes


class Reply(NamedTuple):
    """A whole answer. ``allow``: the methods of the path, for a 405."""

    status: int
    body: bytes = b""
    kind: bytes = b"application/json"
    allow: bytes = b""


class _Unreadable(Exception):
    """The request is not read to its end; ``status`` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


AnswerAll = Callable[[Sequence[Request]], list[Reply]]
"""Gives the answers to whole requests, each of another client; must not raise or wait."""
Refuse = Callable[[int], Reply]
"""Gives the answer to a request that was not read: 400, 408, 413, 431 or 503."""


class HttpServer:
    """Listens, and keeps its connections within their bounds."""

    def __init__(
        self,
        answer_all: AnswerAll,
        refuse: Refuse,
        *,
        connections_max: int = CONNECTIONS_MAX,
        request_within_s: float = REQUEST_WITHIN_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self.answer_all = answer_all
        self.refuse = refuse
        self.connections_max = connections_max
        self.request_within_s = request_within_s
        self.idle_s = idle_s
        self.connections: set[_Connection] = set()
        self.now_s = 0.0
        """The loop's time, as of the last sweep."""
        self.date = b""
        self._server: asyncio.Server | None = None
        self._asked: list[tuple[_Connection, Request]] = []
        """What came in this turn of the loop; at most one request of a connection."""

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Begin. ``OSError`` if the address is taken or not ours."""
        loop = asyncio.get_running_loop()
        self._sweep(loop.time())
        self._server = await loop.create_server(
            lambda: _Connection(self),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else self.request_within_s,
            ssl_shutdown_timeout=None if tls is None else 5,
        )

    @property
    def port(self) -> int:
        """Where it listens; useful when 0 was asked for."""
        if self._server is None:
            raise RuntimeError("not listening")
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    def close(self) -> None:
        """Listen no more and end all connections; what was answered is sent."""
        if self._server is not None:
            self._server.close()
        self.answer_asked()
        for connection in list(self.connections):
            connection.end()

    def ask(self, connection: "_Connection", request: Request) -> None:
        """Have a request answered with the others of this turn of the loop."""
        if not self._asked:
            asyncio.get_running_loop().call_soon(self.answer_asked)
        self._asked.append((connection, request))

    def answer_asked(self) -> None:
        """Answer what was asked until now."""
        asked, self._asked = self._asked, []
        for at in range(0, len(asked), TOGETHER_MAX):
            together = asked[at : at + TOGETHER_MAX]
            replies = self.answer_all([request for _, request in together])
            for (connection, _), reply in zip(together, replies, strict=True):
                connection.reply(reply)

    async def sweep(self) -> None:
        """End what takes too long, every second, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self._sweep(asyncio.get_running_loop().time())

    def _sweep(self, now_s: float) -> None:
        self.now_s = now_s
        self.date = b"date: " + formatdate(time(), usegmt=True).encode() + b"\r\n"
        for connection in list(self.connections):
            connection.check_deadline(now_s)


class _Connection(asyncio.BufferedProtocol):
    """One client. Requests are answered in their order, each before the next is read; nothing else
    is said while one waits for its answer."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        # A view, not the bytearray: asyncio's TLS fills it by slices, which must not be copies.
        self._buffer = memoryview(bytearray(READ_MAX))
        self._parser = httptools.HttpRequestParser(self)
        self._fed = 0
        self._is_asking = False
        """A whole request has come and waits for the end of this turn of the loop."""
        self._is_last = False
        """It is the last of the connection."""
        self._with_body = True
        """Its answer may have one."""
        self._is_busy = False
        """Part of a request has come, or an answer waits to be taken."""
        self._is_paused = False
        """The client does not take what was answered."""
        self._is_over = False
        """The last answer is given; what still comes is thrown away."""
        self._deadline_s = server.now_s + server.idle_s
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What loops give is both ways, and uvloop's is of no such class.
        self._transport = cast("asyncio.Transport", transport)
        if len(self._server.connections) >= self._server.connections_max:
            self._send(self._server.refuse(503), is_last=True)
            self.end()
            return
        self._server.connections.add(self)

    def connection_lost(self, _fault: Exception | None) -> None:
        self._server.connections.discard(self)

    def get_buffer(self, _size_hint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        if self._is_over:
            return
        self._fed += count
        if not self._is_busy:
            self._begin_wait()
        try:
            self._parser.feed_data(self._buffer[:count])
        except httptools.HttpParserCallbackError as raised:
            cause = raised.__context__
            self._give_up(cause.status if isinstance(cause, _Unreadable) else 400)
        except httptools.HttpParserUpgrade:
            self.end()
        except httptools.HttpParserError:
            self._give_up(400)
        else:
            if self._fed > HEAD_MAX + BODY_MAX:
                self._give_up(431)

    def eof_received(self) -> bool:
        self._settle()
        return False

    def pause_writing(self) -> None:
        """The client takes nothing: nothing more is read from it meanwhile."""
        self._is_paused = True
        self._transport.pause_reading()
        self._begin_wait()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._rest()
        self._transport.resume_reading()

    def check_deadline(self, now_s: float) -> None:
        """End what took too long."""
        if now_s < self._deadline_s:
            return
        if self._is_over or self._transport.get_write_buffer_size():
            self._transport.abort()
        elif self._is_busy:
            self._give_up(408)
        else:
            self.end()

    def end(self) -> None:
        """Close when everything answered is sent, or the time for that is over."""
        self._settle()
        self._is_over = True
        self._begin_wait()
        self._transport.close()

    def _give_up(self, status: int) -> None:
        """Answer before the request was read, then wait for the client to hear it: closing over
        bytes that nobody read would take the answer back."""
        self._settle()
        if self._is_over:
            return
        self._send(self._server.refuse(status), is_last=True)
        self._is_over = True
        self._begin_wait()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _begin_wait(self) -> None:
        self._is_busy = True
        self._deadline_s = self._server.now_s + self._server.request_within_s

    def _rest(self) -> None:
        self._is_busy = False
        self._fed = 0
        self._deadline_s = self._server.now_s + self._server.idle_s

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._body = b""

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _KEPT:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        length = self._headers.get(b"content-length", b"0")
        if len(length) > 8 or int(length) > BODY_MAX:
            raise _Unreadable(413)
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._settle()
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        self._body += part
        if len(self._body) > BODY_MAX:
            raise _Unreadable(413)

    def on_message_complete(self) -> None:
        self._settle()
        if self._is_paused:
            # Asking on without taking answers: those would pile up here.
            self.end()
        if self._is_over:
            return
        method, path = self._parser.get_method(), self._url
        if not path.startswith(b"/") or b"?" in path:
            path = httptools.parse_url(path).path or b"/"
        request = Request(method, path, self._headers.get(b"authorization", b""), self._body)
        self._rest()
        # Another protocol that a client offers is not taken up, but the parser stops there.
        self._is_last = not self._parser.should_keep_alive() or self._parser.should_upgrade()
        self._with_body = method != b"HEAD"
        self._is_asking = True
        self._server.ask(self, request)

    def _settle(self) -> None:
        if self._is_asking:
            self._server.answer_asked()

    def reply(self, reply: Reply) -> None:
        """The answer to the request that waits."""
        self._is_asking = False
        if self._transport.is_closing():
            return
        self._send(reply, is_last=self._is_last, with_body=self._with_body)
        if self._is_last:
            self.end()

    def _send(self, reply: Reply, *, is_last: bool, with_body: bool = True) -> None:
        parts = [_STATUS_LINES[reply.status], self._server.date]
        if reply.status != HTTPStatus.NO_CONTENT:
            length = b"\r\ncontent-length: %d\r\n" % len(reply.body)
            parts += (b"content-type: ", reply.kind, length)
        if reply.allow:
            parts += (b"allow: ", reply.allow, b"\r\n")
        if is_last:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        if with_body:
            parts.append(reply.body)
        self._transport.write(b"".join(parts))
