"""``CodePaymentGateway`` over WeChat Pay v3, for a direct merchant or a sub-merchant.

jsapi, native and h5 orders, pay-by-code with reverse, close, refunds, notices, bills. Signs, sends
once, verifies, maps. No retries, no database.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from urllib.parse import quote

import msgspec

from integrations.kit.clocktext import rfc3339_text
from integrations.kit.transport import Answer, Transport
from integrations.ports.money import FEN_MAX
from integrations.ports.outcomes import Accepted, Outcome, Rejected
from integrations.ports.payments import (
    CodeOrder,
    CodeShape,
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
from integrations.wechatpay import mapping, notices, signing, statements, wire
from integrations.wechatpay.bill_lines import WechatStatement
from integrations.wechatpay.codepay import CodePay, CodePayV2
from integrations.wechatpay.line import WechatPayLine, is_absent, read, refusal, refused_here
from integrations.wechatpay.mixed import WechatPayMixed
from integrations.wechatpay.party import Party
from integrations.wechatpay.settings import WechatPaySettings

WAYS = frozenset({"jsapi", "native", "h5"})
_NONE: frozenset[str] = frozenset()
CODES = CodeShape(starts=("10", "11", "12", "13", "14", "15"), least=18, most=18)
"""Payments dossier 2.5."""


class WechatPayGateway:
    """One merchant account. ``clock`` gives aware UTC; ``nonce`` at most 32 random characters.

    ``bills`` is a transport whose answers may be as large as a day's bill.
    """

    code = "wechatpay"
    code_shape = CODES

    def __init__(
        self,
        settings: WechatPaySettings,
        transport: Transport,
        clock: Callable[[], datetime],
        nonce: Callable[[], str],
        bills: Transport | None = None,
    ) -> None:
        self._settings = settings
        self._party = Party(settings)
        self._line = WechatPayLine(settings, transport, bills or transport, clock, nonce)
        without_client = frozenset({"jsapi", "mixed"}) if self._line.keys.client is None else _NONE
        mixed = frozenset({"mixed"}) if settings.city_id and "jsapi" in settings.ways else _NONE
        self.ways: frozenset[str] = (frozenset(settings.ways) | mixed) - without_client
        v2 = settings.code_api == "v2"
        self.mixed = WechatPayMixed(self._line, self._party)
        """Mixed orders of insurance and cash."""
        self._codes = CodePayV2(self._line) if v2 else CodePay(self._line, self._party)

    async def place(self, order: PaymentOrder) -> Outcome[PlacedOrder]:
        """Place the order (2.2). The same order again makes the same bytes."""
        fault = _order_fault(order)
        if order.way == "jsapi" and self._line.keys.client is None:
            fault = "way"
        if fault is not None:
            return refused_here(fault)
        body = self._order_body(order)
        answer = await self._line.call("POST", f"{self._party.trades}/{order.way}", body)
        if not isinstance(answer, Answer):
            return answer
        if answer.status != 200:
            return refusal(answer, unsettled=mapping.PLACE_UNSETTLED)
        placed = read(answer, wire.PlacedAnswer)
        if placed is None:
            return mapping.ANSWER_INVALID
        needed = {"jsapi": placed.prepay_id, "native": placed.code_url, "h5": placed.h5_url}
        if not needed[order.way]:
            return mapping.ANSWER_INVALID
        link = placed.h5_url
        if link is not None and order.return_url is not None:
            link = f"{link}&redirect_url={quote(order.return_url, safe='')}"
        return Accepted(
            PlacedOrder(prepay_ref=placed.prepay_id, qr_text=placed.code_url, link=link)
        )

    def _order_body(self, order: PaymentOrder) -> wire.OrderBody:
        scene = None
        if order.way == "h5":
            scene = wire.Scene(payer_client_ip=order.payer_ip, h5_info=wire.H5Scene("Wap"))
        return wire.OrderBody(
            **msgspec.structs.asdict(self._party.account()),
            description=order.description,
            out_trade_no=order.trade_no,
            time_expire=rfc3339_text(order.expires_at),
            notify_url=order.notice_url,
            amount=wire.OrderAmount(order.amount_fen, "CNY"),
            payer=self._party.payer(order.payer or "") if order.way == "jsapi" else None,
            scene_info=scene,
        )

    async def pay_by_code(self, order: CodeOrder) -> Outcome[Payment]:
        """Take payment by the payer's code (2.5). No notice comes; UNPAID: query, then reverse."""
        fault = _code_fault(order)
        return refused_here(fault) if fault is not None else await self._codes.pay(order)

    async def reverse(self, trade_no: str) -> Outcome[None]:
        """Undo a pay-by-code trade, at most 7 days old and not within 15 s of the pay call (2.5).

        Accepted is what WeChat said; query afterwards, for it says so of foreign trades as well.
        """
        return await self._codes.reverse(trade_no)

    async def query(self, trade_no: str) -> Outcome[Payment]:
        """Ask for the trade by our number (2.3)."""
        path = f"{self._trade_path(trade_no)}{self._party.trade_query()}"
        answer = await self._line.call("GET", path, None)
        if not isinstance(answer, Answer):
            return answer
        if is_absent(answer):
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
            return refusal(answer)
        found = read(answer, wire.Transaction)
        if found is None or not self._party.owns(found) or found.out_trade_no != trade_no:
            return mapping.ANSWER_INVALID
        return mapping.payment_of(found)

    async def close(self, trade_no: str) -> Outcome[None]:
        """Close an unpaid trade (2.4); repeatable. Query after it, whatever it answered."""
        path = f"{self._trade_path(trade_no)}/close"
        answer = await self._line.call("POST", path, self._party.closing())
        if not isinstance(answer, Answer):
            return answer
        if answer.status in {200, 204}:
            return Accepted(None)
        outcome = refusal(answer, refusals=mapping.CLOSE_REFUSALS)
        if isinstance(outcome, Rejected) and mapping.says_paid(
            answer.headers.get("Request-ID", "")
        ):
            return msgspec.structs.replace(outcome, reason="already-paid")
        return outcome

    async def refund(self, order: RefundOrder) -> Outcome[Refund]:
        """Start a refund (2.6). 200 means accepted there: the state says whether it is done."""
        fault = _refund_fault(order)
        if fault is not None:
            return refused_here(fault)
        body = wire.RefundBody(
            sub_mchid=self._party.sub_mchid,
            out_trade_no=order.trade_no,
            out_refund_no=order.refund_no,
            reason=order.reason,
            notify_url=order.notice_url,
            amount=wire.RefundAmount(
                refund=order.amount_fen, total=order.total_fen, currency="CNY"
            ),
        )
        answer = await self._line.call("POST", "/v3/refund/domestic/refunds", body)
        if not isinstance(answer, Answer):
            return answer
        if answer.status != 200:
            return refusal(answer, unsettled=mapping.REFUND_UNSETTLED)
        found = read(answer, wire.RefundAnswer)
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
        path = f"/v3/refund/domestic/refunds/{quote(refund_no, safe='')}{self._party.sub_query()}"
        answer = await self._line.call("GET", path, None)
        if not isinstance(answer, Answer):
            return answer
        if is_absent(answer):
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
            return refusal(answer)
        found = read(answer, wire.RefundAnswer)
        if found is None or (found.out_refund_no, found.out_trade_no) != (refund_no, trade_no):
            return mapping.ANSWER_INVALID
        return mapping.refund_of(found)

    def client_parameters(self, prepay_ref: str, at: datetime) -> dict[str, str]:
        """The argument of ``wx.requestPayment`` (1.8). Raises ``WechatPayKeyRefused``."""
        return signing.client_parameters(
            self._line.keys.client,
            appid=self._settings.appid,
            prepay_ref=prepay_ref,
            nonce=self._line.nonce(),
            at=at,
        )

    def read_notice(self, headers: Mapping[str, str], body: bytes, at: datetime) -> PaymentNotice:
        """Verify and open a notice over the raw bytes. Raises ``NoticeRefused``."""
        return notices.read(
            keys=self._line.keys,
            party=self._party,
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

    async def fetch_bill(self, day: date) -> Outcome[bytes]:
        """A Beijing day's trades (3.3), from 10 o'clock of the next day: the GZIP file."""
        query = f"?bill_date={day.isoformat()}&bill_type=ALL&tar_type=GZIP"
        return await self._fetch("/v3/bill/tradebill" + query + self._party.sub_query(first=False))

    def read_bill(self, content: bytes, day: date) -> WechatStatement:
        """Open a trade bill of this merchant."""
        mchid, sub = self._settings.signing_mchid, self._party.sub_mchid
        return WechatStatement(content, day, mchid=mchid, sub_mchid=sub)

    async def fetch_fund_flow(self, day: date) -> Outcome[bytes]:
        """A Beijing day's movements of the basic account (3.3): the GZIP file."""
        query = f"?bill_date={day.isoformat()}&account_type=BASIC&tar_type=GZIP"
        return await self._fetch("/v3/bill/fundflowbill" + query)

    async def _fetch(self, path: str) -> Outcome[bytes]:
        answer = await self._line.call("GET", path, None)
        if not isinstance(answer, Answer):
            return answer
        if answer.status != 200:
            return refusal(answer, refusals=mapping.BILL_REFUSALS)
        link = read(answer, wire.BillLink)
        if link is None or link.hash_type != "SHA1":
            return mapping.ANSWER_INVALID
        packed = await self._line.download(link.download_url)
        if not isinstance(packed, Accepted):
            return packed
        try:
            statements.check_zipped(packed.value, link.hash_value)
        except statements.StatementRefused:
            return mapping.ANSWER_INVALID
        return packed

    def _trade_path(self, trade_no: str) -> str:
        return f"{self._party.trades}/out-trade-no/{quote(trade_no, safe='')}"


def _order_fault(order: PaymentOrder) -> str | None:
    checks = {
        "way": order.way in WAYS,
        "trade_no": _is_number(order.trade_no),
        "amount_fen": 1 <= order.amount_fen <= FEN_MAX,
        "description": 1 <= len(order.description) <= 127,
        "payer": order.way != "jsapi" or 1 <= len(order.payer or "") <= 128,
        "payer_ip": order.way != "h5" or 1 <= len(order.payer_ip or "") <= 45,
        "notice_url": 1 <= len(order.notice_url) <= 256,
    }
    return next((field for field, good in checks.items() if not good), None)


def _code_fault(order: CodeOrder) -> str | None:
    checks = {
        "trade_no": _is_number(order.trade_no),
        "amount_fen": 1 <= order.amount_fen <= FEN_MAX,
        "description": 1 <= len(order.description) <= 127,
        "code": CODES.fits(order.code),
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
