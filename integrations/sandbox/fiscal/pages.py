"""What the twin's book page shows: bills and waiting faults, nothing of whose they are."""

from collections.abc import Sequence
from datetime import datetime

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
from integrations.sandbox.fault_plan import ScriptedFault
from integrations.sandbox.fiscal.book import BillRow
from integrations.sandbox.fiscal.faults import Fault

COLUMNS = ("业务流水号", "票据代码", "票据号码", "金额", "红票代码", "红票号码", "冲红原因")
METHODS = (
    "invoiceEBillOutpatient",
    "invEBillHospitalized",
    "getEBillByBusNo",
    "writeOffEBill",
    "getEBillStatesByBillInfo",
)


def book(
    bills: Sequence[BillRow], waiting: Sequence[ScriptedFault[Fault]], now: datetime
) -> BookPage:
    """The book and the forms; ``now`` is business time."""
    method = Field(name="method", label="方法", choices=[("", "任意"), *((m, m) for m in METHODS)])
    number = Field(name="number", label="流水号或票据号码（可空）")
    add = Form(
        path="faults", submit="注入", fields=[fault_field(Fault), method, number, TIMES, DELAY]
    )
    return BookPage(
        partner="财政电子票据",
        now=now,
        cards=[Card(title="注入故障", forms=[add, CLEAR]), CLOCK],
        tables=[
            Table(
                title="待发生的故障",
                columns=("故障", "号", "方法", "次数", "延迟毫秒"),
                rows=[
                    (one.fault, one.number or "任意", one.method or "任意", one.times, one.delay_ms)
                    for one in waiting
                ],
            ),
            Table(title="票据", columns=COLUMNS, rows=[_row(bill) for bill in bills]),
        ],
    )


def _row(bill: BillRow) -> tuple[str, ...]:
    return (
        bill.bus_no,
        bill.batch,
        bill.number,
        yuan(bill.total),
        bill.red_batch,
        bill.red_number,
        bill.red_reason,
    )
