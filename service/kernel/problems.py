"""Errors that callers see: RFC 9457 problems, each with a hand-written code.

    Problem
    ├── kernel: request shape, limits, idempotency, availability (this module)
    └── one ``problems.py`` in each feature

The catalogue ``openapi/problems.yaml`` lists every class; a test compares both ways.
``title`` never varies, ``detail`` may; neither ever holds personal data or SQL.
"""

from typing import ClassVar

TYPE_BASE = "https://yimatong.example/problems/"


class Problem(Exception):
    """An error with an answer. Subclasses set the four class attributes."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", **extensions: str | int | list[dict[str, str]]) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.extensions = extensions

    def body(self, request_id: str) -> dict[str, object]:
        """The problem object of RFC 9457 with our members ``code`` and ``retryable``."""
        answer: dict[str, object] = {
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "retryable": self.retryable,
            "instance": f"urn:yimatong:request:{request_id}",
        }
        if self.detail:
            answer["detail"] = self.detail
        answer.update(self.extensions)
        return answer


class MalformedRequest(Problem):
    """The body is not what the operation declares: wrong type, unknown or missing member."""

    code = "malformed-request"
    status = 400
    title = "The request is not of the declared form"


class BodyTooLarge(Problem):
    """The body is over the bound."""

    code = "body-too-large"
    status = 413
    title = "The request body is too large"


class NotAuthenticated(Problem):
    """No credentials, or credentials that do not verify. Never says which part failed."""

    code = "not-authenticated"
    status = 401
    title = "The caller could not be authenticated"


class TimestampOutsideWindow(Problem):
    """The signed timestamp is more than five minutes from the server's clock."""

    code = "timestamp-outside-window"
    status = 401
    title = "The request's timestamp is too far from the server's time"


class NonceReused(Problem):
    """The same nonce was used before: a replay, or a client that repeats its randomness."""

    code = "nonce-reused"
    status = 401
    title = "The request's nonce was used before"


class NotAllowed(Problem):
    """Known caller, missing scope."""

    code = "not-allowed"
    status = 403
    title = "The caller may not do this"


class NotFound(Problem):
    """Absent, or not the caller's: the two are not told apart."""

    code = "not-found"
    status = 404
    title = "There is no such thing for this caller"


class MethodNotAllowed(Problem):
    """The path exists, the method does not."""

    code = "method-not-allowed"
    status = 405
    title = "The path does not support this method"


class IdempotencyKeyMissing(Problem):
    """An operation that moves state came without an Idempotency-Key."""

    code = "idempotency-key-missing"
    status = 400
    title = "This operation needs an Idempotency-Key header"


class IdempotencyKeyReused(Problem):
    """The key was used before with another input."""

    code = "idempotency-key-reused"
    status = 409
    title = "The idempotency key was used with different input"


class RequestInProgress(Problem):
    """The same key is being worked on right now."""

    code = "request-in-progress"
    status = 409
    title = "The same request is still being worked on"
    retryable = True


class StateConflict(Problem):
    """The thing is in a state that does not allow this, or somebody was faster."""

    code = "state-conflict"
    status = 409
    title = "The present state does not allow this"


class TooManyRequests(Problem):
    """The caller's rate limit is used up."""

    code = "too-many-requests"
    status = 429
    title = "Too many requests from this caller"
    retryable = True


class Overloaded(Problem):
    """The server's queue is full."""

    code = "overloaded"
    status = 503
    title = "The server is at its limit; try again shortly"
    retryable = True


class DatabaseUnavailable(Problem):
    """The database does not answer; nothing was changed by this request unless repeated."""

    code = "database-unavailable"
    status = 503
    title = "The database cannot be reached; try again shortly"
    retryable = True


class InternalError(Problem):
    """Our fault. Nothing about the cause leaves the server."""

    code = "internal-error"
    status = 500
    title = "An internal error happened"


class SignerUnavailable(Problem):
    """What signs cannot be asked, did not answer in time, or answered wrongly."""

    code = "signer-unavailable"
    status = 503
    title = "Nothing can be signed at present; try again shortly"
    retryable = True


class InvariantBroken(Exception):
    """Something that cannot be true is true. Aborts the request and its transaction, and alarms."""


class RowTampered(InvariantBroken):
    """A row's MAC does not verify: it was changed by something other than this program."""


class NotSetUp(Exception):
    """What a process needs to begin is missing or does not open; no caller ever sees it.

    ``what`` says which, never what is inside, and ``way_out`` what the operator does about it.
    """

    def __init__(self, what: str, way_out: str = "") -> None:
        super().__init__(f"{what}: {way_out}" if way_out else what)
        self.what = what
        self.way_out = way_out
