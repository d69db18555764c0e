"""The whole application over HTTP, before real adapters and the partners' twins, on one clock."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from integrations.insurance_nhsa.mobile_gateway import NhsaMobile
from integrations.ports.events_out import Courier
from integrations.ports.partners import PartnerUnknown
from integrations.sandbox.wechatpay.model import TwinPace
from service import worker
from service.app import create_app
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.claims import run_once
from service.kernel.context import Context
from service.ledger import actions as ledger
from tests.contract import alipay_rig, fiscal_rig, insurance_rig, mobile_rig, wechat_rig
from tests.support.app import a_client, a_context
from tests.support.clock import FakeClock
from tests.support.fakes_identity import NOON, POLICY, FakeLogin, FakeRealName
from tests.support.identity_rig import CIPHER, PAGES, IdentityRig, Phone

HOSPITAL = "H99000100001"
NAME = "测试甲"
PERSON_NO = insurance_rig.EMPLOYEE
ID_NO = insurance_rig.ID_NUMBERS[insurance_rig.EMPLOYEE]
SINGLE_FEN = 100_00
ROUNDS_MAX = 60
CASHIER = "http://street.test/{provider}/sandbox/cashier"


class NoticingTill(wechat_rig.Rig):
    """The payment twin; its notices go to the application's own address."""

    provider, account = "wechatpay", wechat_rig.MCHID

    def __init__(self) -> None:
        super().__init__(pace=TwinPace(reverse_after_s=15))
        self.merchant: httpx.AsyncClient | None = None

    async def _take_notice(self, url: str, headers: dict[str, str], body: bytes) -> int:
        if self.merchant is None or self.merchant_down:
            raise ConnectionError
        path = "/" + url.split("/", 3)[-1]
        self.posts.append((dict(headers), body))
        answer = await self.merchant.post(path, content=body, headers=headers)
        return answer.status_code

    def take_mixed_orders(self, bureau: insurance_rig.Rig) -> None:
        """From now on, and in one world with the bureau: who confirms here settles there."""
        self.gateway = self.gateway_with(city_id="990100")
        self.app.state.twin.mixed.insurer = bureau.app.state.centre.carry_out


class AlipayTill(alipay_rig.Rig):
    """Alipay's twin in the same place."""

    provider, account = "alipay", alipay_rig.SELLER_ID

    def __init__(self) -> None:
        super().__init__()
        self.merchant: httpx.AsyncClient | None = None

    async def _take_notice(self, url: str, headers: dict[str, str], body: bytes) -> bytes:
        if self.merchant is None or self.merchant_down:
            raise ConnectionError
        path = "/" + url.split("/", 3)[-1]
        answer = await self.merchant.post(path, content=body, headers=headers)
        return answer.content


Till = NoticingTill | AlipayTill


class StreetPartners:
    """Real adapters before their twins; login and real-name source in memory."""

    def __init__(self, bureau: insurance_rig.Rig, till: Till) -> None:
        self.bureau = bureau
        self.centre: NhsaMobile | None = None
        """The bureau's payment centre, where the hospital has a line to it."""
        self.till = till
        self.invoices = fiscal_rig.Rig(lambda: till.clock.at)
        self.wechat = FakeLogin()
        self.names = FakeRealName()
        self.names.pairs.add((NAME, ID_NO))

    def insurance(self, institution_code: str) -> Any:
        if institution_code != HOSPITAL:
            raise PartnerUnknown(institution_code)
        return self.bureau.gateway

    def inpatient(self, institution_code: str) -> Any:
        if institution_code != HOSPITAL:
            raise PartnerUnknown(institution_code)
        return self.bureau.stays

    def mobile_insurance(self, institution_code: str) -> Any:
        if institution_code != HOSPITAL or self.centre is None:
            raise PartnerUnknown(institution_code)
        return self.centre

    def insurers(self, _institution_code: str) -> list[str]:
        return []

    def cover(self, institution_code: str, insurer: str) -> Any:
        raise PartnerUnknown(f"{institution_code} {insurer}")

    def invoice(self, institution_code: str) -> Any:
        if institution_code != HOSPITAL:
            raise PartnerUnknown(institution_code)
        return self.invoices.gateway

    def payment(self, provider: str, account_name: str) -> Any:
        if (provider, account_name) != (self.till.provider, self.till.account):
            raise PartnerUnknown(provider)
        return self.till.gateway

    def login(self, provider: str) -> FakeLogin:
        return self.wechat

    def real_name(self) -> FakeRealName:
        return self.names


class Street:
    """Phone, kiosk, hospital's system, twins and worker."""

    def __init__(self, ctx: Context, client: httpx.AsyncClient, partners: StreetPartners) -> None:
        self.ctx = ctx
        self.client = client
        self.bureau = partners.bureau
        self.till = partners.till
        self.partners = partners
        self.invoices = partners.invoices
        self.callers = IdentityRig(ctx, client, partners)  # type: ignore[arg-type]
        self.phone = Phone(client, wechat_rig.PAYER)
        self.scan: dict[str, Any] = {}
        self.bills = 0

    async def set_up(self, moved: MovedAmounts) -> None:
        """Hospital, kiosk, system, and a registered resident whose code was just scanned."""
        place = await institution.enrol_institution(
            self.ctx,
            NewInstitution(
                code=HOSPITAL,
                name="测试市第一人民医院",
                insurance_region="990001",
                level=3,
                moved_amounts=moved,
            ),
        )
        await institution.set_merchant_account(
            self.ctx,
            place.institution_id,
            provider=self.till.provider,
            account_name=self.till.account,
        )
        self.callers.hospital = place
        self.kiosk = await self.callers.terminal(place, public_place=True)
        self.desk = await self.callers.terminal(place, public_place=False)
        self.his = await self.callers.application(place, "scan", "bill", "settlement", "patient")
        await self.phone.log_in()
        answer = await self.phone.register(NAME, ID_NO)
        assert answer.status_code == 200, answer.text
        code = await self.phone.code("pay")
        scanned = await self.callers.scan(code, purpose="pay", terminal=self.kiosk)
        assert scanned.status_code == 200, scanned.text
        self.scan = scanned.json()

    async def ask(self, caller: Any, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """A call that must be answered with success."""
        answer = await caller.send(method, path, body, key=secrets.token_hex(8))
        assert answer.status_code < 300, answer.text
        return dict(answer.json())

    async def mine(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The resident's call that must succeed."""
        headers = {
            "authorization": f"Bearer {self.phone.token}",
            "idempotency-key": secrets.token_hex(8),
        }
        answer = await self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return dict(answer.json())

    async def push_bill(self) -> str:
        """A bill of one consultation, 100 yuan; gives its id."""
        self.bills += 1
        now = self.ctx.clock.now()
        at = now.isoformat().replace("+00:00", "Z")
        until = (now + timedelta(hours=2)).isoformat().replace("+00:00", "Z")
        body = {
            "bill_no": f"B{self.bills}",
            "patient_id": self.scan["patient_id"],
            "visit": {
                "visit_no": f"V{self.bills}",
                "began_at": at,
                "visit_type": "11",
                "department_no": "A03",
                "department_name": "内科",
                "speciality": "A03",
                "doctor_no": "D1",
                "doctor_name": "测试医师",
                "diagnoses": [{"code": "J06.900", "name": "上呼吸道感染", "main": True}],
            },
            "lines": [
                {
                    "line_no": "1",
                    "catalogue_code": "TESTMED000001",
                    "local_code": "L1",
                    "name": "测试片",
                    "quantity_e4": 10_000,
                    "unit_price_e6": SINGLE_FEN * 10_000,
                    "amount_fen": SINGLE_FEN,
                    "charged_at": at,
                }
            ],
            "total_fen": SINGLE_FEN,
            "pay_until": until,
        }
        pushed = await self.ask(self.his, "POST", "/v1/institution/bills", body)
        return str(pushed["bill_id"])

    async def work(self) -> None:
        """Every loop of the worker until nothing is due, with the twin's notices in between."""
        sources = worker.all_sources(self.ctx)
        for _ in range(ROUNDS_MAX):
            worked = await self.till.deliver()
            for source in sources:
                worked += await run_once(source, self.ctx.clock, self.ctx.metrics)
            if not worked:
                return
        raise AssertionError("work that never ends")

    async def run_for(self, span: timedelta, step: timedelta = timedelta(seconds=10)) -> None:
        """Let time pass for everybody, working all along."""
        end = self.ctx.clock.now() + span
        await self.work()
        while self.ctx.clock.now() < end:
            self.advance(step)
            await self.work()

    def advance(self, by: timedelta) -> None:
        """Move the one time of all."""
        clock = self.ctx.clock
        assert isinstance(clock, FakeClock)
        clock.advance(by)
        self.bureau.at = self.till.clock.at = clock.now()

    async def balances(self, settlement_id: str) -> dict[str, int]:
        """The ledger's accounts that are not zero."""
        key = self.ctx.public_ids.parse(settlement_id)
        found = await ledger.balances(self.ctx, *key)
        return {account: fen for account, fen in found.items() if fen}

    async def plan(self, fault: str, infno: str, **more: Any) -> None:
        """Let the bureau's twin commit a fault."""
        await self.bureau.control("faults", [{"fault": fault, "infno": infno, **more}])

    async def insurance_book(self) -> list[tuple[str, int]]:
        """(state, cash) of each settlement in the bureau's book."""
        rows = await self.bureau.control("book")
        return [(row["state"], row["cash_fen"]) for row in rows]


@asynccontextmanager
async def a_street(
    dsn: str,
    *,
    moved: MovedAmounts = MovedAmounts.ADJUST,
    till: Till | None = None,
    courier: Courier | None = None,
    with_centre: bool = False,
) -> AsyncIterator[Street]:
    """A street over a migrated database of its own; WeChat's till unless another is given."""
    bureau = insurance_rig.Rig(
        institution=HOSPITAL, at=NOON, mobile=mobile_rig.keys_of(HOSPITAL) if with_centre else None
    )
    till = till or NoticingTill()
    till.clock.at = NOON
    partners = StreetPartners(bureau, till)
    if with_centre:
        partners.centre = mobile_rig.gateway_of(bureau.line, institution_code=HOSPITAL)
    if with_centre and isinstance(till, NoticingTill):
        till.take_mixed_orders(bureau)
    async with (
        a_context(
            dsn,
            clock=FakeClock(NOON),
            partners=partners,  # type: ignore[arg-type]
            policy=msgspec.structs.replace(
                POLICY, notice_url_base="https://yimatong.test", cashier_url=CASHIER
            ),
            courier=courier,
        ) as ctx,
        a_client(create_app(ctx, CIPHER, PAGES)) as client,
        bureau.client,
        till.client,
    ):
        till.merchant = client
        street = Street(ctx, client, partners)
        await street.set_up(moved)
        yield street
