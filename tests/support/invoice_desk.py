"""A hospital with a line for fiscal e-invoices, and the platform's twin behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import msgspec

from service.bill import actions as bill
from service.institution import actions as institution
from service.kernel.claims import run_once
from service.kernel.database import transaction
from service.kernel.outbox import Event
from service.person import actions as person
from service.person.model import Registration, Source
from service.receipt import actions as receipt
from service.receipt import invoices, jobs
from service.receipt.model import FiscalInvoice, PostedFacts
from tests.contract import fiscal_rig
from tests.support.fakes_identity import POLICY, citizen_number
from tests.support.fakes_payments import FakePartners
from tests.support.money import House, a_house, a_push
from tests.support.patients import name_patient

SETTLEMENT = 7
ID_NO = citizen_number(date(1980, 1, 1), 101)


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


@asynccontextmanager
async def a_desk(dsn: str) -> AsyncIterator[Desk]:
    async with a_house(dsn, POLICY) as house:
        opened = Desk(house)
        await opened.open()
        yield opened
