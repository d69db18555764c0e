"""Fiscal e-invoices on a real database, before the platform's twin: one a settlement, never two."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import msgspec
import pytest

from integrations.ports.outcomes import Accepted, Rejected
from service.bill import actions as bill
from service.institution import actions as institution
from service.kernel.claims import run_once
from service.kernel.database import transaction
from service.kernel.outbox import Event
from service.kernel.problems import InvariantBroken, RowTampered, StateConflict
from service.person import actions as person
from service.person.model import Registration, Source
from service.receipt import actions as receipt
from service.receipt import invoices, jobs
from service.receipt.model import FiscalInvoice, InvoiceKey, PostedFacts
from service.receipt.states import InvoiceState
from tests.contract import fiscal_rig
from tests.support.fakes_identity import POLICY, citizen_number
from tests.support.fakes_payments import FakePartners
from tests.support.money import House, a_house, a_push
from tests.support.patients import name_patient

SETTLEMENT = 7
ID_NO = citizen_number(date(1980, 1, 1), 101)
ISSUE, FIND = "invoiceEBillOutpatient", "getEBillByBusNo"
WRITE_OFF, STATES = "writeOffEBill", "getEBillStatesByBillInfo"


class Desk:
    """A house whose hospital has a line for invoices, and the platform's twin behind it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ctx = house.ctx
        self.platform = fiscal_rig.Rig(house.clock.now)
        self.facts: PostedFacts

    async def open(self) -> None:
        """Register the patient, push a bill, connect the line."""
        registered = await person.register(
            self.ctx,
            Registration(
                source=Source.READER,
                institution_id=self.house.institution_id,
                name="测试甲",
                id_type="01",
                id_no=ID_NO,
                phone=None,
            ),
        )
        self.house.record_id = registered.record_id
        async with transaction(self.ctx.pool) as conn:
            self.house.patient = await name_patient(
                conn, self.ctx, self.house.institution_id, registered.record_id
            )
        hospital = await institution.get_institution(self.ctx, self.house.institution_id)
        partners = self.ctx.partners
        assert isinstance(partners, FakePartners)
        partners.invoices[hospital.code] = self.platform.gateway
        pushed = await bill.push(self.ctx, a_push(self.house, "B1"))
        self.facts = PostedFacts(
            bill_id=self.ctx.public_ids.text(pushed.record_id, pushed.bill_id),
            institution_id=self.house.institution_id,
            total_fen=2469,
            fund_fen=1000,
            account_fen=469,
            cash_fen=900,
            hospital_fen=100,
            paid_by="wechatpay",
            provider_ref="P1",
            insurance_ref="I1",
            full_own_fen=300,
            first_pay_fen=50,
        )

    async def posted(self) -> None:
        """The hospital acknowledges; a repeat of the event is delivered too."""
        event = Event(
            record_id=self.house.record_id,
            event_id=1,
            topic="settlement.posted",
            subject_id=SETTLEMENT,
            body=msgspec.to_builtins(self.facts),
            attempts=0,
        )
        for _ in range(2):
            await jobs.HANDLERS["settlement.posted"](self.ctx, event)

    async def work(self, *, rounds: int = 1, step: timedelta = timedelta(seconds=40)) -> None:
        """The worker's loop, and time."""
        for _ in range(rounds):
            for source in jobs.sources(self.ctx):
                await run_once(source, self.ctx.clock, self.ctx.metrics)
            self.house.clock.advance(step)

    async def refunded(self, reason: str = "退费") -> FiscalInvoice:
        """The settlement is refunded."""
        async with transaction(self.ctx.pool) as conn:
            return await invoices.write_off(
                conn,
                self.ctx,
                self.house.record_id,
                SETTLEMENT,
                self.house.institution_id,
                reason,
            )

    async def invoice(self) -> FiscalInvoice:
        """As the receipt shows it."""
        found = (await receipt.get(self.ctx, self.house.record_id, SETTLEMENT)).invoice
        assert found is not None
        return found

    async def state(self) -> str:
        """Where it stands."""
        found = await invoices.find(self.ctx, self.house.record_id, SETTLEMENT)
        return "none" if found is None else found.state.value


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[Desk]:
    async with a_desk(fresh_database) as opened:
        yield opened


@asynccontextmanager
async def a_desk(dsn: str) -> AsyncIterator[Desk]:
    async with a_house(dsn, POLICY) as house:
        opened = Desk(house)
        await opened.open()
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
    await invoices.send_again(desk.ctx, desk.house.record_id, refused.invoice_id)
    await desk.work()
    assert await desk.state() == "ISSUED"
    with pytest.raises(StateConflict):
        await invoices.send_again(desk.ctx, desk.house.record_id, refused.invoice_id)


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
    await invoices.send_again(desk.ctx, desk.house.record_id, shown.invoice_id)
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
    with pytest.raises(InvariantBroken):
        await invoices.ask(desk.ctx, desk.house.record_id, SETTLEMENT, facts)
    assert await desk.state() == "none"
