"""What the hospital's book page shows: bills, postings, events, its own insurance machine."""

from datetime import datetime

from integrations.sandbox.book_page import (
    CLOCK,
    BookPage,
    Card,
    Field,
    Form,
    Table,
    fault_field,
    yuan,
)
from integrations.sandbox.hospital.events import EventDesk, EventFault, subject_of
from integrations.sandbox.hospital.insurance_machine import InsuranceMachine, MachineFault

ASKS = ("presettle", "settle", "reverse", "undo", "withdraw", "find")


def cards() -> list[Card]:
    """The forms."""
    event = Form(
        path="events/faults", submit="注入", shape="values", fields=[fault_field(EventFault)]
    )
    asked = Field(name="ask", label="调用", choices=[(ask, ask) for ask in ASKS])
    machine = Form(
        path="insurance/faults",
        submit="注入",
        shape="objects",
        fields=[asked, fault_field(MachineFault)],
    )
    stop = Form(path="posting/off", submit="停止入账")
    go_on = Form(path="posting/on", submit="恢复入账")
    return [
        Card(title="下一次医保调用的故障（医院自办医保）", forms=[machine]),
        Card(title="下一条事件的故障", forms=[event]),
        Card(title="入账", forms=[stop, go_on]),
        CLOCK,
    ]


def book(
    *,
    now: datetime,
    posting: bool,
    billed: dict[str, str],
    posted: dict[str, str],
    events: EventDesk,
    machine: InsuranceMachine,
) -> BookPage:
    """The book and the forms."""
    return BookPage(
        partner="医院系统",
        now=now,
        cards=cards(),
        tables=[
            Table(
                title="待发生的故障",
                columns=("何处", "故障"),
                rows=[
                    *(("事件", one) for one in events.faults),
                    *((f"医保 {one.ask}", one.fault) for one in machine.faults),
                ],
            ),
            Table(title="未结账单", columns=("患者", "账单号"), rows=list(billed.items())),
            Table(
                title="已入账" if posting else "已入账（现已停止入账）",
                columns=("结算号", "入账凭证"),
                rows=list(posted.items()),
            ),
            Table(
                title="收到的事件",
                columns=("事件号", "结算号或患者号", "序号", "类型"),
                rows=[
                    (e["event_id"], subject_of(e), e["sequence"], e.get("type"))
                    for e in events.taken.values()
                ],
            ),
            _insurance(machine),
        ],
    )


def _insurance(machine: InsuranceMachine) -> Table:
    return Table(
        title="自办医保结算",
        columns=("医保结算号", "结算号", "总额", "时间", "有效"),
        rows=[
            (one.ref, one.settlement_id, yuan(one.split["total_fen"]), one.settled_at,
             "是" if one.live else "已冲正")
            for one in machine.settlements
        ],
    )  # fmt: skip
