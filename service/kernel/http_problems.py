"""Turns every exception that reaches HTTP into an ``application/problem+json`` answer."""

from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from service.kernel.database import UNAVAILABLE
from service.kernel.logs import get_logger
from service.kernel.problems import (
    BodyTooLarge,
    DatabaseUnavailable,
    InternalError,
    InvariantBroken,
    MalformedRequest,
    MethodNotAllowed,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Problem,
    TooManyRequests,
)

MEDIA_TYPE = "application/problem+json"

_BY_STATUS: Mapping[int, type[Problem]] = {
    400: MalformedRequest,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    429: TooManyRequests,
}

_log = get_logger("http")


def request_id_of(scope: Mapping[str, Any]) -> str:
    """The id that the outermost layer gave this request."""
    state = scope.get("state") or {}
    return str(state.get("request_id", "none"))


def problem_of(fault: Exception) -> Problem:
    """The problem that answers ``fault``; unknown faults become ``internal-error``."""
    if isinstance(fault, Problem):
        return fault
    if isinstance(fault, ValidationException):
        return MalformedRequest(_misread(fault))
    if isinstance(fault, HTTPException):
        return _BY_STATUS.get(fault.status_code, InternalError)()
    if isinstance(fault, (msgspec.ValidationError, asyncpg.CharacterNotInRepertoireError)):
        return MalformedRequest()
    if isinstance(fault, UNAVAILABLE):
        return DatabaseUnavailable(retry_after_s=1)
    return InternalError()


def _misread(fault: ValidationException) -> str:
    """Which parameter the framework could not read; its value is not repeated."""
    extra = fault.extra if isinstance(fault.extra, list) else []
    names = [str(one["key"]) for one in extra if isinstance(one, dict) and "key" in one]
    return f"not of the declared form: {', '.join(names)[:100]}" if names else ""


def problem_headers(problem: Problem) -> dict[str, str]:
    """``Retry-After`` where the problem says how long."""
    wait = problem.extensions.get("retry_after_s")
    return {"Retry-After": str(wait)} if wait is not None else {}


def answer_fault(request: Request[Any, Any, Any], fault: Exception) -> Response[bytes]:
    """Litestar exception handler for every family of exceptions."""
    problem = problem_of(fault)
    if problem.status >= 500:
        alarm = isinstance(fault, InvariantBroken)
        _log.error(
            "request.failed",
            code=problem.code,
            fault=fault,
            alarm=alarm,
            path=request.url.path[:80],
        )
    return Response(
        content=msgspec.json.encode(problem.body(request_id_of(request.scope))),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem_headers(problem),
    )


HANDLERS: dict[int | type[Exception], Any] = {
    HTTPException: answer_fault,
    msgspec.ValidationError: answer_fault,
    Problem: answer_fault,
    Exception: answer_fault,
}
