"""``PaymentGateway`` over WeChat Pay v3 in direct mode: jsapi and native orders, close, refunds.

Signs, sends once, verifies, maps. No retries, no database, no state but keys and settings.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from integrations.kit.clocktext import rfc3339_text
from integrations.kit.transport import Answer, ProviderFault, Transport, outcome_of
from integrations.ports.money import FEN_MAX
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.ports.payments import (
    NoticeAnswer,
    Payment,
    PaymentNotice,
    PaymentOrder,
    PaymentStatus,
    PlacedOrder,
    Refund,
    RefundOrder,
    RefundStatus,
)
from integrations.wechatpay import mapping, notices, signing, wire
from integrations.wechatpay.settings import WechatPaySettings, load_keys
from integrations.wechatpay.verifier import SignatureRefused, is_signed

USER_AGENT = "yimatong"
WAYS = frozenset({"jsapi", "native"})
NO_ROWS: dict[str, str] = {}

T = TypeVar("T")
Called = Answer | NotSent | Unknown | Rejected


class WechatPayGateway:
    """One merchant account. ``clock`` gives aware UTC; ``nonce`` at most 32 random characters."""

    code = "wechatpay"

    def __init__(
        self,
        settings: WechatPaySettings,
        transport: Transport,
        clock: Callable[[], datetime],
        nonce: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._keys = load_keys(settings)
        self._transport = transport
        self._clock = clock
        self._nonce = nonce
        parts = urlsplit(settings.base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._prefix = parts.path.rstrip("/")

    async def place(self, order: PaymentOrder) -> Outcome[PlacedOrder]:
        """Place the order (2.2). The same order again makes the same bytes."""
        fault = _order_fault(order)
        if fault is not None:
            return _refused_here(fault)
        body = wire.OrderBody(
            appid=self._settings.appid,
            mchid=self._settings.mchid,
            description=order.description,
            out_trade_no=order.trade_no,
            time_expire=rfc3339_text(order.expires_at),
            notify_url=order.notice_url,
            amount=wire.OrderAmount(order.amount_fen, "CNY"),
            payer=wire.Payer(order.payer or "") if order.way == "jsapi" else None,
        )
        answer = await self._call("POST", f"/v3/pay/transactions/{order.way}", body)
        if not isinstance(answer, Answer):
            return answer
        if answer.status != 200:
            return _refusal(answer, unsettled=mapping.PLACE_UNSETTLED)
        placed = _read(answer, wire.PlacedAnswer)
        if placed is None:
            return mapping.ANSWER_INVALID
        needed = placed.prepay_id if order.way == "jsapi" else placed.code_url
        if not needed:
            return mapping.ANSWER_INVALID
        return Accepted(PlacedOrder(prepay_ref=placed.prepay_id, qr_text=placed.code_url))

    async def query(self, trade_no: str) -> Outcome[Payment]:
        """Ask for the trade by our number (2.3)."""
        path = f"{_trade_path(trade_no)}?mchid={quote(self._settings.mchid, safe='')}"
        answer = await self._call("GET", path, None)
        if not isinstance(answer, Answer):
            return answer
        if _is_absent(answer):
            return Accepted(
                Payment(
                    trade_no=trade_no,
                    status=PaymentStatus.ABSENT,
                    provider_ref=None,
                    amount_fen=None,
                    paid_at=None,
                    payer=None,
                )
            )
        if answer.status != 200:
            return _refusal(answer)
        found = _read(answer, wire.Transaction)
        if found is None or (found.mchid, found.appid, found.out_trade_no) != (
            self._settings.mchid,
            self._settings.appid,
            trade_no,
        ):
            return mapping.ANSWER_INVALID
        return mapping.payment_of(found)

    async def close(self, trade_no: str) -> Outcome[None]:
        """Close an unpaid trade (2.4); repeatable. Query after it, whatever it answered."""
        path = f"{_trade_path(trade_no)}/close"
        answer = await self._call("POST", path, wire.CloseBody(self._settings.mchid))
        if not isinstance(answer, Answer):
            return answer
        if answer.status in {200, 204}:
            return Accepted(None)
        outcome = _refusal(answer, refusals=mapping.CLOSE_REFUSALS)
        if isinstance(outcome, Rejected) and mapping.says_paid(
            answer.headers.get("Request-ID", "")
        ):
            return msgspec.structs.replace(outcome, reason="already-paid")
        return outcome

    async def refund(self, order: RefundOrder) -> Outcome[Refund]:
        """Start a refund (2.6). 200 means accepted there: the state says whether it is done."""
        fault = _refund_fault(order)
        if fault is not None:
            return _refused_here(fault)
        body = wire.RefundBody(
            out_trade_no=order.trade_no,
            out_refund_no=order.refund_no,
            reason=order.reason,
            notify_url=order.notice_url,
            amount=wire.RefundAmount(
                refund=order.amount_fen, total=order.total_fen, currency="CNY"
            ),
        )
        answer = await self._call("POST", "/v3/refund/domestic/refunds", body)
        if not isinstance(answer, Answer):
            return answer
        if answer.status != 200:
            return _refusal(answer, unsettled=mapping.REFUND_UNSETTLED)
        found = _read(answer, wire.RefundAnswer)
        if found is None or (
            found.out_refund_no,
            found.out_trade_no,
            found.amount.refund,
            found.amount.total,
        ) != (order.refund_no, order.trade_no, order.amount_fen, order.total_fen):
            return mapping.ANSWER_INVALID
        return mapping.refund_of(found)

    async def query_refund(self, refund_no: str, *, trade_no: str) -> Outcome[Refund]:
        """Ask for the refund by our number; a refund of another trade is not believed."""
        path = f"/v3/refund/domestic/refunds/{quote(refund_no, safe='')}"
        answer = await self._call("GET", path, None)
        if not isinstance(answer, Answer):
            return answer
        if _is_absent(answer):
            return Accepted(
                Refund(
                    refund_no=refund_no,
                    trade_no=None,
                    status=RefundStatus.ABSENT,
                    provider_ref=None,
                    amount_fen=None,
                    refunded_at=None,
                )
            )
        if answer.status != 200:
            return _refusal(answer)
        found = _read(answer, wire.RefundAnswer)
        if found is None or (found.out_refund_no, found.out_trade_no) != (refund_no, trade_no):
            return mapping.ANSWER_INVALID
        return mapping.refund_of(found)

    def client_parameters(self, prepay_ref: str, at: datetime) -> dict[str, str]:
        """The argument of ``wx.requestPayment`` (1.8); all values are strings."""
        timestamp, nonce, package = (
            str(int(at.timestamp())),
            self._nonce(),
            f"prepay_id={prepay_ref}",
        )
        message = signing.client_message(
            appid=self._settings.appid, timestamp=timestamp, nonce=nonce, package=package
        )
        return {
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": self._keys.signing.sign(message),
        }

    def read_notice(self, headers: Mapping[str, str], body: bytes, at: datetime) -> PaymentNotice:
        """Verify and open a notice over the raw bytes. Raises ``NoticeRefused``."""
        return notices.read(
            keys=self._keys,
            mchid=self._settings.mchid,
            appid=self._settings.appid,
            headers=headers,
            body=body,
            at=at,
        )

    def notice_answer(self, accepted: bool) -> NoticeAnswer:
        """What WeChat expects within five seconds (3.2); a refusal makes it send again."""
        if accepted:
            return NoticeAnswer(
                status=200,
                body='{"code":"SUCCESS","message":"成功"}'.encode(),
                content_type="application/json",
            )
        return NoticeAnswer(
            status=400,
            body='{"code":"FAIL","message":"失败"}'.encode(),
            content_type="application/json",
        )

    async def _call(self, method: str, path: str, body: msgspec.Struct | None) -> Called:
        """Sign, send, verify. An answer that comes back from here is WeChat's."""
        content = b"" if body is None else msgspec.json.encode(body)
        wire_path = self._prefix + path
        try:
            answer = await self._transport.send(
                method=method,
                url=self._origin + wire_path,
                headers=self._headers(method, wire_path, content),
                content=content,
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        if 200 <= answer.status < 300 or is_signed(answer.headers):
            try:
                self._keys.verifier.check(answer.headers, answer.body, self._clock())
            except SignatureRefused:
                return mapping.ANSWER_INVALID
        return answer

    def _headers(self, method: str, wire_path: str, content: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(self._clock().timestamp())), self._nonce()
        message = signing.request_message(
            method=method,
            path_and_query=wire_path,
            timestamp=timestamp,
            nonce=nonce,
            body=content,
        )
        headers = {
            "Authorization": signing.authorization(
                scheme=self._keys.signing.scheme,
                mchid=self._settings.mchid,
                serial=self._settings.merchant_serial,
                timestamp=timestamp,
                nonce=nonce,
                signature=self._keys.signing.sign(message),
            ),
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            "Wechatpay-Serial": self._keys.named_serial,
        }
        if content:
            headers["Content-Type"] = "application/json"
        return headers


def _trade_path(trade_no: str) -> str:
    return f"/v3/pay/transactions/out-trade-no/{quote(trade_no, safe='')}"


def _read(answer: Answer, kind: type[T]) -> T | None:
    try:
        return wire.decode(answer.body, kind)
    except wire.WireInvalid:
        return None


def _is_absent(answer: Answer) -> bool:
    if answer.status != 404:
        return False
    error = _read(answer, wire.ErrorAnswer)
    return error is not None and error.code in mapping.NOT_FOUND


def _refusal(
    answer: Answer, *, unsettled: dict[str, str] = NO_ROWS, refusals: dict[str, str] = NO_ROWS
) -> Rejected | Unknown:
    error = _read(answer, wire.ErrorAnswer)
    return mapping.refusal(
        status=answer.status,
        code=error.code if error is not None else "",
        text=error.message if error is not None else "",
        unsettled=unsettled,
        refusals=refusals,
    )


def _refused_here(field: str) -> Rejected:
    """A request that WeChat's field table excludes is not sent at all."""
    return Rejected(reason="request-invalid", provider_code="", provider_text=field)


def _order_fault(order: PaymentOrder) -> str | None:
    checks = {
        "way": order.way in WAYS,
        "trade_no": _is_number(order.trade_no),
        "amount_fen": 1 <= order.amount_fen <= FEN_MAX,
        "description": 1 <= len(order.description) <= 127,
        "payer": order.way != "jsapi" or 1 <= len(order.payer or "") <= 128,
        "notice_url": 1 <= len(order.notice_url) <= 256,
    }
    return next((field for field, good in checks.items() if not good), None)


def _refund_fault(order: RefundOrder) -> str | None:
    checks = {
        "trade_no": _is_number(order.trade_no),
        "refund_no": _is_number(order.refund_no),
        "amount_fen": 1 <= order.amount_fen <= order.total_fen <= FEN_MAX,
        "reason": 1 <= len(order.reason) <= 80,
        "notice_url": 1 <= len(order.notice_url) <= 256,
    }
    return next((field for field, good in checks.items() if not good), None)


def _is_number(text: str) -> bool:
    return 8 <= len(text) <= 32 and text.isascii() and text.isalnum()
