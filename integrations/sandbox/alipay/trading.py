"""The rules of placing, paying, asking, closing and cancelling (5.3, 5.4, 5.6), over the book.

Every function is one all-or-nothing step and never awaits; refusals are ``Refused``.
"""

import hashlib
from urllib.parse import urlsplit

import msgspec

from integrations.sandbox.alipay.book import Book, RefundRow, TradeRow
from integrations.sandbox.alipay.faults import FaultPlan
from integrations.sandbox.alipay.model import (
    UNAVAILABLE,
    Merchant,
    OrderBody,
    Refused,
    TradeBody,
    TwinPace,
    business,
    invalid,
)
from integrations.sandbox.alipay.posting import queue_notice
from integrations.sandbox.alipay.texts import beijing, read_spaced, read_yuan

UNPAID_LIVES_S = 15 * 86_400
CANCEL_WITHIN_S = 86_400
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
CODE_PAYER = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5"

SHOWN_WAYS = frozenset({"precreate", "wap"})
"""A code or a page that is no trade until the payer logs in to pay it (5.3)."""

PAYS, WAITS, SHORT, BAD_CODE, UNCLEAR_PAID, UNCLEAR = range(6)
CODE_ENDS = {"5": WAITS, "6": SHORT, "7": BAD_CODE, "8": UNCLEAR_PAID, "9": UNCLEAR}
"""What a payment code does, by its last digit; every other digit pays at once."""


class Trading:
    """Trades of all merchants in one book."""

    def __init__(self, book: Book, faults: FaultPlan, pace: TwinPace) -> None:
        self._book = book
        self._faults = faults
        self._pace = pace

    def place(
        self, merchant: Merchant, way: str, body: OrderBody, notify_url: str, now: int
    ) -> TradeRow:
        """Place or re-enter an order: ``create``, ``precreate`` or ``pay``."""
        total = read_yuan(body.total_amount)
        if total is None:
            raise invalid("total_amount 不是两位小数的正数")
        expires_at = _expiry(body, now)
        _check_notify_url(notify_url)
        _check_way(way, body)
        content = hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
        with self._book.transaction():
            known = self._book.find_trade(merchant.seller_id, body.out_trade_no)
            if known is not None:
                return self._reenter(known, way, content, now)
            if expires_at <= now:
                raise invalid("time_expire 应为将来的时间")
            trade = TradeRow(
                seller_id=merchant.seller_id,
                out_trade_no=body.out_trade_no,
                app_id=merchant.app_id,
                way=way,
                content=content,
                total=total,
                subject=body.subject,
                notify_url=notify_url,
                buyer=body.buyer_open_id or body.buyer_id,
                state="SHOWN",
                qr=self._reference(way),
                expires_at=expires_at,
                created_at=now,
            )
            if way not in SHOWN_WAYS:
                self._begin(trade, now)
            self._book.put_trade(trade)
            return trade

    def _reenter(self, known: TradeRow, way: str, content: str, now: int) -> TradeRow:
        known = self._aged(known, now)
        if known.state in PAID or known.refunded:
            raise business("TRADE_HAS_SUCCESS", "交易已被支付")
        if known.state == "TRADE_CLOSED":
            raise business("TRADE_HAS_CLOSE", "交易已经关闭")
        if (known.way, known.content) != (way, content):
            raise business("CONTEXT_INCONSISTENT", "交易信息被篡改")
        return known

    def _reference(self, way: str) -> str:
        if way not in SHOWN_WAYS:
            return ""
        number = self._book.next_number("qr")
        return f"bax{hashlib.sha256(f'qr {number}'.encode()).hexdigest()[:20]}"

    def _begin(self, trade: TradeRow, now: int) -> None:
        """The order becomes a trade: from now on it can be asked about."""
        number = self._book.next_number("trade")
        trade.state = "WAIT_BUYER_PAY"
        trade.trade_no = f"{beijing(now, '%Y%m%d')}2200149{number:013d}"

    def find(self, merchant: Merchant, body: TradeBody, now: int) -> TradeRow:
        """The trade by either number, aged to now; Alipay's goes first. Raises ``Refused``."""
        if not (body.trade_no or body.out_trade_no):
            raise invalid("out_trade_no 与 trade_no 不能同时为空")
        found = (
            self._book.find_trade_by_number(merchant.seller_id, body.trade_no)
            if body.trade_no
            else self._book.find_trade(merchant.seller_id, body.out_trade_no)
        )
        if found is None or found.state == "SHOWN":
            # A code that nobody scanned is no trade yet (5.3).
            raise business("TRADE_NOT_EXIST", "交易不存在")
        with self._book.transaction():
            return self._aged(found, now)

    def age(self, now: int) -> None:
        """Close what nobody paid in time, finish what is past its refund window."""
        due = self._book.list_trades_to_age(now, now - self._pace.finish_after_s)
        with self._book.transaction():
            for trade in due:
                self._aged(trade, now)

    def _aged(self, trade: TradeRow, now: int) -> TradeRow:
        if trade.state == "WAIT_BUYER_PAY" and trade.expires_at <= now:
            self._close(trade, trade.expires_at)
        elif trade.state == "TRADE_SUCCESS" and trade.paid_at + self._pace.finish_after_s <= now:
            trade.state = "TRADE_FINISHED"
            self._book.put_trade(trade)
            queue_notice(self._book, self._faults, trade, now)
        return trade

    def _close(self, trade: TradeRow, now: int) -> None:
        trade.state = "TRADE_CLOSED"
        trade.closed_at = now
        self._book.put_trade(trade)
        queue_notice(self._book, self._faults, trade, now)

    def close(self, merchant: Merchant, body: TradeBody, now: int) -> TradeRow:
        """Close a trade that waits for its payer, and no other."""
        trade = self.find(merchant, body, now)
        if trade.state != "WAIT_BUYER_PAY":
            raise business("TRADE_STATUS_ERROR", "交易状态不合法")
        with self._book.transaction():
            self._close(trade, now)
        return trade

    def cancel(self, merchant: Merchant, body: TradeBody, now: int) -> tuple[TradeRow | None, str]:
        """Cancel: the trade, if there is one, and ``close`` or ``refund``."""
        try:
            trade = self.find(merchant, body, now)
        except Refused as refused:
            if refused.sub_code != "ACQ.TRADE_NOT_EXIST":
                raise
            return None, ""
        if trade.state == "TRADE_FINISHED":
            raise business("TRADE_HAS_FINISHED", "交易已经完结")
        if trade.state == "TRADE_CLOSED":
            return trade, "refund" if trade.refunded else "close"
        if trade.created_at + CANCEL_WITHIN_S <= now:
            raise business("TRADE_CANCEL_TIME_OUT", "超过撤销时间范围")
        with self._book.transaction():
            if trade.state == "WAIT_BUYER_PAY":
                self._close(trade, now)
                return trade, "close"
            if trade.refunded:
                raise business("REASON_TRADE_REFUND_FEE_ERR", "已发生退款，不能撤销")
            self._book.put_refund(
                RefundRow(
                    seller_id=trade.seller_id,
                    out_trade_no=trade.out_trade_no,
                    out_request_no=trade.out_trade_no,
                    amount=trade.total,
                    status="DONE",
                    created_at=now,
                    done_at=now,
                )
            )
            trade.refunded, trade.refunded_at = trade.total, now
            self._close(trade, now)
            return trade, "refund"

    def scan(self, text: str, now: int) -> TradeRow:
        """A payer scans a shown code: the trade begins. Scanning again shows it again."""
        with self._book.transaction():
            trade = self._by_text(text, now)
            if trade.state == "SHOWN":
                if trade.expires_at <= now:
                    raise business("TRADE_HAS_CLOSE", "二维码已失效")
                self._begin(trade, now)
                self._book.put_trade(trade)
            return trade

    def pay(self, text: str, payer: str, now: int) -> TradeRow:
        """The payer pays a trade named by its number or code. Raises ``Refused``."""
        self.scan(text, now)
        with self._book.transaction():
            trade = self._by_text(text, now)
            if trade.state != "WAIT_BUYER_PAY":
                raise business("TRADE_STATUS_ERROR", "交易已支付或已关闭")
            if trade.buyer and trade.buyer != payer:
                raise business("TRADE_BUYER_NOT_MATCH", "交易买家不匹配")
            trade.state, trade.payer, trade.paid_at = "TRADE_SUCCESS", payer, now
            self._book.put_trade(trade)
            queue_notice(self._book, self._faults, trade, now)
            return trade

    def look_at(self, text: str, now: int) -> TradeRow:
        """The trade or shown code behind a text. Raises ``Refused``."""
        with self._book.transaction():
            return self._by_text(text, now)

    def _by_text(self, text: str, now: int) -> TradeRow:
        trade = self._book.find_trade_by_text(text)
        if trade is None:
            raise business("TRADE_NOT_EXIST", "交易不存在")
        return self._aged(trade, now)

    def pay_by_code(
        self, merchant: Merchant, body: OrderBody, notify_url: str, now: int
    ) -> tuple[TradeRow, bool]:
        """Pay by the code a payer shows: the trade, and whether the payer must still confirm."""
        known = self._book.find_trade(merchant.seller_id, body.out_trade_no)
        if known is not None:
            return self.place(merchant, "pay", body, notify_url, now), True
        does = CODE_ENDS.get(body.auth_code[-1:], PAYS)
        if does == BAD_CODE or not self._book.use_code(body.auth_code):
            raise business("PAYMENT_AUTH_CODE_INVALID", "支付失败，获取顾客账户信息失败")
        if does == SHORT:
            raise business("BUYER_BALANCE_NOT_ENOUGH", "买家余额不足")
        trade = self.place(merchant, "pay", body, notify_url, now)
        if does in {PAYS, UNCLEAR_PAID}:
            trade = self.pay(trade.trade_no, CODE_PAYER, now)
        if does in {UNCLEAR, UNCLEAR_PAID}:
            raise Refused(UNAVAILABLE, "isp.unknow-error", "服务暂不可用")
        return trade, does == WAITS


def _expiry(body: OrderBody, now: int) -> int:
    if not body.time_expire:
        return now + UNPAID_LIVES_S
    expires_at = read_spaced(body.time_expire)
    if expires_at is None:
        raise invalid("time_expire 格式应为 yyyy-MM-dd HH:mm:ss")
    return expires_at


def _check_way(way: str, body: OrderBody) -> None:
    if way == "create":
        one_buyer = bool(body.buyer_id) != bool(body.buyer_open_id)
        if body.product_code != "JSAPI_PAY" or not body.op_app_id or not one_buyer:
            raise invalid("JSAPI_PAY 须有 op_app_id，buyer_id 与 buyer_open_id 二选一")
    if way == "pay" and (
        body.scene != "bar_code"
        or body.product_code != "FACE_TO_FACE_PAYMENT"
        or not _is_payment_code(body.auth_code)
    ):
        raise invalid("条码支付参数不正确")
    if way == "wap" and body.product_code != "QUICK_WAP_WAY":
        raise invalid("手机网站支付的 product_code 应为 QUICK_WAP_WAY")


def _is_payment_code(text: str) -> bool:
    good = 16 <= len(text) <= 24 and text.isascii() and text.isdigit()
    return good and text[:2] in {"25", "26", "27", "28", "29", "30"}


def _check_notify_url(url: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise invalid("notify_url 不正确") from None
    # Plain http is only for a merchant on the twin's own machine.
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)):
        raise invalid("notify_url 应为 https 地址")
