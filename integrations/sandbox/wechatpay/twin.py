"""One twin: its book, keys, rules, faults and courier, and the signed routes of the partner."""

import gzip
import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request

from integrations.sandbox.wechatpay import bill
from integrations.sandbox.wechatpay.book import Book, OrderRow
from integrations.sandbox.wechatpay.courier import Courier, NoticeSender
from integrations.sandbox.wechatpay.exchange import Exchange, read
from integrations.sandbox.wechatpay.faults import Fault, FaultPlan
from integrations.sandbox.wechatpay.model import (
    CloseBody,
    OrderBody,
    RefundBody,
    Refused,
    Reply,
    TwinKeys,
    TwinMerchant,
    TwinPace,
)
from integrations.sandbox.wechatpay.seal import TwinSeal
from integrations.sandbox.wechatpay.trading import Trading, refund_object, transaction

CODE_URL = "weixin://wxpay/bizpayurl?pr="
DOWNLOAD_LIVES_S = 30
AnyRequest = Request[Any, Any, Any]


class Twin:
    """Everything the routes share."""

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
        self.clock = clock
        self.pace = pace
        self.faults = faults
        self.book = Book(book)
        self.seal = TwinSeal(keys)
        self.trading = Trading(self.book, faults, pace)
        self.courier = Courier(self.book, self.seal, notice_sender, pace)
        self.exchange = Exchange(self.seal, faults, clock)
        self.downloads: dict[str, tuple[str, int, bytes]] = {}
        """Bill bytes by token, with merchant and last second."""

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock().timestamp())

    async def tick(self) -> int:
        """End due refunds and send due notices; gives the number of sendings."""
        self.trading.finish_refunds(self.now())
        return await self.courier.deliver(self.clock)

    def order_by_prepay(self, prepay: str) -> OrderRow:
        """The order behind a prepay id or code. Raises ``Refused``."""
        order = self.book.find_order_by_prepay(prepay)
        if order is None:
            raise Refused(404, "ORDER_NOT_EXIST", "订单不存在")
        return order

    def book_view(self) -> dict[str, Any]:
        """The book as JSON values, amounts in fen."""
        return {
            "orders": [
                {**transaction(order), "total_fen": order.total, "way": order.way}
                for order in self.book.list_orders()
            ],
            "refunds": [
                {
                    "mchid": row.mchid,
                    "out_refund_no": row.out_refund_no,
                    "out_trade_no": row.out_trade_no,
                    "refund_fen": row.amount,
                    "total_fen": row.total,
                    "status": row.status,
                }
                for row in self.book.list_refunds()
            ],
            "notices": [
                {
                    "id": row.id,
                    "out_trade_no": row.trade_no,
                    "event_type": row.event,
                    "tries": row.tries,
                    "state": row.state,
                }
                for row in self.book.list_notices()
            ],
        }

    async def place(self, merchant: TwinMerchant, way: str, content: bytes) -> Reply:
        """An order of one way, and the payer who is faster than the answer."""
        body = read(content, OrderBody)
        order = self.trading.place(merchant, way, body, self.now())
        at_once = self.faults.take(
            frozenset({Fault.PAID_AT_ONCE}), f"place {way}", frozenset({order.out_trade_no})
        )
        if at_once is not None and order.state == "NOTPAY":
            self.trading.pay(order.prepay, order.openid or "oSandboxPayerNative", self.now())
            await self.courier.deliver(self.clock)
        answer = (
            {"code_url": CODE_URL + order.prepay}
            if way == "native"
            else {"prepay_id": order.prepay}
        )
        return Reply(200, msgspec.json.encode(answer))

    def query(self, merchant: TwinMerchant, mchid: str, out_trade_no: str, wx_no: str) -> Reply:
        """A transaction by either number."""
        if mchid != merchant.mchid:
            raise Refused(400, "PARAM_ERROR", "mchid 与签名商户不一致")
        found = self.trading.look_up(
            mchid, out_trade_no=out_trade_no, transaction_id=wx_no, now=self.now()
        )
        return Reply(200, msgspec.json.encode(transaction(found)))

    def close(self, merchant: TwinMerchant, out_trade_no: str, content: bytes) -> Reply:
        """Close, with the races that 2.4 and 1.9 tell of."""
        body = read(content, CloseBody)
        if body.mchid != merchant.mchid:
            raise Refused(400, "PARAM_ERROR", "mchid 与签名商户不一致")
        group = frozenset({Fault.PAID_BEFORE_CLOSE, Fault.PAID_DURING_CLOSE})
        race = self.faults.take(group, "close", frozenset({out_trade_no}))
        if race is not None:
            order = self.trading.look_up(
                merchant.mchid, out_trade_no=out_trade_no, transaction_id="", now=self.now()
            )
            self.trading.pay(order.prepay, order.openid or "oSandboxPayerNative", self.now())
            if race.fault is Fault.PAID_DURING_CLOSE:
                raise Refused(429, "FREQUENCY_LIMITED", "用户支付中", 268447840)
        self.trading.close(merchant.mchid, out_trade_no, self.now())
        return Reply(204, b"")

    def refund(self, merchant: TwinMerchant, content: bytes) -> Reply:
        """Accept a refund."""
        body = read(content, RefundBody)
        short = self.faults.take(
            frozenset({Fault.BALANCE_SHORT}),
            "refund",
            frozenset({body.out_refund_no, body.out_trade_no or ""}),
        )
        if short is not None:
            raise Refused(403, "NOT_ENOUGH", "基本账户余额不足")
        refund = self.trading.refund(merchant, body, self.now())
        return self._refund_reply(merchant.mchid, refund.out_refund_no)

    def query_refund(self, merchant: TwinMerchant, out_refund_no: str) -> Reply:
        """A refund by its number."""
        self.trading.finish_refunds(self.now())
        return self._refund_reply(merchant.mchid, out_refund_no)

    def _refund_reply(self, mchid: str, out_refund_no: str) -> Reply:
        refund = self.book.find_refund(mchid, out_refund_no)
        order = None if refund is None else self.book.find_order(mchid, refund.out_trade_no)
        if refund is None or order is None:
            raise Refused(404, "RESOURCE_NOT_EXISTS", "退款单不存在", 268512771)
        return Reply(200, msgspec.json.encode(refund_object(refund, order)))

    def trade_bill(self, merchant: TwinMerchant, request: AnyRequest) -> Reply:
        """The link to a day's bill."""
        day = request.query_params.get("bill_date", "")
        bill_type = request.query_params.get("bill_type", "ALL")
        tar_type = request.query_params.get("tar_type", "")
        if tar_type not in {"", "GZIP"}:
            raise Refused(400, "PARAM_ERROR", "tar_type 只能为 GZIP")
        bounds = bill.check_day(day, bill_type, self.now(), self.pace.bill_hour)
        plain = bill.write(self.book, merchant.mchid, day, bill_type, bounds).encode()
        token = secrets.token_urlsafe(24)
        now = self.now()
        self.downloads = {key: kept for key, kept in self.downloads.items() if kept[1] >= now}
        if len(self.downloads) >= 100:
            raise Refused(429, "FREQUENCY_LIMITED", "频率超限")
        content = gzip.compress(plain, mtime=0) if tar_type else plain
        self.downloads[token] = (merchant.mchid, now + DOWNLOAD_LIVES_S, content)
        origin = str(request.base_url).rstrip("/")
        return Reply(
            200,
            msgspec.json.encode(
                {
                    "hash_type": "SHA1",
                    # The partner names SHA-1 for this; it is a check against damage, no signature.
                    "hash_value": hashlib.sha1(plain, usedforsecurity=False).hexdigest(),
                    "download_url": f"{origin}/v3/billdownload/file?token={token}",
                }
            ),
        )

    def download(self, merchant: TwinMerchant, token: str) -> bytes:
        """The bill behind a link, while it lives."""
        mchid, until, content = self.downloads.get(token, ("", 0, b""))
        if mchid != merchant.mchid or until < self.now():
            raise Refused(404, "RESOURCE_NOT_EXISTS", "下载链接已失效")
        return content


def twin_of(request: AnyRequest) -> Twin:
    """The twin that the app was made with."""
    twin: Twin = request.app.state.twin
    return twin
