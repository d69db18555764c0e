"""The control routes that twins share: faults to come, and business time. ``app.state.twin`` has
``faults`` and ``jump``."""

from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from integrations.sandbox.book_page import Jump
from integrations.sandbox.fault_plan import RandomFaults, ScriptedFault

AnyRequest = Request[Any, Any, Any]
F = TypeVar("F", bound=StrEnum)
T = TypeVar("T")


def _json(value: object, status: int = 200) -> Response[Any]:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


async def _read(request: AnyRequest, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


@post("/sandbox/clock", status_code=200)
async def jump(request: AnyRequest) -> Response[Any]:
    """Let business time jump."""
    body = await _read(request, Jump)
    if body is None:
        return _json({"message": "jump refused"}, 400)
    moved = request.app.state.twin.jump(body.forward_s)
    return _json({"now": moved.isoformat(timespec="seconds")})


@post("/sandbox/faults/clear", status_code=200)
async def clear_faults(request: AnyRequest) -> Response[Any]:
    """Forget scripted and random faults."""
    request.app.state.twin.faults.clear()
    return _json({"cleared": True})


def control_routes(kind: type[F]) -> list[HTTPRouteHandler]:
    """Clock and faults of a twin that commits faults of this kind."""

    @post("/sandbox/faults", status_code=200)
    async def add_fault(request: AnyRequest) -> Response[Any]:
        """Script one fault."""
        body = await _read(request, ScriptedFault[kind])  # type: ignore[valid-type]
        if body is None:
            return _json({"message": "fault refused"}, 400)
        try:
            request.app.state.twin.faults.add(body)
        except ValueError:
            return _json({"message": "too many faults"}, 429)
        return _json({"added": True})

    @post("/sandbox/faults/random", status_code=200)
    async def random_faults(request: AnyRequest) -> Response[Any]:
        """Begin seeded random faults; rate 0 ends them."""
        body = await _read(request, RandomFaults[kind])  # type: ignore[valid-type]
        if body is None:
            return _json({"message": "faults refused"}, 400)
        request.app.state.twin.faults.randomise(body if body.rate_permille else None)
        return _json({"seed": body.seed})

    return [jump, clear_faults, add_fault, random_faults]
