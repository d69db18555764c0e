"""The front machine over HTTP. One process, one event loop: the reader is not shared by threads.

``/v1/verify`` stands in front of the framework, which has the rest: a verdict costs one or two
signature checks, and routing, binding and response objects would cost a third as much again.
"""

import hmac
import secrets
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from crypto.healthcode.layout import Purpose
from service.front_machine.problems import ShownLogUnavailable
from service.kernel.clock import Clock
from service.kernel.logs import get_logger
from service.kernel.problems import (
    BodyTooLarge,
    IdempotencyKeyReused,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    Problem,
)
from service.reader.answers import RequestIdReused
from service.reader.reading import FolderReader, Question, Status
from service.reader.repair import RAW_MAX

BODY_MAX = 16_384
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_BY_STATUS = {404: NotFound, 405: MethodNotAllowed}


class Wanted(StrEnum):
    """What the desk wants the code for."""

    IDENTIFY = "identify"
    REGISTER = "register"
    PAY = "pay"
    OPEN_ARCHIVE = "open_archive"
    COLLECT = "collect"
    CONSENT = "consent"


_PURPOSES = {wanted: Purpose[wanted.name] for wanted in Wanted}
_Name = Annotated[str, msgspec.Meta(max_length=64)]


class VerifyBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A text exactly as the scanner gave it. ``reader`` names the desk; with a ``request_id`` the
    same request of the same desk gets the same answer again."""

    text: Annotated[str, msgspec.Meta(max_length=RAW_MAX)]
    purpose: Wanted = Wanted.IDENTIFY
    request_id: _Name = ""
    reader: _Name = ""
    offer: Annotated[str, msgspec.Meta(max_length=1024)] = ""


class ConfirmBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The platform has the first ``taken`` entries of ``log``: a hand-in's ``first`` and what its
    answer said was taken, together."""

    log: Annotated[str, msgspec.Meta(max_length=32)]
    taken: Annotated[int, msgspec.Meta(ge=0)]


_log = get_logger("front_machine")
_read_body = msgspec.json.Decoder(VerifyBody, strict=True).decode


async def _body_of(scope: Scope, receive: Receive) -> bytes:
    """At most ``BODY_MAX`` bytes; what is announced longer is not read at all."""
    length = _header(scope, b"content-length")
    if length is not None and not (length.isdigit() and len(length) < 9):
        raise MalformedRequest("the length of the body is not a number")
    if length is not None and int(length) > BODY_MAX:
        raise BodyTooLarge
    body = b""
    is_whole = False
    while not is_whole:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise MalformedRequest("the request was cut off")
        body += message.get("body", b"")
        if len(body) > BODY_MAX:
            raise BodyTooLarge
        is_whole = not message.get("more_body")
    return body


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


class FrontMachine:
    """The reader behind its two operations. ``secret`` None: whoever reaches us may ask."""

    def __init__(self, reader: FolderReader, clock: Clock, secret: bytes | None) -> None:
        self._reader = reader
        self._clock = clock
        self._expected = None if secret is None else b"Bearer " + secret

    def check_caller(self, scope: Scope) -> None:
        """``NotAuthenticated`` unless the caller knows the secret."""
        if self._expected is None:
            return
        given = _header(scope, b"authorization") or b""
        if not hmac.compare_digest(given, self._expected):
            raise NotAuthenticated

    async def verify(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST a ``VerifyBody``, get a verdict."""
        try:
            answer = await self._verdict(scope, receive)
        except Problem as problem:
            await _send(send, problem.status, _PROBLEM, _problem_body(problem))
            return
        except Exception as fault:  # noqa: BLE001 - no framework behind us answers for it
            _log.error("verify.failed", fault=fault)
            await _send(send, 500, _PROBLEM, _problem_body(InternalError()))
            return
        await _send(send, 200, _JSON, answer)

    async def _verdict(self, scope: Scope, receive: Receive) -> bytes:
        if scope.get("method") != "POST":
            raise MethodNotAllowed
        self.check_caller(scope)
        body = await _body_of(scope, receive)
        try:
            asked = _read_body(body)
        except msgspec.ValidationError:
            raise MalformedRequest("a member is missing, unknown, too long or wrong") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedRequest("not JSON") from None
        question = Question(
            text=asked.text,
            purpose=_PURPOSES[asked.purpose],
            offer=asked.offer,
            reader=asked.reader,
            request_id=asked.request_id,
        )
        try:
            return self._reader.answer(question, self._clock.now())
        except RequestIdReused:
            raise IdempotencyKeyReused from None
        except OSError:
            raise ShownLogUnavailable(retry_after_s=1) from None

    def status(self, scope: Scope) -> Status:
        """Ages of the lists, counts."""
        self.check_caller(scope)
        return self._reader.status(self._clock.now())

    def hand_in(self, scope: Scope) -> bytes | None:
        """The next body for the platform."""
        self.check_caller(scope)
        body = self._reader.next_hand_in()
        return None if body is None else msgspec.json.encode(body)

    async def confirm(self, scope: Scope, receive: Receive) -> None:
        """POST a ``ConfirmBody``."""
        self.check_caller(scope)
        try:
            said = msgspec.json.decode(await _body_of(scope, receive), type=ConfirmBody)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedRequest("log and taken are wanted") from None
        try:
            self._reader.confirm(said.log, said.taken, self._clock.now())
        except ValueError as fault:
            raise MalformedRequest(str(fault)) from None


async def _send(send: Send, status: int, kind: tuple[bytes, bytes], body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [kind, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _problem_body(problem: Problem) -> bytes:
    return msgspec.json.encode(problem.body(secrets.token_hex(8)))


def _answer_fault(_request: Request[Any, Any, Any], fault: Exception) -> Response[bytes]:
    problem: Problem = InternalError()
    if isinstance(fault, Problem):
        problem = fault
    elif isinstance(fault, HTTPException):
        problem = _BY_STATUS.get(fault.status_code, MalformedRequest)()
    return Response(
        content=_problem_body(problem),
        status_code=problem.status,
        media_type="application/problem+json",
    )


def create_front_app(reader: FolderReader, clock: Clock, secret: bytes | None) -> ASGIApp:
    """The application around an opened reader."""
    machine = FrontMachine(reader, clock, secret)

    @get("/v1/status", sync_to_thread=False)
    def status(request: Request[Any, Any, Any]) -> Status:
        return machine.status(request.scope)

    @get("/v1/shown-codes", sync_to_thread=False)
    def hand_in(request: Request[Any, Any, Any]) -> Response[bytes | None]:
        body = machine.hand_in(request.scope)
        return Response(body, status_code=200 if body else 204, media_type="application/json")

    @post("/v1/shown-codes/confirmation", status_code=200)
    async def confirm(request: Request[Any, Any, Any]) -> Status:
        await machine.confirm(request.scope, request.receive)
        return machine.status(request.scope)

    framework = Litestar(
        route_handlers=[status, hand_in, confirm],
        exception_handlers={HTTPException: _answer_fault, Exception: _answer_fault},
        openapi_config=None,
        logging_config=None,
        pdb_on_exception=False,
        debug=False,
    )

    async def front_door(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/v1/verify" and "method" in scope:
            await machine.verify(scope, receive, send)
        else:
            await framework(scope, receive, send)

    return front_door
