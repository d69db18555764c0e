"""The rules of orders, closing, payment and refunds (2.1 to 2.6), over the book.

Every function is one all-or-nothing step and never awaits; refusals are ``Refused``.
"""

import hashlib
from typing import Any

import msgspec

from integrations.sandbox.wechatpay.accounts import (
    UNPAID_LIVES_S,
    Owner,
    check_notify_url,
    check_order,
    hash_of,
)
from integrations.sandbox.wechatpay.book import Book, NoticeRow, OrderRow, RefundRow
from integrations.sandbox.wechatpay.faults import NOTICE_FAULTS, Fault, FaultPlan
from integrations.sandbox.wechatpay.model import OrderBody, RefundBody, Refused, TwinPace
from integrations.sandbox.wechatpay.objects import STATE_TEXTS, refund_notice, transaction
from integrations.sandbox.wechatpay.texts import beijing

PREPAY_LIVES_S = 2 * 3600
H5_LIVES_S = 5 * 60
CONFIRM_WITHIN_S = 90
REVERSE_WINDOW_S = 7 * 86_400
REFUND_WINDOW_S = 366 * 86_400
REFUNDS_MAX = 50

REENTRY_DIFFERS = 268498688
ALREADY_PAID = 268449538
REVERSED_ONLY = 268449641
NOT_FOUND = 268512771


class Trading:
    """Orders and refunds of all merchants in one book."""

    def __init__(self, book: Book, faults: FaultPlan, pace: TwinPace) -> None:
        self._book = book
        self._faults = faults
        self._pace = pace

    def place(self, owner: Owner, way: str, body: OrderBody, now: int) -> OrderRow:
        """Place or re-enter an order."""
        expires_at = check_order(body, way, now)
        content = hash_of(body)
        with self._book.transaction():
            known = self._book.find_order(owner.mchid, body.out_trade_no)
            if known is not None:
                return self._reenter(known, way, content, now)
            order = OrderRow(
                mchid=owner.mchid,
                out_trade_no=body.out_trade_no,
                appid=owner.appid,
                sp_mchid=owner.sp_mchid,
                sp_appid=owner.sp_appid,
                way=way,
                content=content,
                total=body.amount.total,
                description=body.description,
                notify_url=body.notify_url or "",
                attach=body.attach or "",
                openid=_openid(body),
                state="NOTPAY",
                prepay=self._prepay(way, now),
                prepay_until=now + _lives(way),
                expires_at=expires_at,
                created_at=now,
            )
            self._book.put_order(order)
            return order

    def _reenter(self, known: OrderRow, way: str, content: str, now: int) -> OrderRow:
        known = self._aged(known, now)
        if known.state in {"SUCCESS", "REFUND"}:
            raise Refused(403, "OUT_TRADE_NO_USED", "商户订单号已支付", ALREADY_PAID)
        if known.state == "CLOSED":
            raise Refused(400, "ORDER_CLOSED", "订单已关闭")
        if known.state not in {"NOTPAY", "USERPAYING"}:
            raise Refused(403, "OUT_TRADE_NO_USED", "商户订单号已使用")
        if (known.way, known.content) != (way, content):
            raise Refused(400, "INVALID_REQUEST", "商户订单号重复", REENTRY_DIFFERS)
        if known.prepay_until <= now:
            known.prepay = self._prepay(way, now)
            known.prepay_until = now + _lives(way)
            self._book.put_order(known)
        return known

    def _prepay(self, way: str, now: int) -> str:
        number = self._book.next_number("prepay")
        tail = hashlib.sha256(f"prepay {number}".encode()).hexdigest()
        if way == "native":
            return tail[:9]
        return f"wx{beijing(now, '%d%H%M%S')}{number:08d}{tail[:18]}"

    def look_up(self, mchid: str, *, out_trade_no: str, transaction_id: str, now: int) -> OrderRow:
        """The order, aged to now. Raises ``Refused`` when there is none."""
        found = (
            self._book.find_order_by_id(mchid, transaction_id)
            if transaction_id
            else self._book.find_order(mchid, out_trade_no)
        )
        if found is None:
            raise Refused(404, "ORDER_NOT_EXIST", "订单不存在", NOT_FOUND)
        with self._book.transaction():
            return self._aged(found, now)

    def _aged(self, order: OrderRow, now: int) -> OrderRow:
        if order.state == "NOTPAY" and order.created_at + UNPAID_LIVES_S <= now:
            order.state = "CLOSED"
            self._book.put_order(order)
        if order.state == "USERPAYING" and order.created_at + CONFIRM_WITHIN_S <= now:
            order.state = "PAYERROR"
            self._book.put_order(order)
        return order

    def close(self, mchid: str, out_trade_no: str, now: int) -> None:
        """Close an unpaid order; closing a closed one is done again."""
        order = self.look_up(mchid, out_trade_no=out_trade_no, transaction_id="", now=now)
        if order.state in {"SUCCESS", "REFUND"}:
            raise Refused(400, "INVALID_REQUEST", "订单已支付，不可关闭", ALREADY_PAID)
        if order.way == "codepay":
            raise Refused(400, "INVALID_REQUEST", "付款码订单只能撤销", REVERSED_ONLY)
        order.state = "CLOSED"
        self._book.put_order(order)

    def pay(self, prepay: str, openid: str, now: int) -> OrderRow:
        """The payer pays. Raises ``Refused`` as the client would be told."""
        with self._book.transaction():
            order = self._book.find_order_by_prepay(prepay)
            if order is None:
                raise Refused(404, "ORDER_NOT_EXIST", "订单不存在", NOT_FOUND)
            order = self._aged(order, now)
            if order.state != "NOTPAY":
                raise Refused(400, "INVALID_REQUEST", STATE_TEXTS[order.state])
            if order.prepay_until <= now or order.expires_at <= now:
                raise Refused(400, "INVALID_REQUEST", "订单已过期")
            if order.openid and order.openid != openid:
                raise Refused(400, "INVALID_REQUEST", "支付者与下单用户不一致")
            self.take_money(order, openid, now)
            self.queue(
                order.sp_mchid or order.mchid,
                order.out_trade_no,
                order.notify_url,
                ("TRANSACTION.SUCCESS", "支付成功", "transaction"),
                transaction(order),
                now,
            )
            return order

    def take_money(self, order: OrderRow, openid: str, now: int) -> None:
        """The order is paid; inside the caller's transaction."""
        number = self._book.next_number("transaction")
        order.state = "SUCCESS"
        order.payer = openid
        order.paid_at = now
        order.transaction_id = f"4200{beijing(now, '%Y%m%d')}{number:016d}"
        self._book.put_order(order)

    def refund(self, mchid: str, body: RefundBody, now: int) -> RefundRow:
        """Accept a refund, or answer its repetition alike."""
        if bool(body.out_trade_no) == bool(body.transaction_id):
            raise Refused(400, "PARAM_ERROR", "out_trade_no 与 transaction_id 二选一")
        if body.amount.currency != "CNY":
            raise Refused(400, "PARAM_ERROR", "退款币种应为 CNY")
        if body.notify_url is not None:
            check_notify_url(body.notify_url)
        content = hash_of(body)
        known = self._book.find_refund(mchid, body.out_refund_no)
        if known is not None:
            if known.content != content:
                raise Refused(400, "INVALID_REQUEST", "退款单号重复且参数不一致", REENTRY_DIFFERS)
            return known
        order = self.look_up(
            mchid,
            out_trade_no=body.out_trade_no or "",
            transaction_id=body.transaction_id or "",
            now=now,
        )
        self._check_refund(order, body, now)
        with self._book.transaction():
            number = self._book.next_number("refund")
            refund = RefundRow(
                mchid=mchid,
                out_refund_no=body.out_refund_no,
                out_trade_no=order.out_trade_no,
                refund_id=f"5030{beijing(now, '%Y%m%d')}{number:017d}",
                amount=body.amount.refund,
                total=body.amount.total,
                content=content,
                notify_url=body.notify_url or "",
                status="PROCESSING",
                ends_as=self._refund_end(order.out_trade_no, body.out_refund_no),
                created_at=now,
                done_at=now + self._pace.refund_takes_s,
            )
            order.state = "REFUND"
            self._book.put_order(order)
            self._book.put_refund(refund)
        return refund

    def _check_refund(self, order: OrderRow, body: RefundBody, now: int) -> None:
        if order.state not in {"SUCCESS", "REFUND"}:
            raise Refused(400, "INVALID_REQUEST", "订单未支付")
        if body.amount.total != order.total:
            raise Refused(400, "PARAM_ERROR", "原订单金额不一致")
        if order.paid_at + REFUND_WINDOW_S <= now:
            raise Refused(403, "RULE_LIMIT", "订单支付已超过一年")
        earlier = self._book.list_refunds_of(order.mchid, order.out_trade_no)
        if len(earlier) >= REFUNDS_MAX:
            raise Refused(403, "RULE_LIMIT", "部分退款次数超过 50 次")
        if any(row.created_at + self._pace.refund_gap_s > now for row in earlier):
            raise Refused(429, "FREQUENCY_LIMITED", "同一订单退款间隔不足")
        spent = sum(row.amount for row in earlier if row.status != "CLOSED")
        if spent + body.amount.refund > order.total:
            raise Refused(400, "INVALID_REQUEST", "累计退款金额超过订单金额")

    def _refund_end(self, trade_no: str, refund_no: str) -> str:
        group = frozenset({Fault.REFUND_ABNORMAL, Fault.REFUND_CLOSED})
        scripted = self._faults.take(group, "refund", frozenset({trade_no, refund_no}))
        if scripted is None:
            return "SUCCESS"
        return "ABNORMAL" if scripted.fault is Fault.REFUND_ABNORMAL else "CLOSED"

    def finish_refunds(self, now: int) -> None:
        """Bring refunds whose time has come to their end, with a notice each."""
        with self._book.transaction():
            for refund in self._book.list_refunds_due(now):
                self._end(refund, refund.ends_as, now)

    def end_refund(self, mchid: str, out_refund_no: str, status: str, now: int) -> None:
        """A person at WeChat ends a refund that was stuck."""
        with self._book.transaction():
            refund = self._book.find_refund(mchid, out_refund_no)
            if refund is None or refund.status not in {"PROCESSING", "ABNORMAL"}:
                raise Refused(404, "RESOURCE_NOT_EXISTS", "没有未结束的该退款", NOT_FOUND)
            self._end(refund, status, now)

    def _end(self, refund: RefundRow, status: str, now: int) -> None:
        refund.status = status
        refund.done_at = now
        self._book.put_refund(refund)
        order = self._book.find_order(refund.mchid, refund.out_trade_no)
        if order is None or not refund.notify_url:
            return
        self.queue(
            order.sp_mchid or order.mchid,
            refund.out_trade_no,
            refund.notify_url,
            (f"REFUND.{status}", "退款通知", "refund"),
            refund_notice(refund, order),
            now,
        )

    def queue(
        self,
        mchid: str,
        trade_no: str,
        url: str,
        kind: tuple[str, str, str],
        plain: dict[str, Any],
        now: int,
    ) -> None:
        """Have a notice sent: ``kind`` is event, summary and original type."""
        event, summary, original_type = kind
        numbers = frozenset({trade_no, str(plain.get("out_refund_no", trade_no))})
        fault = self._faults.take(NOTICE_FAULTS, f"{event} {trade_no}", numbers)
        number = self._book.next_number("notice")
        wrong = fault is not None and fault.fault is Fault.NOTICE_WRONG_AMOUNT
        if wrong and "amount" in plain:
            key = "refund" if original_type == "refund" else "total"
            plain = {**plain, "amount": {**plain["amount"], key: plain["amount"][key] + 1}}
        late = fault is not None and fault.fault in {Fault.NOTICE_LATE, Fault.NOTICE_REORDERED}
        self._book.add_notice(
            NoticeRow(
                id=f"EV-{hashlib.sha256(f'notice {number}'.encode()).hexdigest()[:32]}",
                mchid=mchid,
                trade_no=trade_no,
                url=url,
                event=event,
                summary=summary,
                original_type=original_type,
                plain=msgspec.json.encode(plain).decode(),
                fault=fault.fault.value if fault is not None else "",
                due_ms=now * 1000 + (fault.delay_ms if fault is not None and late else 0),
            )
        )


def _openid(body: OrderBody) -> str:
    payer = body.payer
    return "" if payer is None else payer.sub_openid or payer.openid or payer.sp_openid or ""


def _lives(way: str) -> int:
    return H5_LIVES_S if way == "h5" else PREPAY_LIVES_S
