"""One call by either protocol: authenticate, commit a fault or work, sign the answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from integrations.sandbox.alipay.faults import ANSWER_FAULTS, Fault, FaultPlan
from integrations.sandbox.alipay.model import (
    BUSINESS,
    INVALID,
    MESSAGES,
    PAYER_CONFIRMS,
    UNAVAILABLE,
    Json,
    Merchant,
    Refused,
    Reply,
    invalid,
)
from integrations.sandbox.alipay.seal import TwinSeal, read_form

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
Work = Callable[[str, Merchant, bytes, str], Awaitable[Reply]]
"""Method name, who asks, business content, notice address."""
DOWN = Refused(UNAVAILABLE, "isp.unknow-error", "服务暂不可用")


class ConnectionDropped(ConnectionError):
    """Raised on purpose, so that the server breaks the connection off."""


class BrokenAnswer(ASGIResponse):
    """Begins an answer and breaks off: the caller cannot know what was done."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send a head that promises more than ever comes."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]}
        )
        # Servers that buffer the head would otherwise answer 500 in its place.
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ConnectionDropped("dropped on purpose")


class Dropped(Response[Any]):
    """A route's way to give a ``BrokenAnswer``."""

    def __init__(self) -> None:
        super().__init__(b"")

    def to_asgi_response(self, *_args: Any, **_options: Any) -> ASGIResponse:
        return BrokenAnswer()


class _Numbers(msgspec.Struct):
    """The numbers a body may name, for faults."""

    out_trade_no: str = ""
    out_request_no: str = ""


def target_of(request: AnyRequest) -> str:
    """Path and query as they stood on the wire."""
    raw: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    query: bytes = request.scope.get("query_string", b"")
    # Some servers leave the query in raw_path.
    path = raw.split(b"?", 1)[0].decode("latin-1")
    return path + (f"?{query.decode('latin-1')}" if query else "")


def read(body: bytes, kind: type[T]) -> T:
    """Strict decode of business content. Raises ``Refused``."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise invalid("请求参数不符合要求") from None


class Limit:
    """So many calls a second for each application."""

    def __init__(self, calls_per_second: int) -> None:
        self._most = calls_per_second
        self._second = 0
        self._counts: dict[str, int] = {}

    def is_over(self, app_id: str, at: datetime) -> bool:
        """Count a call; whether it is one too many."""
        second = int(at.timestamp())
        if second != self._second:
            self._second, self._counts = second, {}
        self._counts[app_id] = self._counts.get(app_id, 0) + 1
        return 0 < self._most < self._counts[app_id]


class Exchange:
    """What every signed call of the twin shares. ``clock`` is the wall's, which signatures name."""

    def __init__(
        self,
        seal: TwinSeal,
        faults: FaultPlan,
        clock: Callable[[], datetime],
        limit: Limit,
        work: Work,
    ) -> None:
        self._seal = seal
        self._faults = faults
        self._clock = clock
        self._limit = limit
        self._work = work

    async def gateway(self, request: AnyRequest) -> Response[Any]:
        """``/gateway.do``: a signed form, small ones also in the address."""
        content = request.scope.get("query_string", b"")
        if request.method == "POST":
            content = await request.body()
        method, form = "", {}
        try:
            form = read_form(content)
            method = form.get("method", "")
            merchant = self._seal.authenticate_form(form, self._clock())
        except Refused as refused:
            return _json(self.enveloped(method, refused, None))
        business = form.get("biz_content", "").encode()
        return await self._run(
            Voice(self, method, v3=False), merchant, business, form.get("notify_url", "")
        )

    async def v3(self, request: AnyRequest, method: str) -> Response[Any]:
        """``/v3/…``: a signed Authorization line."""
        body = await request.body()
        voice = Voice(self, method, v3=True)
        try:
            merchant = self._seal.authenticate_v3(
                method=request.method,
                target=target_of(request),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=body,
                at=self._clock(),
            )
        except Refused as refused:
            return voice.say(refused, None)
        business = body
        if request.method == "GET":
            business = msgspec.json.encode(dict(request.query_params))
        notify_url = ""
        if method in PLACES:
            try:
                notify_url = read(body, _V3Notice).notify_url
            except Refused as refused:
                return voice.say(refused, None)
        return await self._run(voice, merchant, business, notify_url)

    async def _run(
        self, voice: "Voice", merchant: Merchant, business: bytes, notify_url: str
    ) -> Response[Any]:
        fault = self._faults.take(ANSWER_FAULTS, voice.method, _numbers(business))
        kind = fault.fault if fault is not None else None
        early = self._early(voice, merchant, kind)
        if early is not None:
            return early
        if fault is not None and kind is Fault.SLOW:
            await asyncio.sleep(fault.delay_ms / 1000)
        said: Reply | Refused
        try:
            said = await self._work(voice.method, merchant, business, notify_url)
        except Refused as refused:
            said = refused
        if kind is Fault.DROP_AFTER:
            return Dropped()
        if kind is Fault.ERROR_AFTER:
            said = DOWN
        if kind is Fault.SYSTEM_ERROR_AFTER:
            said = Refused(BUSINESS, "ACQ.SYSTEM_ERROR", "系统错误")
        if kind is Fault.ANSWER_SWAPPED and isinstance(said, Reply):
            said = Reply({**said.fields, "out_trade_no": "OTHERTRADE01"}, said.code)
        return voice.say(said, kind)

    def _early(
        self, voice: "Voice", merchant: Merchant, kind: Fault | None
    ) -> Response[Any] | None:
        """What is answered without any work."""
        if self._limit.is_over(merchant.app_id, self._clock()) or kind is Fault.TOO_OFTEN:
            return Response(b"too often", status_code=429, media_type="text/plain")
        if kind is Fault.BROKEN_GATEWAY:
            return Response(b"<html>502</html>", status_code=502, media_type="text/html")
        if kind is Fault.DROP_BEFORE:
            return Dropped()
        return voice.say(DOWN, None) if kind is Fault.ERROR_BEFORE else None

    def enveloped(self, method: str, said: Reply | Refused, kind: Fault | None) -> bytes:
        """The gateway's answer: the signed object between braces, slashes escaped."""
        content = _content(said)
        if kind is Fault.ANSWER_GARBLED:
            content = b'{"code":10000}'
        if kind is Fault.ANSWER_GBK:
            content = content.decode().encode("gbk")
        sign = self._seal.sign(content if kind is not Fault.ANSWER_FORGED else content + b" ")
        name = _answer_name(method, said)
        parts = [f'"{name}":'.encode() + content]
        if kind is Fault.ANSWER_DOUBLED:
            parts.insert(0, f'"{name}":'.encode() + content.replace(b"10000", b"10003"))
        if kind is not Fault.ANSWER_UNSIGNED:
            parts.append(f'"sign":"{sign}"'.encode())
        if self._seal.certificate_sn:
            parts.append(f'"alipay_cert_sn":"{self._seal.certificate_sn}"'.encode())
        return b"{" + b",".join(parts) + b"}"

    def plain(self, said: Reply | Refused, kind: Fault | None) -> Response[Any]:
        """A v3 answer: the business fields themselves, signed in the headers."""
        status, content = 200, b""
        if isinstance(said, Reply):
            content = json.dumps(said.fields, ensure_ascii=False).encode()
            # How v3 says this is not public; a status that is not 200 is at least not a yes.
            status = 202 if said.code == PAYER_CONFIRMS else 200
        else:
            status = 500 if said.code == UNAVAILABLE else 400
            problem = {"code": said.sub_code, "message": said.text, "details": [], "links": []}
            content = json.dumps(problem, ensure_ascii=False).encode()
        if kind is Fault.ANSWER_GARBLED:
            content = b"<html>busy</html>"
        if kind is Fault.ANSWER_GBK:
            content = content.decode().encode("gbk")
        signed = content if kind is not Fault.ANSWER_FORGED else content + b" "
        headers = self._seal.v3_headers(signed, self._clock())
        if kind is Fault.ANSWER_UNSIGNED:
            headers = {}
        if kind is Fault.ANSWER_DOUBLED:
            content += content
        return Response(content, status_code=status, headers=headers, media_type=JSON)


class Voice:
    """In which protocol a call is answered."""

    def __init__(self, exchange: Exchange, method: str, *, v3: bool) -> None:
        self.method = method
        self._exchange = exchange
        self._v3 = v3

    def say(self, said: Reply | Refused, kind: Fault | None) -> Response[Any]:
        """The answer, with its fault."""
        if self._v3:
            return self._exchange.plain(said, kind)
        return _json(self._exchange.enveloped(self.method, said, kind))


JSON = "application/json"
PLACES = frozenset({"alipay.trade.create", "alipay.trade.precreate", "alipay.trade.pay"})


class _V3Notice(msgspec.Struct):
    """Under v3 the notice's address stands in the body."""

    notify_url: str = ""


def _json(content: bytes) -> Response[Any]:
    return Response(content, media_type="application/json;charset=utf-8")


def _answer_name(method: str, said: Reply | Refused) -> str:
    """Faults of the gateway itself have a name of their own (5.1)."""
    gateways = isinstance(said, Refused) and said.code not in {BUSINESS, UNAVAILABLE}
    return "error_response" if gateways or not method else f"{method.replace('.', '_')}_response"


def _content(said: Reply | Refused) -> bytes:
    head: Json = {"code": said.code, "msg": MESSAGES.get(said.code, MESSAGES[INVALID])}
    if isinstance(said, Refused):
        head |= {"sub_code": said.sub_code, "sub_msg": said.text}
    else:
        head |= said.fields
    return json.dumps(head, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()


def _numbers(business: bytes) -> frozenset[str]:
    try:
        found = msgspec.json.decode(business, type=_Numbers) if business else _Numbers()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = _Numbers()
    return frozenset({found.out_trade_no, found.out_request_no} - {""})


def origin_of(request: AnyRequest) -> str:
    """Scheme, host and the street's own first segment, for links back to this twin."""
    raw = target_of(request).partition("?")[0]
    prefix = raw.removesuffix(str(request.scope["path"]))
    headers: Mapping[str, str] = request.headers
    return f"{request.url.scheme}://{headers.get('host', request.url.netloc)}{prefix}"
