"""The login twin: ``/sns/jscode2session`` and a control route that plays ``wx.login``.

A code works once, for five minutes, for the app it was minted for. A person may try 100 times a
minute. The openid is the subject that the code was minted for.
"""

import base64
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Litestar, Request, Response, get, post

CODE_LIVES_S = 300
TRIES_A_MINUTE = 100
CODES_MAX = 100_000
ERRORS = {
    -1: "system error",
    40002: "invalid grant_type",
    40013: "invalid appid",
    40029: "invalid code",
    40125: "invalid appsecret",
    40226: "code blocked",
    45011: "api minute-quota reach limit, must slower, retry next minute",
}
AnyRequest = Request[Any, Any, Any]


class MintBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to log in, and where; the first app when none is named."""

    subject: Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z_-]{1,64}$")]
    appid: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    union: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class ErrorBody(msgspec.Struct, forbid_unknown_fields=True):
    """Answer the next calls with this errcode."""

    errcode: int
    times: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class Minted(msgspec.Struct):
    """What a code stands for."""

    subject: str
    appid: str
    union: str | None
    until: float


class LoginTwin:
    """Codes and tries, in memory."""

    def __init__(self, clock: Callable[[], datetime], apps: Mapping[str, str]) -> None:
        self._clock = clock
        self._apps = dict(apps)
        self._codes: dict[str, Minted] = {}
        self._tries: dict[str, deque[float]] = {}
        self._errors: deque[int] = deque()

    def mint(self, body: MintBody) -> str | None:
        """A new code, or None for an unknown app or a full store."""
        now = self._clock().timestamp()
        appid = body.appid or next(iter(self._apps), "")
        if len(self._codes) >= CODES_MAX:
            self._codes = {code: kept for code, kept in self._codes.items() if kept.until > now}
        if appid not in self._apps or len(self._codes) >= CODES_MAX:
            return None
        code = f"0{secrets.token_hex(15)}"
        self._codes[code] = Minted(body.subject, appid, body.union, now + CODE_LIVES_S)
        return code

    def fail_next(self, body: ErrorBody) -> None:
        """Queue errors."""
        self._errors.extend([body.errcode] * min(body.times, 1000 - min(len(self._errors), 1000)))

    def session(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The answer to one exchange."""
        refused = self._errors.popleft() if self._errors else self._account_fault(query)
        if refused is not None:
            return self._error(refused)
        now = self._clock().timestamp()
        minted = self._codes.pop(query.get("js_code", ""), None)
        if minted is None or minted.appid != query["appid"] or minted.until <= now:
            return self._error(40029)
        if self._too_often(minted.subject, now):
            return self._error(45011)
        answer = {
            "openid": minted.subject,
            "session_key": base64.b64encode(secrets.token_bytes(16)).decode(),
        }
        return answer if minted.union is None else {**answer, "unionid": minted.union}

    def _account_fault(self, query: Mapping[str, str]) -> int | None:
        appid, secret = query.get("appid", ""), query.get("secret", "")
        if query.get("grant_type") != "authorization_code":
            return 40002
        if appid not in self._apps:
            return 40013
        same = secrets.compare_digest(self._apps[appid].encode(), secret.encode())
        return None if same else 40125

    def _too_often(self, subject: str, now: float) -> bool:
        if len(self._tries) > CODES_MAX:
            self._tries.clear()
        tries = self._tries.setdefault(subject, deque(maxlen=TRIES_A_MINUTE))
        if len(tries) == TRIES_A_MINUTE and tries[0] > now - 60:
            return True
        tries.append(now)
        return False

    @staticmethod
    def _error(errcode: int) -> dict[str, Any]:
        text = f"{ERRORS.get(errcode, 'error')}, rid: {secrets.token_hex(8)}"
        return {"errcode": errcode, "errmsg": text}


def _said(value: object, status: int = 200) -> Response[Any]:
    # The partner labels its JSON as plain text.
    return Response(msgspec.json.encode(value), status_code=status, media_type="text/plain")


@get("/sns/jscode2session")
async def jscode2session(request: AnyRequest) -> Response[Any]:
    """Exchange a code."""
    twin: LoginTwin = request.app.state.twin
    return _said(twin.session(dict(request.query_params)))


@post("/sandbox/codes", status_code=200)
async def mint(request: AnyRequest) -> Response[Any]:
    """Play ``wx.login``: a code for a subject."""
    twin: LoginTwin = request.app.state.twin
    try:
        code = twin.mint(msgspec.json.decode(await request.body(), type=MintBody))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        code = None
    if code is None:
        return _said({"message": "subject or appid refused"}, 400)
    return _said({"code": code})


@post("/sandbox/errors", status_code=200)
async def fail_next(request: AnyRequest) -> Response[Any]:
    """Answer the next exchanges with an errcode."""
    twin: LoginTwin = request.app.state.twin
    try:
        twin.fail_next(msgspec.json.decode(await request.body(), type=ErrorBody))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _said({"message": "errcode refused"}, 400)
    return _said({"queued": True})


def create_wechat_login_twin(clock: Callable[[], datetime], apps: Mapping[str, str]) -> Litestar:
    """The twin for these apps: app id to secret."""
    app = Litestar(
        route_handlers=[jscode2session, mint, fail_next],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=64 * 1024,
    )
    app.state.twin = LoginTwin(clock, apps)
    return app
