"""The V2 side of pay-by-code (2.5): flat XML, HMAC-SHA256 or MD5 under the V2 key.

The client certificate that ``/secapi`` wants is a matter of the connection and not checked here.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from html import unescape

import msgspec

from integrations.sandbox.wechatpay.accounts import Owner
from integrations.sandbox.wechatpay.book import OrderRow
from integrations.sandbox.wechatpay.model import OrderBody, Refused, TwinMerchant
from integrations.sandbox.wechatpay.shown_codes import ShownCodes
from integrations.sandbox.wechatpay.texts import beijing

SPELLED = {
    "AUTH_CODE_EXPIRED": "AUTHCODEEXPIRE",
    "NOT_ENOUGH": "NOTENOUGH",
    "OUT_TRADE_NO_USED": "ORDERPAID",
    "ORDER_CLOSED": "ORDERCLOSED",
    "ORDER_NOT_EXIST": "ORDERNOTEXIST",
}
"""V2's spelling of the codes of v3."""
Fields = dict[str, str]


class Forged(Exception):
    """Nobody's message: answered without a signature."""


def read(body: bytes) -> Fields:
    """Members of ``<xml>``. Raises ``Forged``."""
    text = body.decode("utf-8", "replace").strip()
    if not text.startswith("<xml>") or not text.endswith("</xml>"):
        raise Forged
    found: Fields = {}
    rest = text[5:-6]
    while rest := rest.strip():
        name, _, after = rest.removeprefix("<").partition(">")
        value, closed, rest = after.partition(f"</{name}>")
        if not closed or not name.replace("_", "").isalnum() or len(name) > 64:
            raise Forged
        if value.startswith("<![CDATA[") and value.endswith("]]>"):
            found[name] = value[9:-3]
        else:
            found[name] = unescape(value)
    return found


def number_in(body: bytes) -> str:
    """The trade number a message speaks of, for faults."""
    try:
        return read(body).get("out_trade_no", "")
    except Forged:
        return ""


def write(fields: Mapping[str, str]) -> bytes:
    """The reverse."""
    inner = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items())
    return f"<xml>{inner}</xml>".encode()


def signature(fields: Mapping[str, str], key: str) -> str:
    """Upper-case hex over the sorted non-empty fields."""
    pairs = [f"{k}={fields[k]}" for k in sorted(fields) if fields[k] and k != "sign"]
    text = "&".join([*pairs, f"key={key}"]).encode()
    if fields.get("sign_type") == "HMAC-SHA256":
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


class ApiV2:
    """``micropay`` and ``reverse`` for merchants with a V2 key."""

    def __init__(self, codes: ShownCodes, merchants: tuple[TwinMerchant, ...]) -> None:
        self._codes = codes
        self._merchants = {one.mchid: one for one in merchants if one.api_v2_key}

    def answer(self, body: bytes, work: Callable[[Owner, Fields], Fields]) -> bytes:
        """Check, work, sign. A stranger is told so without a signature."""
        try:
            fields = read(body)
            merchant = self._admit(fields)
        except Forged:
            return write({"return_code": "FAIL", "return_msg": "签名失败"})
        told: Fields = {
            "return_code": "SUCCESS",
            "appid": fields["appid"],
            "mch_id": merchant.mchid,
        }
        if fields.get("sub_mch_id"):
            told["sub_mch_id"] = fields["sub_mch_id"]
        try:
            told |= {"result_code": "SUCCESS", **work(self._owner(merchant, fields), fields)}
        except Refused as refused:
            code = SPELLED.get(refused.code, refused.code)
            told |= {"result_code": "FAIL", "err_code": code, "err_code_des": refused.message}
            if code == "USERPAYING":
                told["recall"] = "Y"
        told |= {"nonce_str": fields["nonce_str"], "sign_type": fields.get("sign_type", "")}
        return write({**told, "sign": signature(told, merchant.api_v2_key)})

    def _admit(self, fields: Fields) -> TwinMerchant:
        merchant = self._merchants.get(fields.get("mch_id", ""))
        if merchant is None or fields.get("appid") not in merchant.appids:
            raise Forged
        made = signature(fields, merchant.api_v2_key)
        if not hmac.compare_digest(made.encode(), fields.get("sign", "").encode()):
            raise Forged
        if not 1 <= len(fields.get("nonce_str", "")) <= 32:
            raise Forged
        return merchant

    def _owner(self, merchant: TwinMerchant, fields: Fields) -> Owner:
        sub_mchid = fields.get("sub_mch_id", "")
        if not sub_mchid:
            return Owner(mchid=merchant.mchid, appid=fields["appid"])
        for sub in merchant.subs:
            if sub.mchid == sub_mchid:
                return Owner(
                    mchid=sub.mchid,
                    appid=sub.appid,
                    sp_mchid=merchant.mchid,
                    sp_appid=fields["appid"],
                )
        raise Refused(400, "PARAM_ERROR", "sub_mch_id 不正确")

    def micropay(self, now: int) -> Callable[[Owner, Fields], Fields]:
        """Pay by a shown code."""

        def work(owner: Owner, fields: Fields) -> Fields:
            order = self._codes.pay(owner, _order_body(fields), now)
            if order.state == "USERPAYING":
                raise Refused(400, "USERPAYING", "需要用户输入支付密码")
            return _paid(order)

        return work

    def reverse(self, now: int) -> Callable[[Owner, Fields], Fields]:
        """Undo a trade."""

        def work(owner: Owner, fields: Fields) -> Fields:
            self._codes.reverse(owner.mchid, fields.get("out_trade_no", ""), now)
            return {"recall": "N"}

        return work


def _order_body(fields: Fields) -> OrderBody:
    """The same order as v3 would spell it. Raises ``Refused``."""
    total = fields.get("total_fee", "")
    spelled = {
        "description": fields.get("body", ""),
        "out_trade_no": fields.get("out_trade_no", ""),
        "amount": {"total": int(total) if total.isdecimal() and len(total) < 12 else 0},
        "payer": {"auth_code": fields.get("auth_code", "")},
        "scene_info": {
            "device_ip": fields.get("spbill_create_ip", ""),
            "store_info": {"id": "1"},
        },
    }
    try:
        return msgspec.convert(spelled, OrderBody)
    except msgspec.ValidationError:
        raise Refused(400, "PARAM_ERROR", "参数错误") from None


def _paid(order: OrderRow) -> Fields:
    return {
        "openid": order.payer,
        "is_subscribe": "N",
        "trade_type": "MICROPAY",
        "bank_type": "OTHERS",
        "fee_type": "CNY",
        "total_fee": str(order.total),
        "cash_fee": str(order.total),
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "time_end": beijing(order.paid_at, "%Y%m%d%H%M%S"),
    }
