"""One HTTP exchange of the twin: authenticate, commit a fault or work, sign the answer."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from integrations.sandbox.wechatpay.faults import ANSWER_FAULTS, Fault, FaultPlan
from integrations.sandbox.wechatpay.model import Refused, Reply, TwinMerchant
from integrations.sandbox.wechatpay.seal import TwinSeal

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
Work = Callable[[TwinMerchant, bytes], Reply]
AsyncWork = Callable[[TwinMerchant, bytes], Awaitable[Reply]]


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


def target_of(request: AnyRequest) -> str:
    """Path and query as they stood on the wire."""
    raw: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    query: bytes = request.scope.get("query_string", b"")
    # Some servers leave the query in raw_path.
    path = raw.split(b"?", 1)[0].decode("latin-1")
    return path + (f"?{query.decode('latin-1')}" if query else "")


def read(body: bytes, kind: type[T]) -> T:
    """Strict decode of a request body. Raises ``Refused``."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Refused(400, "PARAM_ERROR", "请求参数不符合要求") from None


class _Numbers(msgspec.Struct):
    """The numbers a body may name, for faults."""

    out_trade_no: str = ""
    out_refund_no: str = ""


def numbers_in(*fixed: str) -> Callable[[bytes], frozenset[str]]:
    """Reads the numbers a body names, beside those of its path; for faults."""

    def find(body: bytes) -> frozenset[str]:
        try:
            found = msgspec.json.decode(body, type=_Numbers) if body else _Numbers()
        except (msgspec.MsgspecError, ValueError, RecursionError):
            found = _Numbers()
        return frozenset({*fixed, found.out_trade_no, found.out_refund_no} - {""})

    return find


class Exchange:
    """What every signed route of the twin shares."""

    def __init__(self, seal: TwinSeal, faults: FaultPlan, clock: Callable[[], datetime]) -> None:
        self._seal = seal
        self._faults = faults
        self._clock = clock

    async def answer(
        self, request: AnyRequest, numbers: Callable[[bytes], frozenset[str]], work: AsyncWork
    ) -> Response[Any]:
        """Run one exchange. ``numbers`` names the trade and refund the body speaks of."""
        body = await request.body()
        place = f"{request.method} {request.url.path}"
        fault = self._faults.take(ANSWER_FAULTS, place, numbers(body))
        kind = fault.fault if fault is not None else None
        scheme = request.headers.get("authorization", "").partition(" ")[0]
        early = self._early(kind, scheme)
        if early is not None:
            return early
        if fault is not None and kind is Fault.SLOW:
            await asyncio.sleep(fault.delay_ms / 1000)
        status, content, detail = await self._work(request, body, work)
        if kind is Fault.DROP_AFTER:
            return Dropped()
        if kind is Fault.ERROR_AFTER:
            return self._error(Refused(500, "SYSTEM_ERROR", "系统异常，请稍后重试"), scheme)
        return self._signed(status, content, detail, (kind, scheme))

    async def _work(
        self, request: AnyRequest, body: bytes, work: AsyncWork
    ) -> tuple[int, bytes, int]:
        try:
            merchant = self._seal.authenticate(
                method=request.method,
                target=target_of(request),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=body,
                at=self._clock(),
            )
            reply = await work(merchant, body)
        except Refused as refused:
            return refused.status, error_body(refused), refused.detail
        return reply.status, reply.body, 0

    def _early(self, kind: Fault | None, scheme: str) -> Response[Any] | None:
        if kind is Fault.DROP_BEFORE:
            return Dropped()
        if kind is Fault.ERROR_BEFORE:
            return self._error(Refused(500, "SYSTEM_ERROR", "系统异常，请稍后重试"), scheme)
        if kind is Fault.TOO_OFTEN:
            return self._error(Refused(429, "FREQUENCY_LIMITED", "频率超限", 268447840), scheme)
        return None

    def _error(self, refused: Refused, scheme: str) -> Response[Any]:
        return self._signed(refused.status, error_body(refused), refused.detail, (None, scheme))

    def _signed(
        self, status: int, content: bytes, detail: int, manner: tuple[Fault | None, str]
    ) -> Response[Any]:
        kind, scheme = manner
        if kind is Fault.ANSWER_GARBLED:
            content = b"<html>busy</html>"
        at = self._clock()
        if kind is Fault.ANSWER_STALE:
            at = datetime.fromtimestamp(at.timestamp() - 360, at.tzinfo)
        headers = self._seal.signed_headers(content, at, scheme)
        if kind is Fault.ANSWER_UNSIGNED:
            headers = {}
        if kind is Fault.ANSWER_FORGED:
            other = self._seal.signed_headers(content + b" ", at, scheme)
            headers["Wechatpay-Signature"] = other["Wechatpay-Signature"]
        headers["Request-ID"] = f"{secrets.token_hex(16).upper()}-{detail}"
        if status == 204:
            return Response(None, status_code=204, headers=headers)
        return Response(content, status_code=status, headers=headers, media_type="application/json")


class Dropped(Response[Any]):
    """A route's way to give a ``BrokenAnswer``."""

    def __init__(self) -> None:
        super().__init__(b"")

    def to_asgi_response(self, *_args: Any, **_options: Any) -> ASGIResponse:
        return BrokenAnswer()


def error_body(refused: Refused) -> bytes:
    """The JSON of an error answer (1.9)."""
    return msgspec.json.encode({"code": refused.code, "message": refused.message})
