"""Pay-by-code and reverse (2.5), over the book. No notice is sent for these orders.

What a code does is told by its last two digits: 11 asks the payer to confirm on his phone, 22 has
no balance, 33 is expired; any other pays at once. A code works once.
"""

from integrations.sandbox.wechatpay.accounts import Owner
from integrations.sandbox.wechatpay.book import Book, OrderRow
from integrations.sandbox.wechatpay.faults import Fault, FaultPlan
from integrations.sandbox.wechatpay.model import OrderBody, Refused, TwinPace
from integrations.sandbox.wechatpay.trading import REVERSE_WINDOW_S, Trading

CONFIRMS, NO_BALANCE, EXPIRED = "11", "22", "33"
CODE_PAYER = "oSandboxPayerCode"
REVERSIBLE = frozenset({"SUCCESS", "NOTPAY", "USERPAYING", "PAYERROR"})


class ShownCodes:
    """Orders that are paid by a shown code."""

    def __init__(self, book: Book, trading: Trading, faults: FaultPlan, pace: TwinPace) -> None:
        self._book = book
        self._trading = trading
        self._faults = faults
        self._pace = pace

    def pay(self, owner: Owner, body: OrderBody, now: int) -> OrderRow:
        """Take the money, or ask the payer. Raises ``Refused``."""
        code = body.payer.auth_code if body.payer is not None else None
        if code is None:
            raise Refused(400, "PARAM_ERROR", "auth_code 必填")
        used = self._book.find_order_by_code(code)
        if used is not None and (used.mchid, used.out_trade_no) != (owner.mchid, body.out_trade_no):
            raise Refused(400, "AUTH_CODE_INVALID", "付款码已使用")
        if used is None and code.endswith(EXPIRED):
            raise Refused(400, "AUTH_CODE_EXPIRED", "付款码已过期")
        order = self._trading.place(owner, "codepay", body, now)
        if order.auth_code:
            return order
        with self._book.transaction():
            order.auth_code = code
            if code.endswith(NO_BALANCE):
                order.state = "PAYERROR"
            elif code.endswith(CONFIRMS):
                order.state = "USERPAYING"
            self._book.put_order(order)
            if order.state == "NOTPAY":
                self._trading.take_money(order, CODE_PAYER, now)
        if order.state == "PAYERROR":
            raise Refused(403, "NOT_ENOUGH", "余额不足")
        return order

    def confirm(self, mchid: str, out_trade_no: str, now: int) -> OrderRow:
        """The payer confirms on his phone. Raises ``Refused``."""
        order = self._trading.look_up(mchid, out_trade_no=out_trade_no, transaction_id="", now=now)
        if order.state != "USERPAYING":
            raise Refused(400, "INVALID_REQUEST", "没有待确认的支付")
        with self._book.transaction():
            self._trading.take_money(order, CODE_PAYER, now)
        return order

    def reverse(self, mchid: str, out_trade_no: str, now: int) -> OrderRow:
        """Undo it: unpaid ends, paid is given back. Again is done already. Raises ``Refused``."""
        order = self._trading.look_up(mchid, out_trade_no=out_trade_no, transaction_id="", now=now)
        if order.way != "codepay":
            raise Refused(400, "INVALID_REQUEST", "仅付款码订单可撤销")
        if order.state == "REVOKED":
            return order
        if order.state not in REVERSIBLE or order.created_at + REVERSE_WINDOW_S <= now:
            raise Refused(403, "TRADE_ERROR", "订单不可撤销")
        if order.created_at + self._pace.reverse_after_s > now:
            raise Refused(400, "INVALID_REQUEST", "请在支付 15 秒后撤销")
        busy = self._faults.take(
            frozenset({Fault.REVERSE_BUSY}), "reverse", frozenset({out_trade_no})
        )
        if busy is not None:
            raise Refused(400, "USERPAYING", "用户支付中")
        with self._book.transaction():
            order.state = "REVOKED"
            order.reversed_at = now
            self._book.put_order(order)
        return order
