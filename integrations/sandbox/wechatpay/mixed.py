"""Mixed insurance orders (4): two legs, three equations, one notice that is not sent for long.

Orders are kept as documents by number; the cash leg is an ordinary order of the book.
"""

import re
from typing import Annotated, Any

import msgspec

from integrations.sandbox.insured_orders import InsuredOrder, Insurer
from integrations.sandbox.wechatpay.accounts import sub_or_self
from integrations.sandbox.wechatpay.book import Book
from integrations.sandbox.wechatpay.faults import Fault, FaultPlan
from integrations.sandbox.wechatpay.model import FEN_MAX, OrderNumber, Refused, TwinMerchant, Url256
from integrations.sandbox.wechatpay.seal import TwinSeal
from integrations.sandbox.wechatpay.texts import beijing, read_rfc3339, rfc3339
from integrations.sandbox.wechatpay.trading import Trading

EVENT = "MEDICAL_INSURANCE.SUCCESS"
Fee = Annotated[int, msgspec.Meta(ge=0, le=FEN_MAX)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
_DIGEST = re.compile(r"[0-9a-f]{32}\Z", re.ASCII)

SUMS = 268529476
SUITS_NOT = 268529474
NUMBER_EXISTS = 268512536
ABSENT = 268529515


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """``payer`` or ``relative``."""

    name: Text
    id_digest: Text
    card_type: Annotated[str, msgspec.Meta(pattern="^ID_CARD$")]


class Add(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``cash_add_detail``."""

    cash_add_fee: Fee
    cash_add_type: Annotated[
        str, msgspec.Meta(pattern="^(DEFAULT_ADD_TYPE|FREIGHT|OTHER_MEDICAL_EXPENSES)$")
    ]


class Reduce(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``cash_reduce_detail``."""

    cash_reduce_fee: Fee
    cash_reduce_type: Annotated[
        str,
        msgspec.Meta(
            pattern="^(DEFAULT_REDUCE_TYPE|HOSPITAL_REDUCE|PHARMACY_DISCOUNT|DISCOUNT"
            "|PRE_PAYMENT|DEPOSIT_DEDUCTION)$"
        ),
    ]


class MixedBody(msgspec.Struct, frozen=True, kw_only=True):
    """The order (4.2)."""

    mix_pay_type: Annotated[
        str, msgspec.Meta(pattern="^(CASH_ONLY|INSURANCE_ONLY|CASH_AND_INSURANCE)$")
    ]
    order_type: Annotated[str, msgspec.Meta(pattern="^(REG_PAY|DIAG_PAY|IN_HOSP_PAY)$")]
    appid: Text
    payer: Identity
    out_trade_no: OrderNumber
    serial_no: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    city_id: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    med_inst_name: Text
    med_inst_no: Text
    total_fee: Fee
    wechat_pay_cash_fee: Fee
    callback_url: Url256
    openid: Text | None = None
    sub_appid: Text | None = None
    sub_mchid: Text | None = None
    sub_openid: Text | None = None
    pay_for_relatives: bool = False
    relative: Identity | None = None
    pay_order_id: Text | None = None
    pay_auth_no: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] | None = None
    geo_location: Text | None = None
    med_ins_order_create_time: Text | None = None
    med_ins_gov_fee: Fee | None = None
    med_ins_self_fee: Fee | None = None
    med_ins_other_fee: Fee | None = None
    med_ins_cash_fee: Fee | None = None
    cash_add_detail: list[Add] = []
    cash_reduce_detail: list[Reduce] = []
    prepay_id: Text | None = None


class RefundTold(msgspec.Struct, frozen=True, kw_only=True):
    """``refunds/notify`` (4.7)."""

    med_refund_total_fee: Fee
    med_refund_gov_fee: Fee
    med_refund_self_fee: Fee
    med_refund_other_fee: Fee
    refund_time: Text
    out_refund_no: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class MixedDoc(msgspec.Struct, kw_only=True):
    """An order as kept. Legs: CREATED, SUCCESS, REFUND, FAIL, or empty where there is none."""

    ref: str
    mchid: str
    signer: str
    body: MixedBody
    cash: str
    insured: str
    failed: bool = False
    paid_at: int = 0
    reason: str = ""
    told: str = ""
    """The refund number that was told."""


class Mixed:
    """Mixed orders of all merchants."""

    def __init__(self, book: Book, trading: Trading, faults: FaultPlan, seal: TwinSeal) -> None:
        self._book = book
        self._trading = trading
        self._faults = faults
        self._seal = seal
        self.insurer: Insurer | None = None
        """Who settles the insured leg; without it the leg is settled by itself."""

    def place(self, merchant: TwinMerchant, body: MixedBody, now: int) -> dict[str, Any]:
        """Place. Raises ``Refused``."""
        mchid = sub_or_self(merchant, body.sub_mchid)
        if body.appid not in merchant.appids:
            raise Refused(400, "APPID_MCHID_NOT_MATCH", "appid 与 mchid 不匹配")
        for person in (body.payer, *([body.relative] if body.relative else [])):
            self._check_identity(merchant, person)
        if body.pay_for_relatives != (body.relative is not None):
            raise Refused(400, "PARAM_ERROR", "亲属代付须填 relative", SUITS_NOT)
        _check_type(body)
        _check_sums(body)
        self._check_cash(mchid, body, now)
        if self._find(mchid, body.out_trade_no) is not None:
            raise Refused(400, "ALREADY_EXISTS", "商户订单号已存在", NUMBER_EXISTS)
        number = self._book.next_number("mixed")
        doc = MixedDoc(
            ref=f"MIX{beijing(now, '%Y%m%d')}{number:016d}",
            mchid=mchid,
            signer=merchant.mchid,
            body=body,
            cash="CREATED" if body.wechat_pay_cash_fee else "",
            insured="" if body.mix_pay_type == "CASH_ONLY" else "CREATED",
        )
        self._keep(doc)
        return told(doc)

    def query(self, merchant: TwinMerchant, number: str, sub_mchid: str | None) -> dict[str, Any]:
        """Where an order stands, by own or mixed number. Raises ``Refused``."""
        doc = self._known(sub_or_self(merchant, sub_mchid), number)
        self._follow_refund(doc)
        return told(doc)

    def pay(self, ref: str, now: int) -> dict[str, Any]:
        """The payer pays: insurance first, then cash, each as the faults will."""
        doc = self._by_ref(ref)
        if doc.failed or doc.paid_at:
            raise Refused(400, "INVALID_REQUEST", "订单已支付或已失败")
        numbers = frozenset({doc.body.out_trade_no})
        group = frozenset({Fault.MIXED_INSURANCE_FAILS, Fault.MIXED_CASH_FAILS})
        fault = self._faults.take(group, "mixed", numbers)
        kind = fault.fault if fault is not None else None
        if doc.cash and kind is not Fault.MIXED_CASH_FAILS:
            self._trading.pay(doc.body.prepay_id or "", _openid(doc.body), now)
            doc.cash = "SUCCESS"
        elif doc.cash:
            doc.cash, doc.failed = "FAIL", True
        if doc.insured and kind is Fault.MIXED_INSURANCE_FAILS:
            doc.insured, doc.failed, doc.reason = "FAIL", True, "医保结算失败"
        elif doc.insured:
            doc.reason = self._settle(doc.body)
            doc.insured = "FAIL" if doc.reason else "SUCCESS"
            doc.failed = doc.failed or bool(doc.reason)
        doc.paid_at = 0 if doc.failed else now
        self._keep(doc)
        if not doc.failed:
            self._trading.queue(
                doc.signer,
                doc.body.out_trade_no,
                doc.body.callback_url,
                (EVENT, "医保支付成功", "med-ins"),
                told(doc),
                now,
            )
        return told(doc)

    def _settle(self, body: MixedBody) -> str:
        """Why the insured leg is not settled; empty where it is."""
        if self.insurer is None:
            return ""
        told = InsuredOrder(
            order_ref=body.pay_order_id or "",
            authorisation=body.pay_auth_no or "",
            fund_fen=body.med_ins_gov_fee or 0,
            account_fen=body.med_ins_self_fee or 0,
            other_fen=body.med_ins_other_fee or 0,
            cash_fen=body.med_ins_cash_fee or 0,
        )
        return self.insurer(told) or ""

    def take_refund(
        self, merchant: TwinMerchant, ref: str, body: RefundTold, sub_mchid: str | None
    ) -> None:
        """Insurance was refunded. A repeat is taken alike. Raises ``Refused``."""
        doc = self._by_ref(ref)
        if doc.mchid != sub_or_self(merchant, sub_mchid) or doc.insured not in {
            "SUCCESS",
            "REFUND",
        }:
            raise Refused(404, "ORDER_NOT_EXIST", "订单不存在", ABSENT)
        parts = (body.med_refund_gov_fee, body.med_refund_self_fee, body.med_refund_other_fee)
        if sum(parts) != body.med_refund_total_fee or read_rfc3339(body.refund_time) is None:
            raise Refused(400, "PARAM_ERROR", "退款金额或时间不正确", SUMS)
        if doc.told not in {"", body.out_refund_no}:
            raise Refused(400, "INVALID_REQUEST", "退款单号不一致")
        if doc.cash and self._book.find_refund(doc.mchid, body.out_refund_no) is None:
            raise Refused(400, "INVALID_REQUEST", "须先发起自费部分退款，且单号一致")
        doc.insured, doc.told = "REFUND", body.out_refund_no
        self._follow_refund(doc)

    def all(self) -> list[dict[str, Any]]:
        """Every order, for people; nothing of whose it is."""
        return [told(_doc(text)) for text in self._book.list_mixed()]

    def _follow_refund(self, doc: MixedDoc) -> None:
        order = self._book.find_order(doc.mchid, doc.body.out_trade_no) if doc.cash else None
        if order is not None and order.state == "REFUND" and doc.cash == "SUCCESS":
            doc.cash = "REFUND"
        self._keep(doc)

    def _check_identity(self, merchant: TwinMerchant, person: Identity) -> None:
        self._seal.open_field(merchant, person.name)
        if _DIGEST.match(self._seal.open_field(merchant, person.id_digest)) is None:
            raise Refused(400, "PARAM_ERROR", "id_digest 不是 MD5 摘要")

    def _check_cash(self, mchid: str, body: MixedBody, now: int) -> None:
        """The ordinary order of the cash part: same number, same amount, still payable."""
        if not body.wechat_pay_cash_fee:
            return
        order = self._trading.look_up(
            mchid, out_trade_no=body.out_trade_no, transaction_id="", now=now
        )
        if order.prepay != body.prepay_id or order.total != body.wechat_pay_cash_fee:
            raise Refused(400, "PARAM_ERROR", "自费部分与下单不一致", SUITS_NOT)

    def _by_ref(self, ref: str) -> MixedDoc:
        text = self._book.find_mixed_ref(ref)
        if text is None:
            raise Refused(404, "ORDER_NOT_EXIST", "订单不存在", ABSENT)
        return _doc(text)

    def _find(self, mchid: str, out_trade_no: str) -> MixedDoc | None:
        text = self._book.find_mixed(mchid, out_trade_no)
        return None if text is None else _doc(text)

    def _known(self, mchid: str, number: str) -> MixedDoc:
        found = self._find(mchid, number)
        if found is None:
            found = self._by_ref(number)
        if found.mchid != mchid:
            raise Refused(404, "ORDER_NOT_EXIST", "订单不存在", ABSENT)
        return found

    def _keep(self, doc: MixedDoc) -> None:
        text = msgspec.json.encode(doc).decode()
        self._book.put_mixed(doc.mchid, doc.body.out_trade_no, doc.ref, text)


def told(doc: MixedDoc) -> dict[str, Any]:
    """The order as WeChat tells it (4.6)."""
    body = doc.body
    legs = {doc.cash, doc.insured} - {""}
    whole = "CREATED"
    if doc.failed:
        whole = "FAIL"
    elif legs == {"REFUND"}:
        whole = "REFUND"
    elif doc.paid_at:
        whole = "SUCCESS"
    found: dict[str, Any] = {
        "mix_trade_no": doc.ref,
        "out_trade_no": body.out_trade_no,
        "appid": body.appid,
        "mix_pay_status": f"MIX_PAY_{whole}",
        "self_pay_status": f"SELF_PAY_{doc.cash}" if doc.cash else "NO_SELF_PAY",
        "med_ins_pay_status": f"MED_INS_PAY_{doc.insured}" if doc.insured else "NO_MED_INS_PAY",
        "total_fee": body.total_fee,
        "wechat_pay_cash_fee": body.wechat_pay_cash_fee,
    }
    if body.sub_mchid:
        found["sub_mchid"] = body.sub_mchid
    if doc.paid_at:
        found["paid_time"] = rfc3339(doc.paid_at)
    if doc.reason:
        found["med_ins_fail_reason"] = doc.reason
    return found


def _doc(text: str) -> MixedDoc:
    return msgspec.json.decode(text, type=MixedDoc)


def _openid(body: MixedBody) -> str:
    return body.sub_openid or body.openid or ""


def _check_type(body: MixedBody) -> None:
    """Which fields go with which type (4.3)."""
    insured = (
        body.pay_order_id,
        body.pay_auth_no,
        body.geo_location,
        body.med_ins_order_create_time,
    )
    has_cash = body.wechat_pay_cash_fee > 0
    good = {
        "CASH_ONLY": not any(insured) and has_cash,
        "INSURANCE_ONLY": all(insured) and not has_cash,
        "CASH_AND_INSURANCE": all(insured) and has_cash,
    }[body.mix_pay_type]
    if not good or (body.prepay_id is not None) != has_cash:
        raise Refused(400, "PARAM_ERROR", "字段与 mix_pay_type 不符", SUITS_NOT)


def _check_sums(body: MixedBody) -> None:
    """The three equations (4.3)."""
    fund = (
        (body.med_ins_gov_fee or 0) + (body.med_ins_self_fee or 0) + (body.med_ins_other_fee or 0)
    )
    left = body.med_ins_cash_fee or 0
    adds = sum(one.cash_add_fee for one in body.cash_add_detail)
    less = sum(one.cash_reduce_fee for one in body.cash_reduce_detail)
    paid = body.wechat_pay_cash_fee
    good = body.total_fee == fund + paid + less
    if body.mix_pay_type == "CASH_ONLY":
        good = good and fund + left == 0
    else:
        good = good and body.total_fee == fund + left + adds and paid == left + adds - less
    if not good:
        raise Refused(400, "PARAM_ERROR", "金额不平", SUMS)
