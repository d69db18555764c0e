"""What the twin's book page shows. Takes the book as its JSON route tells it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from integrations.sandbox.book_page import (
    CLEAR,
    CLOCK,
    DELAY,
    TIMES,
    BookPage,
    Card,
    Field,
    Form,
    Table,
    fault_field,
    yuan,
)
from integrations.sandbox.wechatpay.faults import Fault, ScriptedFault


def book(view: dict[str, Any], waiting: Sequence[ScriptedFault]) -> BookPage:
    """The book and the forms."""
    numbered = Field(name="number", label="订单号或退款号（可空）")
    called = Field(name="path", label="接口路径的一部分（可空）")
    add = Form(
        path="faults", submit="注入", fields=[fault_field(Fault), numbered, called, TIMES, DELAY]
    )
    faults = Table(
        title="待发生的故障",
        columns=("故障", "号", "路径", "次数", "延迟毫秒"),
        rows=[
            (f.fault, f.number or "任意", f.path or "任意", f.times, f.delay_ms) for f in waiting
        ],
    )
    return BookPage(
        partner="微信支付",
        now=datetime.fromisoformat(view["now"]),
        cards=[Card(title="注入故障", forms=[add, CLEAR]), CLOCK],
        tables=[faults, *_tables(view)],
    )


def _tables(view: dict[str, Any]) -> list[Table]:
    return [
        Table(
            title="订单",
            columns=("商户订单号", "微信订单号", "方式", "状态", "金额", "付款"),
            rows=[
                (o["out_trade_no"], o.get("transaction_id"), o["way"], o["trade_state"],
                 yuan(o["total_fen"]), o.get("success_time"))
                for o in view["orders"]
            ],
        ),
        Table(
            title="医保混合单",
            columns=("混合单号", "商户订单号", "状态", "自费", "医保", "总额"),
            rows=[
                (m["mix_trade_no"], m["out_trade_no"], m["mix_pay_status"], m["self_pay_status"],
                 m["med_ins_pay_status"], yuan(m["total_fee"]))
                for m in view["mixed"]
            ],
        ),
        Table(
            title="退款",
            columns=("商户退款号", "商户订单号", "状态", "退款", "原订单"),
            rows=[
                (r["out_refund_no"], r["out_trade_no"], r["status"], yuan(r["refund_fen"]),
                 yuan(r["total_fen"]))
                for r in view["refunds"]
            ],
        ),
        Table(
            title="通知",
            columns=("通知号", "商户订单号", "事件", "次数", "结果"),
            rows=[
                (n["id"], n["out_trade_no"], n["event_type"], n["tries"], n["state"])
                for n in view["notices"]
            ],
        ),
    ]  # fmt: skip
