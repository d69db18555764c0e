"""What the twin tells of orders and refunds: the objects of 2.3, 2.6 and 3.1. No rule, no state."""

from typing import Any

from integrations.sandbox.wechatpay.book import OrderRow, RefundRow
from integrations.sandbox.wechatpay.texts import rfc3339

STATE_TEXTS = {
    "SUCCESS": "支付成功",
    "REFUND": "订单发生过退款",
    "NOTPAY": "订单未支付",
    "CLOSED": "订单已关闭",
    "USERPAYING": "用户支付中",
    "PAYERROR": "支付失败",
    "REVOKED": "订单已撤销",
}
TRADE_TYPES = {"jsapi": "JSAPI", "native": "NATIVE", "h5": "MWEB", "codepay": "MICROPAY"}
Json = dict[str, Any]


def account(order: OrderRow) -> Json:
    """The account members of a transaction."""
    if order.sp_mchid:
        return {
            "sp_appid": order.sp_appid,
            "sp_mchid": order.sp_mchid,
            "sub_appid": order.appid,
            "sub_mchid": order.mchid,
        }
    return {"appid": order.appid, "mchid": order.mchid}


def transaction(order: OrderRow) -> Json:
    """The transaction object (2.3); an unpaid one lacks what only payment gives."""
    found: Json = {
        **account(order),
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": STATE_TEXTS[order.state],
        "attach": order.attach,
        "promotion_detail": [],
    }
    if order.transaction_id:
        found |= {
            "transaction_id": order.transaction_id,
            "trade_type": TRADE_TYPES[order.way],
            "bank_type": "OTHERS",
            "success_time": rfc3339(order.paid_at),
            "payer": {"sub_openid" if order.sp_mchid else "openid": order.payer},
            "amount": {
                "total": order.total,
                "payer_total": order.total,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }
    return found


def refund_object(refund: RefundRow, order: OrderRow) -> Json:
    """The refund object (2.6)."""
    found: Json = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": order.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": rfc3339(refund.created_at),
        "status": refund.status,
        "funds_account": "AVAILABLE",
        "amount": {
            "total": refund.total,
            "refund": refund.amount,
            "from": [],
            "payer_total": refund.total,
            "payer_refund": refund.amount,
            "settlement_refund": refund.amount,
            "settlement_total": refund.total,
            "discount_refund": 0,
            "currency": "CNY",
        },
        "promotion_detail": [],
    }
    if refund.status == "SUCCESS":
        found["success_time"] = rfc3339(refund.done_at)
    return found


def refund_notice(refund: RefundRow, order: OrderRow) -> Json:
    """Content of a refund notice (3.1)."""
    found: Json = {
        **_merchants(order),
        "transaction_id": order.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund.status,
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": refund.total,
            "refund": refund.amount,
            "payer_total": refund.total,
            "payer_refund": refund.amount,
        },
    }
    if refund.status == "SUCCESS":
        found["success_time"] = rfc3339(refund.done_at)
    return found


def _merchants(order: OrderRow) -> Json:
    told = account(order)
    return {name: told[name] for name in told if name.endswith("mchid")}
