"""One twin: its book, keys, rules, faults and courier, and what each method does."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Request

from integrations.sandbox.alipay import bill
from integrations.sandbox.alipay.book import Book, TradeRow
from integrations.sandbox.alipay.courier import Courier, NoticeSender
from integrations.sandbox.alipay.exchange import Exchange, Limit, read
from integrations.sandbox.alipay.faults import (
    BILL_FAULTS,
    MAGIC_DELAY_MS,
    MAGIC_TOTALS,
    Fault,
    FaultPlan,
    ScriptedFault,
)
from integrations.sandbox.alipay.model import (
    INVALID,
    PAYER_CONFIRMS,
    BillBody,
    Json,
    Merchant,
    OrderBody,
    RefundBody,
    RefundQueryBody,
    Refused,
    Reply,
    TradeBody,
    TwinKeys,
    TwinPace,
)
from integrations.sandbox.alipay.refunding import Refunding
from integrations.sandbox.alipay.seal import TwinSeal, read_form
from integrations.sandbox.alipay.texts import spaced, yuan
from integrations.sandbox.alipay.trading import CODE_PAYER, PAID, Trading

QR_TEXT = "https://qr.alipay.com/"
DOWNLOAD_LIVES_S = 30
PAGE_METHOD = "alipay.trade.wap.pay"
BILL_METHOD = "alipay.data.dataservice.bill.downloadurl.query"
AnyRequest = Request[Any, Any, Any]


class Twin:
    """Everything the routes share. Its business clock can jump; signatures go by the wall's."""

    def __init__(
        self,
        *,
        book: str,
        clock: Callable[[], datetime],
        keys: TwinKeys,
        notice_sender: NoticeSender,
        faults: FaultPlan,
        pace: TwinPace,
    ) -> None:
        self._wall = clock
        self.pace = pace
        self.faults = faults
        self.book = Book(book)
        self.seal = TwinSeal(keys, pace.clock_window_s)
        self.trading = Trading(self.book, faults, pace)
        self.refunding = Refunding(self.book, faults, pace)
        self.courier = Courier(self.book, self.seal, notice_sender, pace)
        self.exchange = Exchange(
            self.seal, faults, clock, Limit(pace.calls_per_second), self._answer
        )
        self.origin = ""
        """Where bill links lead; set by each request that may ask for one."""
        self.downloads: dict[str, tuple[datetime, bytes]] = {}
        """Bill bytes by token, with the last instant they are given."""

    def clock(self) -> datetime:
        """Business time: the wall's clock and all jumps so far."""
        return self._wall() + timedelta(seconds=self.book.counter("jumped"))

    def jump(self, forward_s: int) -> datetime:
        """Move business time forward."""
        self.book.add_to_counter("jumped", forward_s)
        return self.clock()

    def now(self) -> int:
        """Business time in Unix seconds."""
        return int(self.clock().timestamp())

    async def tick(self) -> int:
        """Age trades, end due refunds and send due notices; gives the number of sendings."""
        self.trading.age(self.now())
        self.refunding.finish_due(self.now())
        return await self.courier.deliver(self.clock)

    async def _answer(
        self, method: str, merchant: Merchant, business: bytes, notify_url: str
    ) -> Reply:
        if method in _PLACING:
            return await _PLACING[method](self, merchant, business, notify_url)
        if method in _ASKING:
            return _ASKING[method](self, merchant, business)
        raise Refused(INVALID, "isv.invalid-method", "不存在的方法名")

    async def place(self, merchant: Merchant, business: bytes, notify_url: str) -> Reply:
        """create: a trade the named buyer pays inside the mini-program."""
        trade = await self._placed(merchant, "create", business, notify_url)
        return Reply({"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no})

    async def show(self, merchant: Merchant, business: bytes, notify_url: str) -> Reply:
        """precreate: a code to scan, no trade yet."""
        trade = await self._placed(merchant, "precreate", business, notify_url)
        return Reply({"out_trade_no": trade.out_trade_no, "qr_code": QR_TEXT + trade.qr})

    async def _placed(
        self, merchant: Merchant, way: str, business: bytes, notify_url: str
    ) -> TradeRow:
        body = _order(business)
        trade = self.trading.place(merchant, way, body, notify_url, self.now())
        self._script_magic(trade)
        at_once = self.faults.take(
            frozenset({Fault.PAID_AT_ONCE}), way, frozenset({trade.out_trade_no})
        )
        if at_once is not None and trade.state not in PAID:
            self.trading.pay(trade.trade_no or trade.qr, trade.buyer or CODE_PAYER, self.now())
            await self.courier.deliver(self.clock)
        return trade

    def _script_magic(self, trade: TradeRow) -> None:
        fault = MAGIC_TOTALS.get(trade.total)
        name = f"magic {trade.seller_id} {trade.out_trade_no}"
        if fault is not None and self.book.next_number(name) == 1:
            # The first call about a magic order is over when its faults are drawn: the placing
            # itself is answered, the payer's client breaks at the next call.
            self.faults.add(
                ScriptedFault(fault=fault, number=trade.out_trade_no, delay_ms=MAGIC_DELAY_MS)
            )

    def open_page(self, query: bytes) -> tuple[str, str]:
        """wap.pay: the payer's browser arrives with a signed address. Gives the text by which the
        cashier finds the order, and where the payer wants back to. Raises ``Refused``."""
        form = read_form(query)
        merchant = self.seal.authenticate_form(form, self._wall())
        body = _order(form.get("biz_content", "").encode())
        notify_url = form.get("notify_url", "")
        trade = self.trading.place(merchant, "wap", body, notify_url, self.now())
        return QR_TEXT + trade.qr, form.get("return_url", "")

    async def pay_by_code(self, merchant: Merchant, business: bytes, notify_url: str) -> Reply:
        """pay: by the code that the payer shows."""
        trade, waits = self.trading.pay_by_code(merchant, _order(business), notify_url, self.now())
        if waits:
            fields = {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}
            return Reply(fields, PAYER_CONFIRMS)
        return Reply({**_paid_fields(trade), "gmt_payment": spaced(trade.paid_at)})

    def query(self, merchant: Merchant, business: bytes) -> Reply:
        """query: the trade as it stands."""
        self.refunding.finish_due(self.now())
        trade = self.trading.find(merchant, read(business, TradeBody), self.now())
        return Reply(trade_fields(trade))

    def close(self, merchant: Merchant, business: bytes) -> Reply:
        """close, with the payer who may be faster."""
        body = read(business, TradeBody)
        numbers = frozenset({body.out_trade_no})
        race = self.faults.take(frozenset({Fault.PAID_BEFORE_CLOSE}), "close", numbers)
        if race is not None:
            trade = self.trading.find(merchant, body, self.now())
            self.trading.pay(trade.trade_no, trade.buyer or CODE_PAYER, self.now())
        closed = self.trading.close(merchant, body, self.now())
        return Reply({"out_trade_no": closed.out_trade_no, "trade_no": closed.trade_no})

    def cancel(self, merchant: Merchant, business: bytes) -> Reply:
        """cancel: ``action`` only where there was a trade."""
        body = read(business, TradeBody)
        numbers = frozenset({body.out_trade_no})
        if self.faults.take(frozenset({Fault.CANCEL_AGAIN}), "cancel", numbers) is not None:
            return Reply({"out_trade_no": body.out_trade_no, "retry_flag": "Y"})
        trade, action = self.trading.cancel(merchant, body, self.now())
        fields: Json = {"out_trade_no": body.out_trade_no, "retry_flag": "N"}
        if trade is not None:
            fields |= {"trade_no": trade.trade_no, "action": action}
        return Reply(fields)

    def refund(self, merchant: Merchant, business: bytes) -> Reply:
        """refund: ``refund_fee`` is the sum so far."""
        self.refunding.finish_due(self.now())
        body = read(business, RefundBody)
        trade = self.trading.find(merchant, body, self.now())
        trade, moved = self.refunding.refund(trade, body, self.now())
        fields: Json = {
            "out_trade_no": trade.out_trade_no,
            "trade_no": trade.trade_no,
            "buyer_open_id": trade.payer,
            "fund_change": "Y" if moved else "N",
            "refund_fee": yuan(trade.refunded),
        }
        if moved:
            fields["gmt_refund_pay"] = spaced(self.now())
            fields["send_back_fee"] = body.refund_amount
        return Reply(fields)

    def query_refund(self, merchant: Merchant, business: bytes) -> Reply:
        """fastpay.refund.query: nothing but the code where there is no done refund."""
        body = read(business, RefundQueryBody)
        trade = self.trading.find(merchant, body, self.now())
        refund = self.refunding.find(trade, body.out_request_no, self.now())
        if refund is None:
            return Reply({})
        fields: Json = {
            "out_trade_no": trade.out_trade_no,
            "trade_no": trade.trade_no,
            "out_request_no": refund.out_request_no,
            "refund_status": "REFUND_SUCCESS",
            "refund_amount": yuan(refund.amount),
            "total_amount": yuan(trade.total),
        }
        if "gmt_refund_pay" in body.query_options:
            fields["gmt_refund_pay"] = spaced(refund.done_at)
        return Reply(fields)

    def bill_url(self, merchant: Merchant, business: bytes) -> Reply:
        """The link to a day's bill."""
        body = read(business, BillBody)
        self.refunding.finish_due(self.now())
        bounds = bill.check_day(body.bill_type, body.bill_date, self.now(), self.pace.bill_hour)
        fault = self.faults.take(BILL_FAULTS, f"bill {body.bill_date}", frozenset())
        kind = fault.fault if fault is not None else None
        content = bill.write(self.book, merchant.seller_id, body.bill_date, bounds, kind)
        at = self._wall()
        self.downloads = {key: kept for key, kept in self.downloads.items() if kept[0] >= at}
        if len(self.downloads) >= 100:
            raise Refused(INVALID, "isv.app-call-limited", "账单下载过于频繁")
        token = secrets.token_urlsafe(24)
        self.downloads[token] = (at + timedelta(seconds=DOWNLOAD_LIVES_S), content)
        return Reply(
            {"bill_download_url": f"{self.origin}/downloadBillFile.resource?fileId={token}"}
        )

    def download(self, token: str) -> bytes | None:
        """The bill behind a link, while it lives."""
        until, content = self.downloads.get(token, (self._wall(), b""))
        return content if content and until >= self._wall() else None


def _order(business: bytes) -> OrderBody:
    """The order without the address that v3 puts beside it, so that both protocols are alike."""
    return msgspec.structs.replace(read(business, OrderBody), notify_url="")


_PLACING = {
    "alipay.trade.create": Twin.place,
    "alipay.trade.precreate": Twin.show,
    "alipay.trade.pay": Twin.pay_by_code,
}
_ASKING = {
    "alipay.trade.query": Twin.query,
    "alipay.trade.close": Twin.close,
    "alipay.trade.cancel": Twin.cancel,
    "alipay.trade.refund": Twin.refund,
    "alipay.trade.fastpay.refund.query": Twin.query_refund,
    BILL_METHOD: Twin.bill_url,
}
METHODS = (*_PLACING, *_ASKING)
"""Every method the twin knows; v3 makes its paths of them."""


def _paid_fields(trade: TradeRow) -> Json:
    return {
        "out_trade_no": trade.out_trade_no,
        "trade_no": trade.trade_no,
        "total_amount": yuan(trade.total),
        "receipt_amount": yuan(trade.total),
        "buyer_pay_amount": yuan(trade.total),
        "point_amount": "0.00",
        "invoice_amount": yuan(trade.total),
        "buyer_open_id": trade.payer,
        "buyer_logon_id": "tes***@test.invalid",
        "fund_bill_list": [{"amount": yuan(trade.total), "fund_channel": "ALIPAYACCOUNT"}],
    }


def trade_fields(trade: TradeRow) -> Json:
    """The trade as a query tells it; an unpaid one lacks what only payment gives.

    ``ext_infos`` holds a text that looks like the end of the answer, and ``subject`` may hold
    slashes: both break readers that search instead of parsing (10).
    """
    found: Json = {
        "out_trade_no": trade.out_trade_no,
        "trade_no": trade.trade_no,
        "trade_status": trade.state,
        "total_amount": yuan(trade.total),
        "subject": trade.subject,
        "ext_infos": '{"a":"https://example.invalid/}"},"sign":"inner"}',
        "industry_sepc_detail": {"sign": "inner"},
    }
    if trade.paid_at:
        found |= {**_paid_fields(trade), "send_pay_date": spaced(trade.paid_at)}
    return found


def twin_of(request: AnyRequest) -> Twin:
    """The twin that the app was made with."""
    twin: Twin = request.app.state.twin
    return twin
