"""The real-name twin: checks signature, window and nonce, then compares name and number.

Speaks our own generic profile, written here a second time from its description.
"""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from litestar import Litestar, Request, Response, post

from integrations.sandbox.generic_admission import GenericAdmission

PERSONS_MAX = 1_000_000
TEST_PERSONS = {
    "990001198001010019": "测试甲",
    "990001195502020027": "测试乙",
    "990001199203030039": "测试丙",
    "990001201504040046": "测试丁",
    "990001197005050056": "测试戊",
    "990001194806060066": "测试己",
}
"""Invented, under an unassigned region: number to name."""
AnyRequest = Request[Any, Any, Any]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
IdNo = Annotated[str, msgspec.Meta(pattern="^[0-9]{17}[0-9X]$")]


class Fault(StrEnum):
    """What the next call meets."""

    ERROR = "error"
    FORGED = "forged"
    TOO_OFTEN = "too-often"
    GARBLED = "garbled"


class CheckBody(msgspec.Struct, forbid_unknown_fields=True):
    """A two-factor question."""

    request_no: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    name: Name
    id_no: Annotated[str, msgspec.Meta(min_length=1, max_length=18)]


class PersonBody(msgspec.Struct, forbid_unknown_fields=True):
    """A person to know from now on."""

    name: Name
    id_no: IdNo


class FaultBody(msgspec.Struct, forbid_unknown_fields=True):
    """A fault for the next calls."""

    fault: Fault
    times: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class RealNameTwin:
    """Persons and clients, in memory."""

    def __init__(self, clock: Callable[[], datetime], clients: Mapping[str, str]) -> None:
        self.clock = clock
        self.admission = GenericAdmission("Realname", clients)
        self.persons = dict(TEST_PERSONS)
        self.faults: deque[Fault] = deque(maxlen=1000)

    def result(self, body: CheckBody) -> str:
        """``MATCH``, ``MISMATCH`` or ``NO_RECORD``."""
        known = self.persons.get(body.id_no)
        if known is None:
            return "NO_RECORD"
        return "MATCH" if known == body.name else "MISMATCH"


def _twin(request: AnyRequest) -> RealNameTwin:
    twin: RealNameTwin = request.app.state.twin
    return twin


def _json(content: bytes, status: int, headers: dict[str, str] | None = None) -> Response[Any]:
    return Response(
        content, status_code=status, headers=headers or {}, media_type="application/json"
    )


@post("/realname/v1/two-factor", status_code=200)
async def check(request: AnyRequest) -> Response[Any]:
    """Do name and number belong together?"""
    twin = _twin(request)
    body = await request.body()
    if twin.admission.client_of(request, body, twin.clock().timestamp()) is None:
        return _json(msgspec.json.encode({"code": "BAD_SIGNATURE"}), 401)
    fault = twin.faults.popleft() if twin.faults else None
    status, content = _answer(twin, body, fault)
    signed = content + b" " if fault is Fault.FORGED else content
    return _json(content, status, twin.admission.answer_headers(request, status, signed))


def _answer(twin: RealNameTwin, body: bytes, fault: Fault | None) -> tuple[int, bytes]:
    if fault is Fault.ERROR:
        return 500, b'{"code":"SYSTEM_ERROR"}'
    if fault is Fault.TOO_OFTEN:
        return 429, b'{"code":"TOO_OFTEN"}'
    if fault is Fault.GARBLED:
        return 200, b"<html>"
    try:
        asked = msgspec.json.decode(body, type=CheckBody)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return 400, b'{"code":"BAD_REQUEST"}'
    answer = {"request_no": asked.request_no, "result": twin.result(asked)}
    return 200, msgspec.json.encode(answer)


@post("/sandbox/persons", status_code=200)
async def add_persons(request: AnyRequest) -> Response[Any]:
    """Know these persons too."""
    twin = _twin(request)
    try:
        added = msgspec.json.decode(await request.body(), type=list[PersonBody])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _json(b'{"message":"persons refused"}', 400)
    if len(twin.persons) + len(added) > PERSONS_MAX:
        return _json(b'{"message":"too many persons"}', 400)
    twin.persons |= {person.id_no: person.name for person in added}
    return _json(msgspec.json.encode({"added": len(added)}), 200)


@post("/sandbox/faults", status_code=200)
async def add_fault(request: AnyRequest) -> Response[Any]:
    """Let the next calls go wrong."""
    try:
        body = msgspec.json.decode(await request.body(), type=FaultBody)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _json(b'{"message":"fault refused"}', 400)
    _twin(request).faults.extend([body.fault] * body.times)
    return _json(b'{"queued":true}', 200)


def create_realname_twin(clock: Callable[[], datetime], clients: Mapping[str, str]) -> Litestar:
    """The twin for these clients: client name to secret."""
    app = Litestar(
        route_handlers=[check, add_persons, add_fault],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=1024 * 1024,
    )
    app.state.twin = RealNameTwin(clock, clients)
    return app
