"""The rules of refunds (5.5, 5.6): one request number refunds once, the sum has a limit."""

from integrations.sandbox.alipay.book import Book, RefundRow, TradeRow
from integrations.sandbox.alipay.faults import Fault, FaultPlan
from integrations.sandbox.alipay.model import RefundBody, TwinPace, business, invalid
from integrations.sandbox.alipay.posting import queue_notice
from integrations.sandbox.alipay.texts import read_yuan


class Refunding:
    """Refunds of all merchants in one book."""

    def __init__(self, book: Book, faults: FaultPlan, pace: TwinPace) -> None:
        self._book = book
        self._faults = faults
        self._pace = pace

    def refund(self, trade: TradeRow, body: RefundBody, now: int) -> tuple[TradeRow, bool]:
        """The trade, and whether this call moved money. Raises ``Refused``."""
        amount = read_yuan(body.refund_amount)
        if amount is None:
            raise invalid("refund_amount 不是两位小数的正数")
        request_no = body.out_request_no or trade.out_trade_no
        known = self._book.find_refund(trade.seller_id, trade.out_trade_no, request_no)
        if known is not None:
            if known.amount != amount:
                raise business("DISCORDANT_REPEAT_REQUEST", "同一退款请求号的金额不一致")
            return trade, False
        self._check(trade, body, amount)
        numbers = frozenset({trade.out_trade_no, request_no})
        if self._faults.take(frozenset({Fault.BALANCE_SHORT}), "refund", numbers) is not None:
            raise business("SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
        pending = self._faults.take(frozenset({Fault.REFUND_PENDING}), "refund", numbers)
        takes_s = self._pace.refund_takes_s
        if pending is not None:
            takes_s = max(1, pending.delay_ms // 1000)
        with self._book.transaction():
            refund = RefundRow(
                seller_id=trade.seller_id,
                out_trade_no=trade.out_trade_no,
                out_request_no=request_no,
                amount=amount,
                status="PENDING",
                created_at=now,
                done_at=now + takes_s,
            )
            self._book.put_refund(refund)
            if takes_s == 0:
                trade = self._finish(refund, now)
        return trade, takes_s == 0

    def _check(self, trade: TradeRow, body: RefundBody, amount: int) -> None:
        if trade.state == "WAIT_BUYER_PAY":
            raise business("TRADE_STATUS_ERROR", "交易未支付")
        if trade.state == "TRADE_FINISHED":
            raise business("TRADE_HAS_FINISHED", "交易已经完结，不允许退款")
        if trade.state == "TRADE_CLOSED" and not trade.refunded:
            raise business("TRADE_HAS_CLOSE", "交易已经关闭")
        if not body.out_request_no and amount != trade.total:
            raise business("REFUND_AMT_NOT_EQUAL_TOTAL", "撤销或退款金额与订单金额不一致")
        promised = sum(
            row.amount for row in self._book.list_refunds_of(trade.seller_id, trade.out_trade_no)
        )
        if promised + amount > trade.total:
            raise business("REASON_TRADE_REFUND_FEE_ERR", "退款金额无效")

    def finish_due(self, now: int) -> None:
        """Bring refunds whose time has come to their end."""
        with self._book.transaction():
            for refund in self._book.list_refunds_due(now):
                self._finish(refund, now)

    def _finish(self, refund: RefundRow, now: int) -> TradeRow:
        """Money goes back; a trade refunded whole is closed (5.3)."""
        trade = self._book.find_trade(refund.seller_id, refund.out_trade_no)
        if trade is None:
            raise LookupError("a refund without its trade")
        refund.status, refund.done_at = "DONE", now
        self._book.put_refund(refund)
        trade.refunded += refund.amount
        trade.refunded_at = now
        if trade.refunded == trade.total:
            trade.state, trade.closed_at = "TRADE_CLOSED", now
        self._book.put_trade(trade)
        queue_notice(self._book, self._faults, trade, now)
        return trade

    def find(self, trade: TradeRow, request_no: str, now: int) -> RefundRow | None:
        """The refund if it is done; a pending one is not to be seen (5.3)."""
        self.finish_due(now)
        found = self._book.find_refund(trade.seller_id, trade.out_trade_no, request_no)
        return found if found is not None and found.status == "DONE" else None
