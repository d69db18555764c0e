"""A hospital with a patient and a merchant account: builders for tests of bills and payments."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import msgspec

from integrations.ports.insurance import ChargeLine, Diagnosis, Visit
from service.audit.model import Decided
from service.bill.model import BillContent, PushBill
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.claims import run_once
from service.kernel.context import Context, Policy
from service.kernel.database import transaction
from service.payment import actions as payment
from service.payment import jobs
from service.payment.model import NewAttempt, PaymentAttempt
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.fakes_payments import FakePartners, FakeProvider, Killed
from tests.support.patients import name_patient

PROVIDER = "wechatpay"
ACCOUNT = "main"
DECIDED = Decided("op-1", "seen at the provider")


CLEAR = (
    "truncate refund, payment_attempt, payment_number, payment_notice, bill_version, bill,"
    " bill_number, posting, outbox, work_item, receipt, fiscal_invoice"
)
"""Each test has a ring of its own, and the loops take whatever is due."""


class House:
    """One hospital, one patient, one provider, and the clock they live by."""

    def __init__(
        self, ctx: Context, clock: FakeClock, provider: FakeProvider, institution_id: int
    ) -> None:
        self.ctx = ctx
        self.clock = clock
        self.provider = provider
        self.institution_id = institution_id
        self.record_id = 0
        self.patient = ""

    async def admit(self) -> None:
        """A new record with its data key, known to the hospital by a pseudonym."""
        self.record_id = self.ctx.ids.new()
        async with transaction(self.ctx.pool) as conn:
            await self.ctx.sealer.new_record_key(conn, self.record_id, self.clock.now())
            self.patient = await name_patient(conn, self.ctx, self.institution_id, self.record_id)

    async def create(
        self,
        *,
        settlement_id: int = 7,
        amount_fen: int = 1234,
        way: str = "native",
        purpose: str = "MAIN",
        payer: str | None = None,
    ) -> PaymentAttempt:
        """An attempt as a settlement would make it."""
        new = NewAttempt(
            record_id=self.record_id,
            settlement_id=settlement_id,
            institution_id=self.institution_id,
            provider=PROVIDER,
            way=way,
            purpose=purpose,
            amount_fen=amount_fen,
            payer=payer,
            expires_at=self.clock.now() + timedelta(minutes=15),
        )
        async with transaction(self.ctx.pool) as conn:
            return await payment.create(conn, self.ctx, new)

    async def place(self, attempt: PaymentAttempt) -> PaymentAttempt:
        """The provider is asked to collect."""
        return await payment.place(self.ctx, self.record_id, attempt.attempt_id)

    async def paid(self, **changes: object) -> PaymentAttempt:
        """An attempt that its payer paid, told by a question."""
        attempt = await self.place(await self.create(**changes))  # type: ignore[arg-type]
        assert self.provider.pay(attempt.trade_no)
        self.clock.advance(timedelta(seconds=31))
        return await payment.ask(self.ctx, self.record_id, attempt.attempt_id)

    async def read(self, attempt: PaymentAttempt) -> PaymentAttempt:
        """The attempt as it stands."""
        return await payment.read(self.ctx, self.record_id, attempt.attempt_id)

    async def refund(
        self, attempt: PaymentAttempt, amount_fen: int, cause: str = "reversal"
    ) -> None:
        """Promise money back as a settlement would."""
        async with transaction(self.ctx.pool) as conn:
            await payment.refund(
                conn, self.ctx, self.record_id, attempt.attempt_id, amount_fen, cause
            )

    async def work(self, *, rounds: int = 1, step: timedelta = timedelta(seconds=31)) -> None:
        """Let time pass and the worker's loops run; a killed worker is started again."""
        for _ in range(rounds):
            self.clock.advance(step)
            for source in jobs.sources(self.ctx):
                with suppress(Killed):
                    await run_once(source, self.clock, self.ctx.metrics)
            await asyncio.sleep(0)

    async def topics(self, settlement_id: int = 7) -> list[str]:
        """What was told about a settlement, in order. Where times are equal, rows' places tell."""
        async with transaction(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select topic from outbox where record_id = $1 and subject_id = $2"
                " order by created_at, ctid",
                self.record_id,
                settlement_id,
            )
        return [row["topic"] for row in rows]

    async def reasons(self, record_id: int | None = None) -> list[str]:
        """Why somebody must look."""
        async with transaction(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select reason from work_item where record_id = $1 order by opened_at, reason",
                self.record_id if record_id is None else record_id,
            )
        return [row["reason"] for row in rows]


@asynccontextmanager
async def a_house(dsn: str, policy: Policy | None = None) -> AsyncIterator[House]:
    """A hospital that a fake provider collects for, and one admitted patient."""
    clock = FakeClock()
    provider = FakeProvider(clock)
    partners = FakePartners({(PROVIDER, ACCOUNT): provider})
    async with a_context(
        dsn,
        clock=clock,
        partners=partners,  # type: ignore[arg-type]
        policy=policy,
    ) as ctx:
        async with transaction(ctx.pool) as conn:
            await conn.execute(CLEAR)
        enrolled = await institution.enrol_institution(
            ctx,
            NewInstitution(
                code=f"H{ctx.ids.new() % 10**11:011d}",
                name="测试医院",
                insurance_region="990100",
                level=3,
                moved_amounts=MovedAmounts.ADJUST,
            ),
        )
        await institution.set_merchant_account(
            ctx, enrolled.institution_id, provider=PROVIDER, account_name=ACCOUNT
        )
        house = House(ctx, clock, provider, enrolled.institution_id)
        await house.admit()
        yield house


def a_line(line_no: str = "1", **changes: object) -> ChargeLine:
    """Two boxes at 12.345 yuan: 24.69 yuan."""
    line = ChargeLine(
        line_no=line_no,
        catalogue_code="XA01AB",
        local_code="D1",
        name="试验药片",
        quantity_e4=20000,
        unit_price_e6=12_345_000,
        amount_fen=2469,
        charged_at=FakeClock().now(),
    )
    return msgspec.structs.replace(line, **changes)


def a_content(*lines: ChargeLine, **changes: object) -> BillContent:
    """One visit; the total is the sum of the lines."""
    charged = list(lines) or [a_line()]
    content = BillContent(
        visit=Visit(
            visit_no="V1",
            began_at=FakeClock().now(),
            doctor_no="D990001",
            doctor_name="试医生",
            department_no="01",
            department_name="内科",
            speciality="A03",
            visit_type="11",
            diagnoses=[Diagnosis(code="J00.x00", name="急性鼻咽炎", main=True)],
        ),
        lines=charged,
        total_fen=sum(line.amount_fen for line in charged),
        pay_until=FakeClock().now() + timedelta(days=1),
    )
    return msgspec.structs.replace(content, **changes)


def a_push(house: House, bill_no: str, content: BillContent | None = None) -> PushBill:
    """The hospital's request for a bill."""
    return PushBill(
        institution_id=house.institution_id,
        application_id=5,
        bill_no=bill_no,
        patient=house.patient,
        content=content or a_content(),
    )
