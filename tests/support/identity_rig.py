"""A hospital with a kiosk, a desk and a system of its own, and residents with phones, over HTTP."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import httpx

from crypto.selftest import run_self_test
from crypto.signer import SM2Signer
from crypto.sm2 import PrivateKey
from crypto.sm2_backend import installed_backend
from service.app import create_app
from service.institution import actions as institution
from service.institution.model import Institution, MovedAmounts, NewInstitution
from service.kernel.context import Context
from service.kernel.live_ring import LiveRing
from service.web.routes import PageSettings
from tests.support.app import a_client, a_context
from tests.support.callers import ApplicationCaller, TerminalCaller
from tests.support.clock import FakeClock
from tests.support.fakes_identity import NOON, POLICY, FakeInsurance, FakePartners, citizen_number

BORN = date(1980, 1, 1)
CIPHER = run_self_test(installed_backend())
PAGES = PageSettings(sandbox=True, login_twin_url=None, cashier_url=None)


class Phone:
    """A resident's client: logs in, keeps the token, asks."""

    def __init__(self, client: httpx.AsyncClient, subject: str) -> None:
        self.client = client
        self.subject = subject
        self.token = ""

    async def log_in(self) -> dict[str, Any]:
        answer = await self.client.post(
            "/v1/login/wechat", json={"code": f"code-of-{self.subject}"}
        )
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["access_token"]
        return dict(answer.json())

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return await self.client.request(method, path, json=body, headers=headers)

    async def register(self, name: str, id_no: str) -> httpx.Response:
        body = {"name": name, "id_type": "01", "id_no": id_no}
        return await self.ask("PUT", "/v1/me/registration", body)

    async def code(self, purpose: str = "identify") -> str:
        answer = await self.ask("POST", "/v1/me/codes", {"purpose": purpose, "symbol": False})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["text"])


class IdentityRig:
    """Everything a flow needs; made by ``an_identity_rig``."""

    def __init__(self, ctx: Context, client: httpx.AsyncClient, partners: FakePartners) -> None:
        self.ctx = ctx
        self.client = client
        self.partners = partners
        self.hospital: Institution
        self.kiosk: TerminalCaller
        self.desk: TerminalCaller
        self.his: ApplicationCaller

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.ctx.clock, FakeClock)
        return self.ctx.clock

    @property
    def bureau(self) -> FakeInsurance:
        return self.partners.insurance(self.hospital.code)

    async def enrol(self, code: str) -> Institution:
        return await institution.enrol_institution(
            self.ctx,
            NewInstitution(
                code=code,
                name="测试医院",
                insurance_region="990001",
                level=3,
                moved_amounts=MovedAmounts.ADJUST,
            ),
        )

    async def terminal(self, hospital: Institution, *, public_place: bool) -> TerminalCaller:
        row, code = await institution.enrol_terminal(
            self.ctx, hospital.institution_id, name="测试机", public_place=public_place
        )
        activated = await institution.activate_terminal(self.ctx, code)
        caller_id = self.ctx.public_ids.text(hospital.institution_id, row.terminal_id)
        return TerminalCaller(self.client, self.clock, caller_id, activated.key)

    async def application(self, hospital: Institution, *scopes: str) -> ApplicationCaller:
        key = PrivateKey.generate()
        row = await institution.enrol_application(
            self.ctx,
            hospital.institution_id,
            name="测试系统",
            public_key=key.public.to_bytes(),
            scopes=frozenset(scopes),
        )
        caller_id = self.ctx.public_ids.text(hospital.institution_id, row.application_id)
        platform = institution.platform_key(self.ctx)
        return ApplicationCaller(self.client, self.clock, caller_id, key, platform)

    async def resident(self, serial: int, name: str = "测试甲", *, insured: bool = True) -> Phone:
        """A registered resident; insured as an employee unless told otherwise."""
        id_no = citizen_number(BORN, serial)
        self.partners.names.pairs.add((name, id_no))
        if insured:
            self.bureau.insure(name, id_no, f"P{serial:05d}", "310")
        phone = Phone(self.client, secrets.token_hex(8))
        await phone.log_in()
        answer = await phone.register(name, id_no)
        assert answer.status_code == 200, answer.text
        return phone

    async def scan(
        self,
        text: str,
        *,
        purpose: str = "identify",
        terminal: TerminalCaller | None = None,
        key: str | None = None,
        offer: str | None = None,
    ) -> httpx.Response:
        return await (terminal or self.kiosk).send(
            "POST",
            "/v1/terminal/scans",
            {"text": text, "purpose": purpose} | ({"offer": offer} if offer is not None else {}),
            key=key or secrets.token_hex(8),
        )

    async def refused(self, text: str, code: str, status: int, **scan: Any) -> dict[str, Any]:
        """A scan that must be refused with this problem; nothing may be written for it."""
        before = await self.counts()
        answer = await self.scan(text, **scan)
        body = dict(answer.json())
        assert (answer.status_code, body["code"]) == (status, code), body
        assert answer.headers["content-type"] == "application/problem+json"
        assert await self.counts() == before
        return body

    async def counts(self) -> tuple[int, int, int]:
        """Rows of scans, of uses, and of scans in audit."""
        async with self.ctx.pool.acquire() as conn:
            row = await conn.fetchrow(
                "select (select count(*) from scan) as scans,"
                " (select count(*) from code_use) as uses,"
                " (select count(*) from audit_entry where action = 'code.scanned') as audit"
            )
        return row["scans"], row["uses"], row["audit"]


@asynccontextmanager
async def an_identity_rig(
    dsn: str, ring: LiveRing | None = None, signer: SM2Signer | None = None
) -> AsyncIterator[IdentityRig]:
    """A fresh hospital over a database that may hold others."""
    partners = FakePartners()
    async with (
        a_context(
            dsn, clock=FakeClock(NOON), partners=partners, policy=POLICY, ring=ring, signer=signer
        ) as ctx,
        a_client(create_app(ctx, CIPHER, PAGES)) as client,
    ):
        rig = IdentityRig(ctx, client, partners)
        rig.hospital = await rig.enrol(f"H99{secrets.randbelow(10**9):09d}")
        rig.kiosk = await rig.terminal(rig.hospital, public_place=True)
        rig.desk = await rig.terminal(rig.hospital, public_place=False)
        rig.his = await rig.application(rig.hospital, "scan", "bill")
        yield rig
