"""What the twin's book page shows: bills and waiting faults, nothing of whose they are."""

from collections.abc import Sequence
from datetime import datetime

from integrations.sandbox.book_page import CLOCK, BookPage, Table, faults_of_methods, yuan
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
    card, faults = faults_of_methods(Fault, METHODS, "流水号或票据号码（可空）", waiting)
    return BookPage(
        partner="财政电子票据",
        now=now,
        cards=[card, CLOCK],
        tables=[
            faults,
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
