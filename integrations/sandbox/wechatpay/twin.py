"""One twin: its book, keys, rules, faults and courier, and the signed routes of the partner."""

import gzip
import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Request, Response

from integrations.sandbox.wechatpay import bill
from integrations.sandbox.wechatpay.accounts import Owner, owner_of, sub_or_self
from integrations.sandbox.wechatpay.apiv2 import ApiV2, Fields, number_in
from integrations.sandbox.wechatpay.book import Book, OrderRow
from integrations.sandbox.wechatpay.courier import Courier, NoticeSender
from integrations.sandbox.wechatpay.exchange import Dropped, Exchange, read, target_of
from integrations.sandbox.wechatpay.faults import ANSWER_FAULTS, Fault, FaultPlan
from integrations.sandbox.wechatpay.mixed import Mixed
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
from integrations.sandbox.wechatpay.objects import refund_object, transaction
from integrations.sandbox.wechatpay.seal import TwinSeal
from integrations.sandbox.wechatpay.shown_codes import ShownCodes
from integrations.sandbox.wechatpay.trading import Trading

CODE_URL = "weixin://wxpay/bizpayurl?pr="
H5_URL = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id="
DOWNLOAD_LIVES_S = 30
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
        self.wall = clock
        self.pace = pace
        self.faults = faults
        self.book = Book(book)
        self.seal = TwinSeal(keys)
        self.trading = Trading(self.book, faults, pace)
        self.codes = ShownCodes(self.book, self.trading, faults, pace)
        self.mixed = Mixed(self.book, self.trading, faults, self.seal)
        self.v2 = ApiV2(self.codes, keys.merchants)
        self.courier = Courier(self.book, self.seal, notice_sender, pace, clock)
        self.exchange = Exchange(self.seal, faults, clock)
        self.downloads: dict[str, tuple[str, int, bytes]] = {}
        """Bill bytes by token, with merchant and last second."""

    def clock(self) -> datetime:
        """Business time: the wall's clock and all jumps so far."""
        return self.wall() + timedelta(seconds=self.book.counter("jumped"))

    def jump(self, forward_s: int) -> datetime:
        """Move business time forward; gives it."""
        self.book.add_to_counter("jumped", forward_s)
        return self.clock()

    def now(self) -> int:
        """Business time in Unix seconds."""
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
            "now": self.clock().isoformat(timespec="seconds"),
            "mixed": self.mixed.all(),
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

    async def place(
        self, merchant: TwinMerchant, way: str, content: bytes, *, partner: bool
    ) -> Reply:
        """An order of one way, and the payer who is faster than the answer."""
        body = read(content, OrderBody)
        order = self.trading.place(owner_of(merchant, body, partner=partner), way, body, self.now())
        at_once = self.faults.take(
            frozenset({Fault.PAID_AT_ONCE}), f"place {way}", frozenset({order.out_trade_no})
        )
        if at_once is not None and order.state == "NOTPAY":
            self.trading.pay(order.prepay, order.openid or "oSandboxPayerNative", self.now())
            await self.courier.deliver(self.clock)
        answer = {
            "jsapi": {"prepay_id": order.prepay},
            "native": {"code_url": CODE_URL + order.prepay},
            "h5": {"h5_url": H5_URL + order.prepay},
        }[way]
        return Reply(200, msgspec.json.encode(answer))

    def pay_by_code(self, merchant: TwinMerchant, content: bytes, *, partner: bool) -> Reply:
        """Pay by a shown code: 202 while the payer is asked (2.5)."""
        body = read(content, OrderBody)
        order = self.codes.pay(owner_of(merchant, body, partner=partner), body, self.now())
        if order.state == "USERPAYING":
            answer = {"code": "USERPAYING", "message": "需要用户输入支付密码"}
            return Reply(202, msgspec.json.encode(answer))
        return Reply(200, msgspec.json.encode(transaction(order)))

    def reverse(
        self, merchant: TwinMerchant, out_trade_no: str, content: bytes, *, partner: bool
    ) -> Reply:
        """Reverse a shown code's order."""
        mchid = _closing(merchant, read(content, CloseBody), partner=partner)
        order = self.codes.reverse(mchid, out_trade_no, self.now())
        answer = {"appid": order.appid, "mchid": order.mchid, "out_trade_no": out_trade_no}
        return Reply(200, msgspec.json.encode(answer))

    def query(self, merchant: TwinMerchant, asked: dict[str, str], partner: bool) -> Reply:
        """A transaction by either number; ``asked`` holds number and merchant as they came."""
        body = CloseBody(
            mchid=asked.get("mchid"),
            sp_mchid=asked.get("sp_mchid"),
            sub_mchid=asked.get("sub_mchid"),
        )
        found = self.trading.look_up(
            _closing(merchant, body, partner=partner),
            out_trade_no=asked.get("out_trade_no", ""),
            transaction_id=asked.get("transaction_id", ""),
            now=self.now(),
        )
        return Reply(200, msgspec.json.encode(transaction(found)))

    def close(
        self, merchant: TwinMerchant, out_trade_no: str, content: bytes, *, partner: bool
    ) -> Reply:
        """Close, with the races that 2.4 and 1.9 tell of."""
        mchid = _closing(merchant, read(content, CloseBody), partner=partner)
        group = frozenset({Fault.PAID_BEFORE_CLOSE, Fault.PAID_DURING_CLOSE})
        race = self.faults.take(group, "close", frozenset({out_trade_no}))
        if race is not None:
            order = self.trading.look_up(
                mchid, out_trade_no=out_trade_no, transaction_id="", now=self.now()
            )
            self.trading.pay(order.prepay, order.openid or "oSandboxPayerNative", self.now())
            if race.fault is Fault.PAID_DURING_CLOSE:
                raise Refused(429, "FREQUENCY_LIMITED", "用户支付中", 268447840)
        self.trading.close(mchid, out_trade_no, self.now())
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
        mchid = sub_or_self(merchant, body.sub_mchid)
        refund = self.trading.refund(mchid, body, self.now())
        return self._refund_reply(mchid, refund.out_refund_no)

    def query_refund(
        self, merchant: TwinMerchant, out_refund_no: str, sub_mchid: str | None
    ) -> Reply:
        """A refund by its number."""
        self.trading.finish_refunds(self.now())
        return self._refund_reply(sub_or_self(merchant, sub_mchid), out_refund_no)

    def _refund_reply(self, mchid: str, out_refund_no: str) -> Reply:
        refund = self.book.find_refund(mchid, out_refund_no)
        order = None if refund is None else self.book.find_order(mchid, refund.out_trade_no)
        if refund is None or order is None:
            raise Refused(404, "RESOURCE_NOT_EXISTS", "退款单不存在", 268512771)
        return Reply(200, msgspec.json.encode(refund_object(refund, order)))

    def trade_bill(self, merchant: TwinMerchant, request: AnyRequest) -> Reply:
        """The link to a day's trades."""
        day = request.query_params.get("bill_date", "")
        bill_type = request.query_params.get("bill_type", "ALL")
        bounds = bill.check_day(day, bill_type, self.now(), self.pace.bill_hour)
        mchid = sub_or_self(merchant, request.query_params.get("sub_mchid"))
        text = bill.write(self.book, mchid, day, bill_type, bounds)
        return self._link(merchant, request, text)

    def fund_flow_bill(self, merchant: TwinMerchant, request: AnyRequest) -> Reply:
        """The link to a day's movements of the basic account."""
        day = request.query_params.get("bill_date", "")
        if request.query_params.get("account_type", "BASIC") != "BASIC":
            raise Refused(400, "NO_STATEMENT_EXIST", "该账户没有资金流水")
        bounds = bill.check_day(day, "ALL", self.now(), self.pace.bill_hour)
        return self._link(merchant, request, bill.write_flow(self.book, merchant.mchid, bounds))

    def _link(self, merchant: TwinMerchant, request: AnyRequest, text: str) -> Reply:
        tar_type = request.query_params.get("tar_type", "")
        if tar_type not in {"", "GZIP"}:
            raise Refused(400, "PARAM_ERROR", "tar_type 只能为 GZIP")
        plain = text.encode()
        token = secrets.token_urlsafe(24)
        now = self.now()
        self.downloads = {key: kept for key, kept in self.downloads.items() if kept[1] >= now}
        if len(self.downloads) >= 100:
            raise Refused(429, "FREQUENCY_LIMITED", "频率超限")
        content = gzip.compress(plain, mtime=0) if tar_type else plain
        self.downloads[token] = (merchant.mchid, now + DOWNLOAD_LIVES_S, content)
        front = target_of(request).split("/v3/")[0]
        address = f"{request.url.scheme}://{request.url.netloc}{front}"
        return Reply(
            200,
            msgspec.json.encode(
                {
                    "hash_type": "SHA1",
                    # The partner names SHA-1 for this; it is a check against damage, no signature.
                    "hash_value": hashlib.sha1(plain, usedforsecurity=False).hexdigest(),
                    "download_url": f"{address}/v3/billdownload/file?token={token}",
                }
            ),
        )

    def certificates(self, merchant: TwinMerchant) -> Reply:
        """Platform certificates; merchants in public-key mode have none (1.5)."""
        listed = self.seal.certificates(merchant)
        if not listed:
            raise Refused(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请使用微信支付公钥")
        return Reply(200, msgspec.json.encode({"data": listed}))

    async def answer_v2(
        self, request: AnyRequest, work: Callable[[Owner, Fields], Fields]
    ) -> Response[Any]:
        """One exchange over V2, whose answers may be lost as those of v3."""
        body = await request.body()
        number = number_in(body)
        place = f"{request.method} {request.url.path}"
        fault = self.faults.take(ANSWER_FAULTS, place, frozenset({number}))
        kind = fault.fault if fault is not None else None
        if kind is Fault.DROP_BEFORE:
            return Dropped()
        if kind in {Fault.ERROR_BEFORE, Fault.TOO_OFTEN}:
            return Response(b"", status_code=500)
        content = self.v2.answer(body, work)
        if kind is Fault.DROP_AFTER:
            return Dropped()
        if kind is Fault.ERROR_AFTER:
            return Response(b"", status_code=500)
        if kind in {Fault.ANSWER_FORGED, Fault.ANSWER_UNSIGNED}:
            content = content.replace(b"<nonce_str>", b"<nonce_str_>")
        return Response(
            b"<xml>" if kind is Fault.ANSWER_GARBLED else content, media_type="text/xml"
        )

    def download(self, merchant: TwinMerchant, token: str) -> bytes:
        """The bill behind a link, while it lives."""
        mchid, until, content = self.downloads.get(token, ("", 0, b""))
        if mchid != merchant.mchid or until < self.now():
            raise Refused(404, "RESOURCE_NOT_EXISTS", "下载链接已失效")
        return content


def _closing(merchant: TwinMerchant, body: CloseBody, *, partner: bool) -> str:
    """The merchant that a close, a reverse or a question is about. Raises ``Refused``."""
    named = body.sp_mchid if partner else body.mchid
    if named != merchant.mchid:
        raise Refused(400, "PARAM_ERROR", "mchid 与签名商户不一致")
    return sub_or_self(merchant, body.sub_mchid) if partner else merchant.mchid


def twin_of(request: AnyRequest) -> Twin:
    """The twin that the app was made with."""
    twin: Twin = request.app.state.twin
    return twin
