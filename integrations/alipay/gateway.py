"""``CodePaymentGateway`` over Alipay for one merchant, by the gateway or by v3, and its bills.

Asks once, maps. No retries, no database, no state but keys and settings.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from integrations.alipay import mapping, notices, wire
from integrations.alipay.bill_lines import AlipayStatement
from integrations.alipay.lines import Heard, Speaker, open_line, page_link
from integrations.alipay.mapping import Said
from integrations.alipay.settings import AlipaySettings, load_keys
from integrations.kit.clocktext import spaced_text
from integrations.kit.transport import ProviderFault, Transport, outcome_of
from integrations.ports.money import FEN_MAX, yuan_text
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
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
)

NO_ROWS: dict[str, str] = {}
CODES = CodeShape(starts=("25", "26", "27", "28", "29", "30"), least=16, most=24)
"""Payments dossier 5.3."""

T = TypeVar("T", bound=msgspec.Struct)


class AlipayGateway:
    """One merchant. ``clock`` gives aware UTC; ``nonce`` at most 32 random characters.

    ``bills`` is a transport whose answers may be as large as a day's bill.
    """

    code = "alipay"
    code_shape = CODES

    def __init__(
        self,
        settings: AlipaySettings,
        transport: Transport,
        bills: Transport,
        clock: Callable[[], datetime],
        nonce: Callable[[], str],
    ) -> None:
        self._settings = settings
        self.ways: frozenset[str] = frozenset(settings.ways)
        self._keys = load_keys(settings)
        self._bills = bills
        self._speaker = Speaker(
            settings=settings, keys=self._keys, transport=transport, clock=clock, nonce=nonce
        )
        self._line = open_line(self._speaker)

    async def place(self, order: PaymentOrder) -> Outcome[PlacedOrder]:
        """Place the order (5.3). The same order again makes the same business content."""
        fault = _order_fault(order)
        if fault is not None:
            return _refused_here(fault)
        if order.way == "native":
            return await self._precreate(order)
        if order.way == "h5":
            return Accepted(PlacedOrder(prepay_ref=None, qr_text=None, link=self._page(order)))
        body = wire.OrderBody(
            out_trade_no=order.trade_no,
            total_amount=yuan_text(order.amount_fen),
            subject=order.description,
            time_expire=spaced_text(order.expires_at),
            product_code="JSAPI_PAY",
            op_app_id=self._settings.op_app_id or self._settings.app_id,
            **{self._settings.payer_field: order.payer},
        )
        heard = await self._line.ask("alipay.trade.create", body, order.notice_url)
        found = _done(heard, wire.CreatedAnswer)
        if not isinstance(found, wire.CreatedAnswer):
            return found
        if found.out_trade_no != order.trade_no or not found.trade_no:
            return mapping.ANSWER_INVALID
        return Accepted(PlacedOrder(prepay_ref=found.trade_no, qr_text=None))

    async def _precreate(self, order: PaymentOrder) -> Outcome[PlacedOrder]:
        body = wire.OrderBody(
            out_trade_no=order.trade_no,
            total_amount=yuan_text(order.amount_fen),
            subject=order.description,
            time_expire=spaced_text(order.expires_at),
        )
        heard = await self._line.ask("alipay.trade.precreate", body, order.notice_url)
        found = _done(heard, wire.CreatedAnswer)
        if not isinstance(found, wire.CreatedAnswer):
            return found
        if found.out_trade_no != order.trade_no or not found.qr_code:
            return mapping.ANSWER_INVALID
        return Accepted(PlacedOrder(prepay_ref=None, qr_text=found.qr_code))

    def _page(self, order: PaymentOrder) -> str:
        """Where the payer's browser pays. Until it does, Alipay knows no such trade."""
        body = wire.OrderBody(
            out_trade_no=order.trade_no,
            total_amount=yuan_text(order.amount_fen),
            subject=order.description,
            time_expire=spaced_text(order.expires_at),
            product_code="QUICK_WAP_WAY",
            quit_url=order.return_url,
        )
        method = "alipay.trade.wap.pay"
        return page_link(self._speaker, method, body, order.notice_url, order.return_url)

    async def pay_by_code(self, order: CodeOrder) -> Outcome[Payment]:
        """Take payment by the payer's code (5.4). UNPAID: the payer is asked on his device."""
        fault = _code_fault(order)
        if fault is not None:
            return _refused_here(fault)
        body = wire.OrderBody(
            out_trade_no=order.trade_no,
            total_amount=yuan_text(order.amount_fen),
            subject=order.description,
            time_expire=spaced_text(order.expires_at),
            product_code="FACE_TO_FACE_PAYMENT",
            scene="bar_code",
            auth_code=order.code,
        )
        heard = await self._line.ask("alipay.trade.pay", body, order.notice_url)
        waits = isinstance(heard, Said) and heard.code == mapping.PAYER_CONFIRMS
        found = _done(heard, wire.TradeAnswer, also=mapping.PAYER_CONFIRMS)
        if not isinstance(found, wire.TradeAnswer):
            return found
        if found.out_trade_no != order.trade_no:
            return mapping.ANSWER_INVALID
        return mapping.payment_with(found, PaymentStatus.UNPAID if waits else PaymentStatus.PAID)

    async def query(self, trade_no: str) -> Outcome[Payment]:
        """Ask for the trade by our number (5.3). A shown code that nobody scanned is ABSENT."""
        heard = await self._line.ask("alipay.trade.query", wire.TradeBody(trade_no), None)
        if _says_absent(heard):
            return mapping.absent_payment(trade_no)
        found = _done(heard, wire.TradeAnswer)
        if not isinstance(found, wire.TradeAnswer):
            return found
        if found.out_trade_no != trade_no:
            return mapping.ANSWER_INVALID
        return mapping.payment_of(found)

    async def close(self, trade_no: str) -> Outcome[None]:
        """Close an unpaid trade. Query after it, whatever it answered.

        A code that nobody scanned is no trade yet and cannot be closed: it dies at its time.
        """
        heard = await self._line.ask("alipay.trade.close", wire.TradeBody(trade_no), None)
        found = _done(heard, wire.UndoneAnswer, own_rows=mapping.CLOSE_REFUSALS)
        if not isinstance(found, wire.UndoneAnswer):
            return found
        return Accepted(None) if _is_of(found, trade_no) else mapping.ANSWER_INVALID

    async def reverse(self, trade_no: str) -> Outcome[None]:
        """Cancel (5.4): closes an unpaid trade and gives a paid one back, within 24 hours."""
        heard = await self._line.ask("alipay.trade.cancel", wire.TradeBody(trade_no), None)
        found = _done(heard, wire.UndoneAnswer)
        if not isinstance(found, wire.UndoneAnswer):
            return found
        if not _is_of(found, trade_no):
            return mapping.ANSWER_INVALID
        return Accepted(None) if found.retry_flag == "N" else mapping.REVERSE_AGAIN

    async def refund(self, order: RefundOrder) -> Outcome[Refund]:
        """Refund (5.5). ``order.notice_url`` is not used: refunds have no notice to rely on."""
        fault = _refund_fault(order)
        if fault is not None:
            return _refused_here(fault)
        body = wire.RefundBody(
            out_trade_no=order.trade_no,
            refund_amount=yuan_text(order.amount_fen),
            out_request_no=order.refund_no,
            refund_reason=order.reason,
        )
        heard = await self._line.ask("alipay.trade.refund", body, None)
        found = _done(heard, wire.RefundAnswer)
        if not isinstance(found, wire.RefundAnswer):
            return found
        if found.out_trade_no != order.trade_no:
            return mapping.ANSWER_INVALID
        return mapping.started_refund(found, order)

    async def query_refund(self, refund_no: str, *, trade_no: str) -> Outcome[Refund]:
        """Ask for the refund of a trade; nothing there means that nothing was refunded (5.3)."""
        body = wire.RefundQueryBody(out_trade_no=trade_no, out_request_no=refund_no)
        heard = await self._line.ask("alipay.trade.fastpay.refund.query", body, None)
        if _says_absent(heard):
            return mapping.absent_refund(refund_no)
        found = _done(heard, wire.RefundQueryAnswer)
        if not isinstance(found, wire.RefundQueryAnswer):
            return found
        return mapping.queried_refund(found, refund_no, trade_no)

    def client_parameters(self, prepay_ref: str, _at: datetime) -> dict[str, str]:
        """The argument of ``my.tradePay`` (5.3); it is not signed."""
        return {"tradeNO": prepay_ref}

    def read_notice(self, _headers: Mapping[str, str], body: bytes, _at: datetime) -> PaymentNotice:
        """Verify and open a notice over the raw form. Raises ``NoticeRefused``.

        No header is signed and no time window is defined: a stale notice is told by its id.
        """
        return notices.read(settings=self._settings, verifier=self._keys.verifier, body=body)

    def notice_answer(self, accepted: bool) -> NoticeAnswer:
        """The seven bytes Alipay waits for (5.7); anything else makes it send again."""
        return NoticeAnswer(
            status=200, body=b"success" if accepted else b"failure", content_type="text/plain"
        )

    async def fetch_bill(self, day: date) -> Outcome[bytes]:
        """The ZIP of a Beijing day's trades (5.8), from 10 o'clock of the next day.

        The download is not signed; that it is the right bill is for ``statements`` and for the
        comparison with our rows.
        """
        body = wire.BillBody(bill_type="trade", bill_date=day.isoformat())
        method = "alipay.data.dataservice.bill.downloadurl.query"
        found = _done(await self._line.ask(method, body, None), wire.BillAnswer)
        if not isinstance(found, wire.BillAnswer):
            return found
        if not self._is_safe(found.bill_download_url):
            return mapping.ANSWER_INVALID
        try:
            answer = await self._bills.send(
                method="GET", url=found.bill_download_url, headers={}, content=b""
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        if answer.status != 200 or not answer.body:
            return mapping.STATUS_UNLISTED
        return Accepted(answer.body)

    def read_bill(self, content: bytes, day: date) -> AlipayStatement:
        """Open a bill of this merchant."""
        return AlipayStatement(content, day, seller_id=self._settings.seller_id)

    def _is_safe(self, url: str) -> bool:
        """Over TLS, or from the host we are set up for."""
        try:
            found, own = urlsplit(url), urlsplit(self._settings.base_url)
            secure = found.scheme == "https" and bool(found.hostname) and found.username is None
        except ValueError:
            return False
        return secure or (found.scheme, found.netloc) == (own.scheme, own.netloc)


def _done(
    heard: Heard, kind: type[T], *, own_rows: dict[str, str] = NO_ROWS, also: str = mapping.DONE
) -> T | Rejected | Unknown | NotSent:
    """The business fields of a done answer, or what became of the call."""
    if not isinstance(heard, Said):
        return heard
    if heard.code not in {mapping.DONE, also}:
        return mapping.refusal(heard, own_rows)
    try:
        return wire.decode(heard.body, kind)
    except wire.WireInvalid:
        return mapping.ANSWER_INVALID


def _says_absent(heard: Heard) -> bool:
    return (
        isinstance(heard, Said) and heard.code == "40004" and heard.sub_code == mapping.TRADE_ABSENT
    )


def _is_of(found: wire.UndoneAnswer, trade_no: str) -> bool:
    """These answers name their trade only where there is one."""
    return found.out_trade_no in {None, "", trade_no}


def _refused_here(field: str) -> Rejected:
    """A request that Alipay's field table excludes is not sent at all."""
    return Rejected(reason="request-invalid", provider_code="", provider_text=field)


def _order_fault(order: PaymentOrder) -> str | None:
    return _first_bad(
        {
            "way": order.way in {"jsapi", "native", "h5"},
            "trade_no": _is_number(order.trade_no),
            "amount_fen": 1 <= order.amount_fen <= FEN_MAX,
            "description": 1 <= len(order.description) <= 256,
            "payer": order.way != "jsapi" or 1 <= len(order.payer or "") <= 128,
            "notice_url": 1 <= len(order.notice_url) <= 256,
        }
    )


def _code_fault(order: CodeOrder) -> str | None:
    return _first_bad(
        {
            "trade_no": _is_number(order.trade_no),
            "amount_fen": 1 <= order.amount_fen <= FEN_MAX,
            "description": 1 <= len(order.description) <= 256,
            "code": CODES.fits(order.code),
            "notice_url": 1 <= len(order.notice_url) <= 256,
        }
    )


def _refund_fault(order: RefundOrder) -> str | None:
    return _first_bad(
        {
            "trade_no": _is_number(order.trade_no),
            "refund_no": _is_number(order.refund_no),
            "amount_fen": 1 <= order.amount_fen <= order.total_fen <= FEN_MAX,
            "reason": 1 <= len(order.reason) <= 256,
        }
    )


def _first_bad(checks: dict[str, bool]) -> str | None:
    return next((field for field, good in checks.items() if not good), None)


def _is_number(text: str) -> bool:
    return 8 <= len(text) <= 32 and text.isascii() and text.isalnum()
