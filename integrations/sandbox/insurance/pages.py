"""What the bureau's book page shows: settlements, the payment centre's orders, waiting faults."""

from datetime import datetime
from typing import Any

from integrations.sandbox.book_page import (
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
from integrations.sandbox.insurance.faults import Fault, ScriptedFault

ON_PAGE = [one for one in Fault if one is not Fault.MOVE_COUNTERS]
"""That one needs a list of counters, which a form does not hold: it is scripted over HTTP."""
FILE_DAMAGES = "cut、doubled、separator、charset、stranger、columns"


def book(
    *,
    now: datetime,
    waiting: list[ScriptedFault],
    settlements: list[dict[str, Any]],
    orders: list[dict[str, Any]],
) -> BookPage:
    """The book, amounts in fen, and the forms."""
    add = Form(
        path="faults",
        submit="注入",
        shape="objects",
        fields=[
            fault_field(ON_PAGE),
            Field(name="infno", label="交易编号（可空）"),
            Field(name="msgid", label="报文号（可空）"),
            Field(name="psn_no", label="人员编号（可空）"),
            Field(name="text", label=f"拒绝说明，或文件损坏方式：{FILE_DAMAGES}"),
            TIMES,
            DELAY,
        ],
    )
    clear = Form(path="faults", submit="清除全部故障", method="DELETE")
    return BookPage(
        partner="医保局与移动支付中心",
        now=now,
        cards=[Card(title="注入故障", forms=[add, clear]), CLOCK],
        tables=[_faults(waiting), _settlements(settlements), _orders(orders)],
    )


def _faults(waiting: list[ScriptedFault]) -> Table:
    return Table(
        title="待发生的故障",
        columns=("故障", "交易", "报文号", "人员编号", "次数", "延迟毫秒"),
        rows=[
            (f.fault, f.infno or "任意", f.msgid or "任意", f.psn_no or "任意", f.times, f.delay_ms)
            for f in waiting
        ],
    )


def _settlements(rows: list[dict[str, Any]]) -> Table:
    return Table(
        title="结算",
        columns=("结算号", "日期", "机构", "人员编号", "险种", "状态", "总额", "基金", "账户",
                 "现金", "冲正号"),
        rows=[
            (r["setl_id"], r["day"], r["institution"], r["psn_no"], r["insutype"], r["state"],
             yuan(r["total_fen"]), yuan(r["fund_fen"]), yuan(r["account_fen"]), yuan(r["cash_fen"]),
             r["reversal_id"])
            for r in rows
        ],
    )  # fmt: skip


def _orders(orders: list[dict[str, Any]]) -> Table:
    return Table(
        title="移动支付订单",
        columns=("支付订单号", "机构订单号", "状态", "结算号"),
        rows=[(o["payOrdId"], o["medOrgOrd"], o["ordStas"], o["setl_id"]) for o in orders],
    )
