"""One hospital, one person, bills and partners in memory: what tests of the settlement stand on.

``Rig.work`` is the worker: every claim loop and the relay of events, by hand, until nothing is due.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace

from integrations.ports.cover import CoverGateway
from integrations.ports.insurance import ChargeLine, Diagnosis, Visit
from integrations.ports.partners import PartnerUnknown, PerformedByHospital
from service.bill import actions as bill
from service.bill.model import Bill, BillContent, PushBill
from service.institution import actions as institution
from service.institution.model import Institution, MovedAmounts, NewInstitution
from service.kernel import outbox
from service.kernel.claims import ClaimSource, run_once
from service.kernel.context import Context, Policy
from service.kernel.database import Connection, connection, execute, list_rows
from service.kernel.live_ring import LiveRing
from service.kernel.principals import Application
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment import jobs as payment_jobs
from service.payment.model import PaymentAttempt
from service.person import actions as person
from service.person.model import Registration, Source
from service.settlement import actions, door, jobs, paying
from service.settlement.model import (
    PHONES,
    Channel,
    InsuranceCall,
    Place,
    Settlement,
    StartPayment,
    StartSettlement,
)
from service.shift import jobs as shift_jobs
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.fakes_identity import POLICY, citizen_number
from tests.support.fakes_settlement import FakeBureau, FakeTill
from tests.support.patients import name_patient

PROVIDER = "wechatpay"
SECOND = "alipay"
"""Collects for the hospital once its account is set."""
ACCOUNT = "main"
ROUNDS_MAX = 60
LIST_CALLS = """
select record_id, call_id, settlement_id, kind, message_no, called_at, outcome, undone_by, evidence
from insurance_call
where record_id = $1 and settlement_id = $2
order by called_at, message_no
"""
FORGET = """
truncate outbox, settlement, insurance_call, refund, payment_attempt, staff, shift, shift_entry,
  counter_tender, counter_refund, deposit, stay_number, insurance_ask;
delete from data_key where record_id = 0
"""
_HANDLERS = {**jobs.HANDLERS, **shift_jobs.HANDLERS}


async def list_calls(conn: Connection, record_id: int, settlement_id: int) -> list[InsuranceCall]:
    """Every call to the bureau, in order."""
    return await list_rows(conn, InsuranceCall, LIST_CALLS, record_id, settlement_id)


class RigPartners:
    """The bureau and the tills, for everybody."""

    def __init__(self, bureau: FakeBureau, till: FakeTill, second: FakeTill) -> None:
        self.bureau = bureau
        self.till = till
        self.second = second
        self.hospital_insures = False
        """The hospital's own machine speaks with its bureau."""
        self.contracts: dict[tuple[str, str], CoverGateway] = {}
        """By institution and commercial insurer."""

    def insurance(self, institution_code: str) -> FakeBureau:
        if self.hospital_insures:
            raise PerformedByHospital(institution_code)
        return self.bureau

    def mobile_insurance(self, institution_code: str) -> Any:
        raise PartnerUnknown(institution_code)

    def invoice(self, institution_code: str) -> Any:
        raise PartnerUnknown(institution_code)

    def insurers(self, institution_code: str) -> list[str]:
        return sorted(insurer for code, insurer in self.contracts if code == institution_code)

    def cover(self, institution_code: str, insurer: str) -> CoverGateway:
        if (institution_code, insurer) not in self.contracts:
            raise PartnerUnknown(f"{institution_code} {insurer}")
        return self.contracts[institution_code, insurer]

    def payment(self, provider: str, account_name: str) -> FakeTill:
        tills = {(PROVIDER, ACCOUNT): self.till, (SECOND, ACCOUNT): self.second}
        if (provider, account_name) not in tills:
            raise PartnerUnknown(provider)
        return tills[provider, account_name]

    def login(self, provider: str) -> Any:
        raise PartnerUnknown(provider)

    def real_name(self) -> Any:
        raise PartnerUnknown("real-name")


class Rig:
    """The system under test with its surroundings."""

    def __init__(self, ctx: Context, clock: FakeClock, partners: RigPartners) -> None:
        self.ctx = ctx
        self.clock = clock
        self.bureau = partners.bureau
        self.till = partners.till
        self.partners = partners
        self.second = partners.second
        self.place: Institution
        self.record_id = 0
        self.application: Application
        self.bills = 0

    async def set_up(self, moved: MovedAmounts) -> None:
        """Enrol the hospital and register a person."""
        number = self.ctx.ids.new() % 10**8
        self.place = await institution.enrol_institution(
            self.ctx,
            NewInstitution(
                code=f"H990{number:08d}",
                name="测试医院",
                insurance_region="990001",
                level=3,
                moved_amounts=moved,
            ),
        )
        await institution.set_merchant_account(
            self.ctx, self.place.institution_id, provider=PROVIDER, account_name=ACCOUNT
        )
        id_no = citizen_number(date(1990, 1, 1), 101)
        self.bureau.insure("测试甲", id_no)
        registered = await person.register(
            self.ctx,
            Registration(
                source=Source.READER,
                institution_id=self.place.institution_id,
                name="测试甲",
                id_type="01",
                id_no=id_no,
                phone=None,
            ),
        )
        self.record_id = registered.record_id
        self.application = Application(
            institution_id=self.place.institution_id,
            application_id=1,
            scopes=frozenset({"settlement"}),
        )

    async def push_bill(self, *amounts_fen: int, **changes: Any) -> Bill:
        """A bill with a line for each amount; one keyword a deviation of its content."""
        self.bills += 1
        now = self.clock.now()
        async with connection(self.ctx.pool) as conn:
            patient = await name_patient(conn, self.ctx, self.place.institution_id, self.record_id)
        content = BillContent(
            visit=a_visit(self.clock, f"V{self.bills}"),
            lines=[
                ChargeLine(
                    line_no=str(place),
                    catalogue_code="X01",
                    local_code="L01",
                    name="检查费",
                    quantity_e4=10_000,
                    unit_price_e6=fen * 10_000,
                    amount_fen=fen,
                    charged_at=now,
                )
                for place, fen in enumerate(amounts_fen, start=1)
            ],
            total_fen=sum(amounts_fen),
            pay_until=now + timedelta(days=7),
        )
        content = replace(content, **changes)
        return await bill.push(
            self.ctx,
            PushBill(
                institution_id=self.place.institution_id,
                application_id=1,
                bill_no=f"B{self.bills}",
                patient=patient,
                content=content,
            ),
        )

    async def start(self, charged: Bill, **deviations: Any) -> Settlement:
        """Start on the phone; one keyword a deviation."""
        wishes: dict[str, Any] = {
            "record_id": self.record_id,
            "bill_id": charged.bill_id,
            "institution_id": None,
            "channel": Channel.PHONE,
            "terminal_id": None,
            "account_id": 1,
            "use_account": False,
            "insured": True,
        }
        return await actions.start(self.ctx, StartSettlement(**{**wishes, **deviations}))

    async def pay(
        self,
        row: Settlement,
        *,
        way: str = "native",
        amount_fen: int | None = None,
        provider: str = PROVIDER,
        place: Place = PHONES,
    ) -> Settlement:
        """Place an order."""
        return await paying.pay(
            self.ctx,
            StartPayment(
                record_id=row.record_id,
                settlement_id=row.settlement_id,
                provider=provider,
                way=way,
                payer="openid-1" if way == "jsapi" else None,
                amount_fen=amount_fen,
                place=place,
            ),
        )

    async def post(self, row: Settlement, hospital_ref: str = "HIS-1") -> Settlement:
        """The hospital acknowledges."""
        text = self.ctx.public_ids.text(row.record_id, row.settlement_id)
        return await actions.acknowledge_posting(
            self.ctx, self.application, text, hospital_ref, row.bill_version
        )

    async def work(self) -> int:
        """Work off everything that is due now; gives how many units that were."""
        sources: list[ClaimSource[Any]] = [
            *jobs.sources(self.ctx),
            *payment_jobs.sources(self.ctx),
            *shift_jobs.sources(self.ctx),
            outbox_source(self.ctx),
        ]
        done = 0
        for _ in range(ROUNDS_MAX):
            worked = 0
            for source in sources:
                worked += await run_once(source, self.clock, self.ctx.metrics)
            if not worked:
                return done
            done += worked
        raise AssertionError("work that never ends")

    async def run_for(self, span: timedelta, step: timedelta = timedelta(seconds=5)) -> None:
        """Let time pass, working all along."""
        end = self.clock.now() + span
        await self.work()
        while self.clock.now() < end:
            self.clock.advance(step)
            await self.work()

    async def read(self, row: Settlement) -> Settlement:
        """As it stands."""
        async with connection(self.ctx.pool) as conn:
            return await door.read(conn, self.ctx, (row.record_id, row.settlement_id))

    async def calls(self, row: Settlement) -> list[InsuranceCall]:
        """Every call to the bureau, in order."""
        async with connection(self.ctx.pool) as conn:
            return await list_calls(conn, row.record_id, row.settlement_id)

    async def attempts(self, row: Settlement) -> list[PaymentAttempt]:
        """Every attempt, newest first."""
        async with connection(self.ctx.pool) as conn:
            return await payment.list_attempts(conn, self.ctx, row.record_id, row.settlement_id)

    async def balances(self, row: Settlement) -> dict[str, int]:
        """The ledger's accounts that are not zero."""
        found = await ledger.balances(self.ctx, row.record_id, row.settlement_id)
        return {account: fen for account, fen in found.items() if fen}

    async def to_paid(self, *amounts_fen: int, **wishes: Any) -> Settlement:
        """A settlement whose payer has paid, which we do not know yet."""
        row = await self.start(await self.push_bill(*amounts_fen), **wishes)
        await self.work()
        row = await self.pay(await self.read(row))
        self.till.pay(self.till.unpaid()[0])
        return row

    async def settled(self, row: Settlement, span_s: int = 120) -> Settlement:
        """The settlement after the worker had its time."""
        await self.run_for(timedelta(seconds=span_s))
        return await self.read(row)

    async def history(self, row: Settlement) -> list[str]:
        """The states in order."""
        async with connection(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select state from settlement_event where record_id = $1 and settlement_id = $2"
                " order by version",
                row.record_id,
                row.settlement_id,
            )
        return [one["state"] for one in rows]

    async def items(self, row: Settlement) -> set[str]:
        """Reasons of open work items of the record."""
        async with connection(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select reason from work_item where record_id = $1 and closed_at is null",
                row.record_id,
            )
        return {one["reason"] for one in rows}

    async def topics(self, row: Settlement) -> list[str]:
        """Events about the settlement, in order."""
        async with connection(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select topic from outbox where record_id = $1 and subject_id = $2"
                " order by created_at, topic",
                row.record_id,
                row.settlement_id,
            )
        return [one["topic"] for one in rows]


def a_visit(clock: FakeClock, visit_no: str) -> Visit:
    """An ordinary outpatient visit."""
    return Visit(
        visit_no=visit_no,
        began_at=clock.now(),
        doctor_no="D1",
        doctor_name="测试医师",
        department_no="K1",
        department_name="内科",
        speciality="A03",
        visit_type="11",
        diagnoses=[Diagnosis(code="J00.x00", name="急性鼻咽炎", main=True)],
    )


def outbox_source(ctx: Context) -> ClaimSource[outbox.Event]:
    """Events to the settlement's handlers; others are delivered to nobody."""
    token = ctx.ids.token()

    async def list_due(now: Any, limit: int) -> list[outbox.Event]:
        async with connection(ctx.pool) as conn:
            return await outbox.list_due(conn, now, limit)

    async def claim(event: outbox.Event, _now: Any, until: Any) -> bool:
        key = (event.record_id, event.event_id, event.attempts)
        async with connection(ctx.pool) as conn:
            return await execute(conn, outbox.CLAIM_EVENT, *key, token, until) == 1

    async def work(event: outbox.Event) -> None:
        if (handler := _HANDLERS.get(event.topic)) is not None:
            await handler(ctx, event)
        key = (event.record_id, event.event_id)
        async with connection(ctx.pool) as conn:
            await execute(conn, outbox.FINISH_EVENT, *key, token, ctx.clock.now())

    return ClaimSource("outbox", list_due=list_due, claim=claim, work=work)


@asynccontextmanager
async def a_rig(
    dsn: str,
    *,
    moved: MovedAmounts = MovedAmounts.ADJUST,
    bureau: FakeBureau | None = None,
    policy: Policy | None = None,
    ring: LiveRing | None = None,
) -> AsyncIterator[Rig]:
    """A rig over a migrated database."""
    clock = FakeClock()
    partners = RigPartners(bureau or FakeBureau(), FakeTill(clock.now), FakeTill(clock.now))
    async with a_context(
        dsn, clock=clock, partners=partners, policy=policy or POLICY, ring=ring
    ) as ctx:
        async with connection(ctx.pool) as conn:
            # What an earlier rig left due is not this one's.
            await conn.execute(FORGET)
        rig = Rig(ctx, clock, partners)
        await rig.set_up(moved)
        yield rig
