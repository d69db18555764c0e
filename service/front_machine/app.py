"""The front machine's operations, as functions of whole requests. One process, one event loop: the
reader is not shared by threads."""

import hmac
import secrets
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from crypto.healthcode.layout import Purpose
from service.front_machine.http_server import Reply, Request
from service.front_machine.problems import (
    HeadTooLarge,
    RequestTooSlow,
    ShownLogUnavailable,
    TooManyConnections,
)
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
from service.reader.reading import Answer, FolderReader, Question
from service.reader.repair import RAW_MAX


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
_read_confirmation = msgspec.json.Decoder(ConfirmBody, strict=True).decode
_UNREAD: dict[int, type[Problem]] = {
    400: MalformedRequest,
    408: RequestTooSlow,
    413: BodyTooLarge,
    431: HeadTooLarge,
    503: TooManyConnections,
}


class FrontMachine:
    """The reader behind its operations. ``secret`` None: whoever reaches us may ask."""

    def __init__(self, reader: FolderReader, clock: Clock, secret: bytes | None) -> None:
        self._reader = reader
        self._clock = clock
        self._expected = None if secret is None else b"Bearer " + secret
        self._operations: dict[bytes, tuple[bytes, Callable[[bytes], Question | Reply]]] = {
            b"/v1/verify": (b"POST", _read_question),
            b"/v1/status": (b"GET", self._status),
            b"/v1/shown-codes": (b"GET", self._hand_in),
            b"/v1/shown-codes/confirmation": (b"POST", self._confirm),
        }

    def answer_all(self, requests: Sequence[Request]) -> list[Reply]:
        """The answers to requests of several clients, in their order. Never raises."""
        try:
            return self._answer_all(requests)
        except Exception as fault:  # noqa: BLE001 - a desk gets an answer, whatever happens
            if len(requests) > 1:
                return [self.answer_all([request])[0] for request in requests]
            _log.error("front_machine.failed", fault=fault)
            return [_problem(InternalError())]

    def _answer_all(self, requests: Sequence[Request]) -> list[Reply]:
        """Codes are verified together, which is cheaper."""
        begun = [self._begin(request) for request in requests]
        questions = [one for one in begun if isinstance(one, Question)]
        answers = iter(self._reader.answer_all(questions, self._clock.now()) if questions else ())
        return [_reply(next(answers)) if isinstance(one, Question) else one for one in begun]

    def _begin(self, request: Request) -> Question | Reply:
        """What is asked of the reader, or the answer to all else."""
        try:
            return self._operate(request)
        except Problem as problem:
            return _problem(problem)

    def _operate(self, request: Request) -> Question | Reply:
        operation = self._operations.get(request.path)
        if operation is None:
            raise NotFound
        method, act = operation
        if request.method != method:
            return _problem(MethodNotAllowed())._replace(allow=method)
        if self._expected is not None and not hmac.compare_digest(
            request.authorization, self._expected
        ):
            raise NotAuthenticated
        return act(request.body)

    def refuse(self, status: int) -> Reply:
        """The answer to a request that was not read to its end."""
        return _problem(_UNREAD[status]())

    def _status(self, _body: bytes) -> Reply:
        """Ages of the lists, counts."""
        return Reply(200, msgspec.json.encode(self._reader.status(self._clock.now())))

    def _hand_in(self, _body: bytes) -> Reply:
        """The next body for the platform; 204 where it owes none."""
        body = self._reader.next_hand_in()
        return Reply(204) if body is None else Reply(200, msgspec.json.encode(body))

    def _confirm(self, body: bytes) -> Reply:
        """A ``ConfirmBody``, answered with the status."""
        try:
            said = _read_confirmation(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedRequest("log and taken are wanted") from None
        try:
            self._reader.confirm(said.log, said.taken, self._clock.now())
        except ValueError as fault:
            raise MalformedRequest(str(fault)) from None
        return self._status(b"")


def _read_question(body: bytes) -> Question:
    """A ``VerifyBody``, to be answered with a verdict."""
    try:
        asked = _read_body(body)
    except msgspec.ValidationError:
        raise MalformedRequest("a member is missing, unknown, too long or wrong") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedRequest("not JSON") from None
    return Question(
        text=asked.text,
        purpose=_PURPOSES[asked.purpose],
        offer=asked.offer,
        reader=asked.reader,
        request_id=asked.request_id,
    )


def _reply(answer: Answer) -> Reply:
    """A verdict, or why there is none."""
    if isinstance(answer, bytes):
        return Reply(200, answer)
    if isinstance(answer, RequestIdReused):
        return _problem(IdempotencyKeyReused())
    return _problem(ShownLogUnavailable(retry_after_s=1))


def _problem(problem: Problem) -> Reply:
    body = msgspec.json.encode(problem.body(secrets.token_hex(8)))
    return Reply(problem.status, body, b"application/problem+json")
