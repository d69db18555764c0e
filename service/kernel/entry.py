"""The outermost ASGI layers: request ids and bounds, signatures of hospitals and terminals.

They stand outside the framework so that every answer of a signed path, errors included, is
signed back.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from time import perf_counter
from typing import Any

import msgspec
import structlog

from integrations.ports.outcalls import Waiting, waiting
from service.kernel.clock import Clock
from service.kernel.http_problems import MEDIA_TYPE, problem_headers, problem_of
from service.kernel.limits import BoundedQueue, RateLimit
from service.kernel.logs import get_logger
from service.kernel.metrics import Metrics
from service.kernel.principals import Application, Terminal
from service.kernel.problems import BodyTooLarge, NotAuthenticated, Overloaded, SignerUnavailable
from service.kernel.signed_requests import (
    SCHEME_APPLICATION,
    SCHEME_TERMINAL,
    Claimed,
    answer_to_sign,
    check_window,
    header_of,
    read_authorization,
    text_to_sign,
)
from service.kernel.strict_body import BODY_MAX

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

UNQUEUED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by those who watch the server: a full queue must not look like a dead server."""
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
SIGNED_PREFIXES: Mapping[str, str] = {
    "/v1/institution/": SCHEME_APPLICATION,
    "/v1/terminal/": SCHEME_TERMINAL,
}

_log = get_logger("entry")
_REFUSAL = Overloaded(retry_after_s=1)
_OVERLOADED = msgspec.json.encode(_REFUSAL.body("\0")).replace(b"\\u0000", b"%s")
_OVERLOADED_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    *((name.lower().encode(), text.encode()) for name, text in problem_headers(_REFUSAL).items()),
]


class Proved(msgspec.Struct, frozen=True):
    """A caller whose signature holds, and how answers to it are signed."""

    principal: Application | Terminal
    sign: Callable[[bytes], Awaitable[tuple[str, bytes]]]
    """Gives our key's name and the signature over the bytes."""


Prove = Callable[[Claimed, bytes, bool], Awaitable[Proved]]
"""(claims, text to sign, changes state) -> the caller. Raises NotAuthenticated, NonceReused."""


async def send_problem(scope: Scope, send: Send, fault: Exception) -> None:
    """Answer with a problem from outside the framework."""
    problem = problem_of(fault)
    body = msgspec.json.encode(problem.body(scope["state"]["request_id"]))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(k.lower().encode(), v.encode()) for k, v in problem_headers(problem).items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Entry:
    """Gives each request an id, a place in the bounded queue, a log line and a metric."""

    def __init__(self, app: App, *, queue: BoundedQueue, metrics: Metrics) -> None:
        self._app = app
        self._queue = queue
        self._metrics = metrics
        self._shed_count = metrics.requests.labels("shed", str(Overloaded.status))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        came = perf_counter()
        if scope["path"] in UNQUEUED:
            await self._answer(scope, receive, send, came)
        elif self._queue.take_free() or await self._queue.wait():
            try:
                await self._answer(scope, receive, send, came)
            finally:
                self._queue.give_back()
        else:
            await self._shed(send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, came: float) -> None:
        """``came``: on ``perf_counter``; the time in line counts as time to answer."""
        request_id = secrets.token_hex(8)
        scope["state"] = {**(scope.get("state") or {}), "request_id": request_id}
        status = 0

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        before = structlog.contextvars.bind_contextvars(request_id=request_id)
        partners = Waiting()
        counting = waiting.set(partners)
        try:
            await self._app(scope, _ending_by_length(scope, receive), noting_send)
        except Exception as fault:
            if status:
                raise
            if problem_of(fault).status >= 500:
                _log.error("request.failed", fault=fault)
            await send_problem(scope, noting_send, fault)
        finally:
            waiting.reset(counting)
            structlog.contextvars.reset_contextvars(**before)
        took_s = perf_counter() - came
        self._metrics.answered(_operation(scope), status, took_s, took_s - partners.seconds)

    async def _shed(self, send: Send) -> None:
        """Refuse before any work: what is refused must cost next to nothing."""
        self._shed_count.inc()
        request_id = secrets.token_hex(8).encode()
        body = _OVERLOADED % request_id
        headers = [
            *_OVERLOADED_HEADERS,
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id),
        ]
        await send({"type": "http.response.start", "status": Overloaded.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _ending_by_length(scope: Scope, receive: Receive) -> Receive:
    """The body ends with its last byte.

    The server says so only in a message of its own, and to wait for that one costs as much as to
    read the body.
    """
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or b"transfer-encoding" in headers:
        return receive
    missing = int(length)

    async def ending() -> Message:
        nonlocal missing
        message = await receive()
        if message["type"] == "http.request":
            missing -= len(message.get("body", b""))
            if missing <= 0:
                message["more_body"] = False
        return message

    return ending


def _operation(scope: Scope) -> str:
    """The route's template, never the path itself: ids do not become metric labels."""
    template = scope.get("path_template")
    return f"{scope['method']} {template}" if template else "unmatched"


class SignedExchange:
    """Proves the signature of requests under the signed prefixes, and of any other that bears
    one, and signs every answer back."""

    def __init__(self, app: App, *, prove: Prove, clock: Clock, limit: RateLimit) -> None:
        self._app = app
        self._prove = prove
        self._clock = clock
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheme = _scheme(scope)
        if scheme is None:
            await self._app(scope, receive, send)
            return
        body = await read_body(receive)
        claimed, proved = await self._authenticate(scheme, scope, body)
        self._limit.take(proved.principal.caller, self._clock.now())
        scope["state"]["principal"] = proved.principal
        await self._app(
            scope, _replay(body, receive), _signing_send(scope, send, claimed.nonce, proved)
        )

    async def _authenticate(self, scheme: str, scope: Scope, body: bytes) -> tuple[Claimed, Proved]:
        headers = dict(scope["headers"])
        claimed = read_authorization(header_of(headers, b"authorization"))
        if claimed.scheme != scheme:
            raise NotAuthenticated(f"this path is signed by {scheme}")
        check_window(claimed, self._clock.now())
        text = text_to_sign(
            caller_id=claimed.caller_id,
            method=scope["method"],
            host=header_of(headers, b"host"),
            target=target_of(scope),
            timestamp=claimed.timestamp,
            nonce=claimed.nonce,
            idempotency_key=header_of(headers, b"idempotency-key"),
            body=body,
        )
        return claimed, await self._prove(claimed, text, scope["method"] in CHANGING)


def target_of(scope: Scope) -> str:
    """Path and query as on the wire, as a signature covers them."""
    query = scope.get("query_string", b"")
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return (path.split(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")


def _scheme(scope: Scope) -> str | None:
    if scope["type"] != "http":
        return None
    for prefix, scheme in SIGNED_PREFIXES.items():
        if scope["path"].startswith(prefix):
            return scheme
    # Whoever signs what needs no signature, or has no route, checks that answer too.
    named = header_of(dict(scope["headers"]), b"authorization").partition(" ")[0]
    return named if named in (SCHEME_APPLICATION, SCHEME_TERMINAL) else None


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises ``BodyTooLarge`` as soon as the bound is passed."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > BODY_MAX:
            raise BodyTooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            break
    return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _signing_send(scope: Scope, send: Send, nonce: str, proved: Proved) -> Send:
    start: Message = {}
    chunks: list[bytes] = []

    async def signing(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        chunks.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        body = b"".join(chunks)
        answer = answer_to_sign(status=start["status"], nonce=nonce, body=body)
        try:
            key, signature = await proved.sign(answer)
        except SignerUnavailable as fault:
            # An answer that cannot be signed is withheld; the caller asks again, by the same key.
            await send_problem(scope, send, fault)
            return
        start["headers"] = [
            *start.get("headers", []),
            (b"yimatong-key", key.encode()),
            (b"yimatong-signature", base64.b64encode(signature)),
        ]
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return signing
