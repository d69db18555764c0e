"""A fiscal e-invoice twin and the gateway that talks to it, joined in one process, on one clock."""

import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import msgspec

from integrations.fiscal_invoice.gateway import FiscalInvoiceGateway
from integrations.fiscal_invoice.settings import ChargeGroup, FiscalInvoiceSettings
from integrations.kit.transport import Transport
from integrations.ports.insurance import ChargeLine
from integrations.ports.invoices import (
    InvoiceAmounts,
    InvoiceOrder,
    InvoicePayer,
    InvoiceTender,
    InvoiceVisit,
    WriteOffOrder,
)
from integrations.sandbox.fiscal.app import create_fiscal_twin
from integrations.sandbox.fiscal.model import TwinInstitution

START = datetime(2026, 1, 5, 1, 37, tzinfo=UTC)
APPID, KEY, PLACE = "SANDBOXAPP0001", "sandboxinvoicekey0000000001", "001"
INSTITUTION = "H99000100001"
TWIN = "http://fiscal.test"
ABSENT = "E1404"


def settings(**changes: Any) -> FiscalInvoiceSettings:
    fields: dict[str, Any] = {
        "institution_code": INSTITUTION,
        "base_url": TWIN,
        "appid": APPID,
        "key": KEY,
        "place_code": PLACE,
        "payee": "测试收费员",
        "author": "测试收费员",
        "checker": "测试复核",
        "groups": (ChargeGroup(code="YLMZ09", name="西药费", prefixes=("X",)),),
        "other_group": ChargeGroup(code="YLMZ14", name="其他费"),
        "deposit_channel": "99",
        "centre_channel": "98",
        "absent_codes": (ABSENT,),
    }
    return FiscalInvoiceSettings(**(fields | changes))


class Rig:
    """Gateway, twin and clock."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        self.at = START
        self.clock = clock or (lambda: self.at)
        self.app = create_fiscal_twin(
            ":memory:",
            self.clock,
            [TwinInstitution(appid=APPID, key=KEY, place_codes=(PLACE,), name="第一医院")],
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=TWIN)
        self._noises = itertools.count()
        self.gateway = self.gateway_with()

    def noise(self) -> str:
        """Never the same."""
        return f"{next(self._noises):032x}"

    def gateway_with(self, **changes: Any) -> FiscalInvoiceGateway:
        return FiscalInvoiceGateway(settings(**changes), Transport(self.client, 5.0), self.noise)

    async def fault(self, fault: str, /, **where: Any) -> None:
        answer = await self.client.post("/sandbox/faults", json={"fault": fault, **where})
        assert answer.status_code == 200, answer.text

    async def bills(self) -> list[dict[str, Any]]:
        """The twin's book."""
        found: list[dict[str, Any]] = (await self.client.get("/sandbox/book")).json()["bills"]
        return found


def a_line(line_no: str = "1", **changes: Any) -> ChargeLine:
    line = ChargeLine(
        line_no=line_no,
        catalogue_code="XA01AB",
        local_code="D1",
        name="试验药片",
        quantity_e4=20_000,
        unit_price_e6=154_000_000,
        amount_fen=308_00,
        charged_at=START,
    )
    return msgspec.structs.replace(line, **changes)


def an_order(business_no: str = "INV20260105000001", **changes: Any) -> InvoiceOrder:
    order = InvoiceOrder(
        business_no=business_no,
        at=START,
        payer=InvoicePayer(
            name="测试甲",
            id_type="01",
            id_no="990001198001010019",
            sex="M",
            birth_date=date(1980, 1, 1),
            insurance_type="310",
            person_no="990000000000000000001001",
        ),
        visit=InvoiceVisit(
            visit_no="V1", began_at=START, department_no="A03", department_name="内科"
        ),
        amounts=InvoiceAmounts(
            total_fen=308_00,
            fund_fen=198_40,
            account_fen=30_00,
            cash_fen=79_60,
            hospital_fen=0,
            full_own_fen=35_00,
            first_pay_fen=12_00,
        ),
        tenders=[],
        insurance_ref="S1",
        lines=[a_line()],
    )
    order = msgspec.structs.replace(order, **changes)
    if "tenders" in changes or not order.amounts.cash_fen:
        return order
    return msgspec.structs.replace(order, tenders=[a_tender(order.amounts.cash_fen)])


def a_tender(amount_fen: int, provider: str = "wechatpay") -> InvoiceTender:
    return InvoiceTender(provider=provider, amount_fen=amount_fen)


def a_write_off(code: str, number: str, reason: str = "退费") -> WriteOffOrder:
    return WriteOffOrder(code=code, number=number, reason=reason, at=START)
