"""Fiscal e-invoices on a real database, before the platform's twin: one a settlement, never two."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from integrations.ports.invoices import InvoiceOrder
from integrations.ports.outcomes import Accepted, Rejected
from service.kernel.database import transaction
from service.kernel.problems import InvariantBroken, RowTampered, StateConflict
from service.receipt import actions as receipt
from service.receipt import invoices, orders
from service.receipt.model import InvoiceKey
from service.receipt.states import InvoiceState
from tests.contract import fiscal_rig
from tests.support.counted import CountedPool
from tests.support.invoice_desk import ID_NO, SETTLEMENT, Desk, a_desk
from tests.support.money import DECIDED

ISSUE, FIND = "invoiceEBillOutpatient", "getEBillByBusNo"
WRITE_OFF, STATES = "writeOffEBill", "getEBillStatesByBillInfo"
ASKED_FOR = 8
"""The bill; whether a receipt stands, the receipt; whether an invoice stands, record, person,
insurance, the invoice."""
ISSUED = 6
"""What is due, the claim, the row; the intent, the outcome with all that follows; letting go."""


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[Desk]:
    async with a_desk(fresh_database) as opened:
        yield opened


async def test_a_posted_settlement_gets_one_invoice_with_its_receipt(desk: Desk) -> None:
    await desk.posted()
    assert (await desk.invoice()).state is InvoiceState.CREATED
    await desk.work(rounds=3)
    shown = await desk.invoice()
    assert shown.state is InvoiceState.ISSUED
    assert shown.issued is not None
    [in_book] = await desk.platform.bills()
    assert (shown.issued.code, shown.issued.number) == (in_book["code"], in_book["number"])
    assert in_book["total_fen"] == 2469
    assert shown.issued.check_code
    assert await desk.house.reasons() == []


async def test_a_hospital_without_a_line_has_receipts_alone(desk: Desk) -> None:
    desk.ctx.partners.invoices.clear()  # type: ignore[attr-defined]
    await desk.posted()
    await desk.work()
    assert (await receipt.get(desk.ctx, desk.house.record_id, SETTLEMENT)).invoice is None
    assert await desk.state() == "none"


@pytest.mark.parametrize(
    "fault", ["drop-before", "drop-after", "error-after", "forged", "garbled", "too-often"]
)
async def test_an_unknown_outcome_is_resolved_by_a_question(desk: Desk, fault: str) -> None:
    await desk.platform.fault(fault, method=ISSUE)
    await desk.posted()
    await desk.work()
    assert await desk.state() == "CREATED"
    await desk.work(rounds=2)
    assert await desk.state() == "ISSUED"
    assert len(await desk.platform.bills()) == 1


async def test_a_late_result_is_not_doubled(desk: Desk) -> None:
    await desk.platform.fault("late", method=ISSUE, delay_ms=60_000)
    await desk.posted()
    await desk.work(rounds=4)
    assert await desk.state() == "ISSUED"
    assert len(await desk.platform.bills()) == 1


async def test_a_question_without_an_answer_sends_nothing(desk: Desk) -> None:
    await desk.platform.fault("drop-before", method=ISSUE)
    await desk.platform.fault("error-before", method=FIND, times=3)
    await desk.posted()
    await desk.work(rounds=3, step=timedelta(minutes=10))
    assert await desk.state() == "CREATED"
    assert await desk.platform.bills() == []
    await desk.work(rounds=2, step=timedelta(minutes=10))
    assert await desk.state() == "ISSUED"


async def test_a_refusal_goes_to_a_person_and_may_go_again(desk: Desk) -> None:
    await desk.platform.fault("refuse", method=ISSUE)
    await desk.posted()
    await desk.work(rounds=2)
    refused = await desk.invoice()
    assert refused.state is InvoiceState.REFUSED
    assert await desk.house.reasons() == ["invoice-refused"]
    await invoices.send_again(desk.ctx, desk.house.record_id, refused.invoice_id, DECIDED)
    await desk.work()
    assert await desk.state() == "ISSUED"
    with pytest.raises(StateConflict):
        await invoices.send_again(desk.ctx, desk.house.record_id, refused.invoice_id, DECIDED)


async def test_what_stays_unknown_goes_to_a_person(desk: Desk) -> None:
    await desk.platform.fault("error-before", times=100)
    await desk.posted()
    await desk.work(rounds=13, step=timedelta(minutes=11))
    assert await desk.house.reasons() == ["invoice-unresolved"]
    await desk.platform.client.post("/sandbox/faults/clear")
    await desk.work()
    assert await desk.state() == "ISSUED"


async def test_a_refund_writes_the_invoice_off_once(desk: Desk) -> None:
    await desk.posted()
    await desk.work()
    assert (await desk.refunded()).state is InvoiceState.WRITING_OFF
    assert (await desk.refunded()).state is InvoiceState.WRITING_OFF
    await desk.work(rounds=2)
    shown = await desk.invoice()
    assert shown.state is InvoiceState.WRITTEN_OFF
    assert shown.issued is not None
    assert shown.red is not None
    [in_book] = await desk.platform.bills()
    assert (in_book["red_code"], in_book["red_number"]) == (shown.red.code, shown.red.number)
    assert in_book["red_reason"] == "退费"
    assert (await desk.refunded()).state is InvoiceState.WRITTEN_OFF


@pytest.mark.parametrize("fault", ["drop-after", "drop-before", "error-after", "forged"])
async def test_an_unknown_write_off_is_resolved_by_a_question(desk: Desk, fault: str) -> None:
    await desk.posted()
    await desk.work()
    await desk.platform.fault(fault, method=WRITE_OFF)
    await desk.refunded()
    await desk.work(rounds=3)
    assert await desk.state() == "WRITTEN_OFF"
    assert await desk.house.reasons() == []


async def test_an_invoice_written_off_elsewhere_is_taken_as_written_off(desk: Desk) -> None:
    await desk.posted()
    await desk.work()
    issued = (await desk.invoice()).issued
    assert issued is not None
    order = fiscal_rig.a_write_off(issued.code, issued.number)
    assert isinstance(await desk.platform.gateway.write_off(order), Accepted)
    assert isinstance(await desk.platform.gateway.write_off(order), Rejected)
    await desk.refunded()
    await desk.work(rounds=2)
    assert await desk.state() == "WRITTEN_OFF"
    assert await desk.house.reasons() == []


async def test_a_refused_write_off_goes_to_a_person_and_may_go_again(desk: Desk) -> None:
    await desk.posted()
    await desk.work()
    await desk.platform.fault("refuse", method=WRITE_OFF)
    shown = await desk.refunded()
    await desk.work(rounds=2)
    assert await desk.state() == "NEEDS_REVIEW"
    assert await desk.house.reasons() == ["invoice-write-off-refused"]
    await invoices.send_again(desk.ctx, desk.house.record_id, shown.invoice_id, DECIDED)
    await desk.work()
    assert await desk.state() == "WRITTEN_OFF"


async def test_a_refund_before_the_first_call_asks_for_nothing(desk: Desk) -> None:
    await desk.posted()
    assert (await desk.refunded()).state is InvoiceState.WITHDRAWING
    await desk.work()
    assert await desk.state() == "WITHDRAWN"
    assert await desk.platform.bills() == []


async def test_a_refund_before_the_event_asks_for_nothing(desk: Desk) -> None:
    assert (await desk.refunded()).state is InvoiceState.WITHDRAWN
    await desk.posted()
    await desk.work(rounds=2)
    assert await desk.state() == "WITHDRAWN"
    assert await desk.platform.bills() == []


@pytest.mark.parametrize(
    ("fault", "ends"), [("drop-after", "WRITTEN_OFF"), ("drop-before", "WITHDRAWN")]
)
async def test_a_refund_while_the_invoice_is_unknown_finds_it_first(
    desk: Desk, fault: str, ends: str
) -> None:
    await desk.platform.fault(fault, method=ISSUE)
    await desk.posted()
    await desk.work(step=timedelta(seconds=1))
    assert (await desk.refunded()).state is InvoiceState.WITHDRAWING
    await desk.work(rounds=6)
    assert await desk.state() == ends


async def test_an_absence_is_not_believed_while_the_request_may_be_on_its_way(desk: Desk) -> None:
    await desk.platform.fault("late", method=ISSUE, delay_ms=100_000)
    await desk.posted()
    await desk.work(step=timedelta(seconds=1))
    await desk.refunded()
    await desk.work(rounds=2, step=timedelta(seconds=30))
    assert await desk.state() == "WITHDRAWING"
    await desk.work(rounds=5)
    assert await desk.state() == "WRITTEN_OFF"


async def test_nothing_personal_is_readable_and_no_change_goes_unseen(desk: Desk) -> None:
    await desk.posted()
    await desk.work()
    async with transaction(desk.ctx.pool) as conn:
        row = await conn.fetchrow("select * from fiscal_invoice")
        assert all(secret.encode() not in row["sealed"] for secret in ("测试甲", ID_NO))
        await conn.execute("update fiscal_invoice set number = '0000000009'")
    with pytest.raises(RowTampered):
        await desk.state()
    with pytest.raises(RowTampered):
        await invoices.pursue(desk.ctx, InvoiceKey(row["record_id"], row["invoice_id"]))


async def test_an_invoice_says_what_its_bill_says(desk: Desk) -> None:
    facts = msgspec.structs.replace(desk.facts, total_fen=2470)
    settled = await orders.read_settled(desk.ctx, facts)
    with pytest.raises(InvariantBroken):
        await invoices.ask(desk.ctx, desk.house.record_id, SETTLEMENT, facts, settled)
    assert await desk.state() == "none"


async def test_a_refund_while_the_invoice_is_issued_writes_it_off(desk: Desk) -> None:
    invoices_of = desk.ctx.partners.invoices  # type: ignore[attr-defined]
    [(code, gateway)] = invoices_of.items()

    class Meanwhile:
        async def issue(self, order: InvoiceOrder) -> Any:
            assert (await desk.refunded()).state is InvoiceState.WITHDRAWING
            return await gateway.issue(order)

    invoices_of[code] = Meanwhile()
    await desk.posted()
    await desk.work()
    assert await desk.state() == "WRITING_OFF"
    invoices_of[code] = gateway
    await desk.work()
    assert await desk.state() == "WRITTEN_OFF"


async def test_an_invoice_keeps_to_its_budget_of_statements(desk: Desk) -> None:
    pool = CountedPool(desk.ctx.pool)
    desk.ctx = msgspec.structs.replace(desk.ctx, pool=pool)
    facts, record_id = desk.facts, desk.house.record_id
    settled = await orders.read_settled(desk.ctx, facts)
    await receipt.issue(desk.ctx, record_id, SETTLEMENT, facts, settled)
    await invoices.ask(desk.ctx, record_id, SETTLEMENT, facts, settled)
    assert len(pool.sent) <= ASKED_FOR, pool.sent
    pool.sent.clear()
    await desk.work()
    assert len(pool.sent) <= ISSUED, pool.sent
    assert await desk.state() == "ISSUED"
