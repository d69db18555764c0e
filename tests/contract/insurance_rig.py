"""The gateway in front of the twin: one institution, one clock, persons of the starting book."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx

from integrations.insurance_nhsa.gateway import NhsaGateway
from integrations.insurance_nhsa.inpatient import NhsaInpatient
from integrations.insurance_nhsa.messenger import Sources
from integrations.insurance_nhsa.numbers import SEQUENCE_MAX, format_message_no
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.insurance_nhsa.signin import SignDesk
from integrations.insurance_nhsa.signing import TifSigner
from integrations.kit import transport
from integrations.ports.insurance import (
    CallId,
    ChargeLine,
    Diagnosis,
    Insured,
    Settled,
    SettleRequest,
    Split,
    SplitRequest,
    Visit,
)
from integrations.ports.outcomes import Accepted, Outcome
from integrations.sandbox.insurance.app import CREDENTIAL_PATH, PREFIX, create_insurance_twin
from integrations.sandbox.insurance.mobile_seal import MobileKeys

T = TypeVar("T")
EMPLOYEE = "990000000000000000001001"
RETIREE = "990000000000000000001002"
AWAY = "990000000000000000001003"
CHILD = "990000000000000000001004"
ID_NUMBERS = {
    EMPLOYEE: "990001198001010019",
    RETIREE: "990001195502020027",
    AWAY: "990001199203030039",
    CHILD: "990001201504040046",
}
COMMUNITY = "H99000100003"
"""Level one."""
START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
PARTY = "sandbox_hosp"
SECRET = "sandboxtoken0000000000000000001"


class Recorder:
    """A line that remembers what it sent, and can hand an answer made up by a test."""

    def __init__(self, inner: transport.Transport) -> None:
        self.inner = inner
        self.sent: list[tuple[str, bytes]] = []
        self.next_answer: transport.Answer | transport.ProviderFault | None = None

    async def send(
        self, *, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> transport.Answer:
        self.sent.append((url.rsplit("/", 1)[-1], content))
        made_up, self.next_answer = self.next_answer, None
        if isinstance(made_up, transport.ProviderFault):
            raise made_up
        if made_up is not None:
            return made_up
        return await self.inner.send(method=method, url=url, headers=headers, content=content)


class Rig:
    """One institution at one twin."""

    def __init__(
        self,
        book: str | Path = ":memory:",
        institution: str = COMMUNITY,
        lookup: str = "by-visit",
        at: datetime = START,
        mobile: MobileKeys | None = None,
    ) -> None:
        self.at = at
        self.app = create_insurance_twin(book, lambda: self.at, mobile=mobile)
        self.twin = self.app.state.twin
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://twin"
        )
        self.institution = institution
        self.line = Recorder(transport.Transport(self.client, 5))
        self._sequence = SEQUENCE_MAX + 1
        self._nonce = 0
        self.gateway = self.new_gateway(lookup=lookup)
        self.stays = NhsaInpatient(self.gateway._settings, self.gateway._messenger)

    def new_gateway(self, secret: str = SECRET, lookup: str = "by-visit") -> NhsaGateway:
        settings = NhsaSettings(
            code="nhsa-test",
            address=f"http://twin{PREFIX}",
            credential_url=f"http://twin{CREDENTIAL_PATH}",
            institution_code=self.institution,
            institution_name="测试机构",
            area="990001",
            operator_no="0001",
            operator_name="测试收费员",
            operator_mac="00-00-5E-00-53-01",
            operator_ip="192.0.2.10",
            lookup=lookup,
        )
        sources = Sources(clock=lambda: self.at, nonce=self.next_nonce, message_no=self.next_number)
        signer = TifSigner(party=PARTY, secret=secret, service=None)
        return NhsaGateway(settings, self.line, signer, sources, SignDesk())

    def next_nonce(self) -> str:
        self._nonce += 1
        return f"{int(self.at.timestamp())}-{self._nonce:08d}"

    def next_number(self) -> str:
        self._sequence -= 1
        return format_message_no(self.institution, self.at, self._sequence)

    def call(self) -> CallId:
        return CallId(message_no=self.next_number(), at=self.at)

    def advance(self, **by: int) -> None:
        self.at += timedelta(**by)

    async def control(self, path: str, body: Any = None, **query: Any) -> Any:
        """A control call: POST with a body, GET without."""
        if body is None:
            answer = await self.client.get(f"/sandbox/{path}", params=query)
        else:
            answer = await self.client.post(f"/sandbox/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def plan(self, fault: str, **fields: Any) -> None:
        await self.control("faults", [{"fault": fault, **fields}])

    def sent(self, infno: str) -> list[bytes]:
        return [content for name, content in self.line.sent if name == infno]


def insured(person_no: str = EMPLOYEE, **changes: Any) -> Insured:
    fields = {
        "person_no": person_no,
        "insurance_type": "310",
        "region": "990001",
        "token": None,
        "id_no": ID_NUMBERS[person_no],
    }
    return Insured(**(fields | changes))


def a_visit(visit_no: str = "OP1") -> Visit:
    return Visit(
        visit_no=visit_no,
        began_at=START,
        doctor_no="D990001000001",
        doctor_name="测试医师",
        department_no="A03",
        department_name="内科",
        speciality="A03",
        visit_type="11",
        diagnoses=[Diagnosis(code="J06.900", name="急性上呼吸道感染", main=True)],
    )


def line(no: int, amount_fen: int, quantity: int = 1) -> ChargeLine:
    """Catalogue item ``no`` of the starting book."""
    return ChargeLine(
        line_no=f"L{no}",
        catalogue_code=f"TESTMED{no:06d}",
        local_code=f"HIS{no:06d}",
        name="测试项目",
        quantity_e4=quantity * 10_000,
        unit_price_e6=amount_fen * 10_000 // quantity,
        amount_fen=amount_fen,
        charged_at=START,
    )


LINES = [line(1, 10_000), line(2, 12_000, 3), line(3, 3_500), line(4, 5_300, 2)]
"""The bill of the published samples: 308.00."""


def value_of(outcome: Outcome[T]) -> T:
    assert isinstance(outcome, Accepted), outcome
    return outcome.value


class Case:
    """A visit with charges uploaded, ready to be divided."""

    def __init__(self, rig: Rig, who: Insured, visit_ref: str, visit: Visit) -> None:
        self.rig, self.who, self.visit_ref, self.visit = rig, who, visit_ref, visit
        self.request = SplitRequest(
            insured=who,
            visit_ref=visit_ref,
            batch_no="B1",
            visit_type="11",
            total_fen=sum(one.amount_fen for one in LINES),
            use_account=True,
        )

    async def presettled(self) -> Split:
        return value_of(await self.rig.gateway.presettle(self.request, self.rig.call()))

    def settle_request(self, promised: Split) -> SettleRequest:
        return SettleRequest(split=self.request, promised=promised, invoice_no="")

    async def settled(self) -> Settled:
        request = self.settle_request(await self.presettled())
        return value_of(await self.rig.gateway.settle(request, self.rig.call()))


async def ready(rig: Rig, who: Insured | None = None, visit_no: str = "OP1") -> Case:
    """Registered, told and charged."""
    who, visit = who or insured(), a_visit(visit_no)
    gateway = rig.gateway
    ref = value_of(await gateway.register_visit(who, visit, rig.call()))
    value_of(await gateway.upload_diagnoses(who, ref, visit, rig.call()))
    value_of(await gateway.upload_charges(who, ref, "B1", visit, LINES, rig.call()))
    return Case(rig, who, ref, visit)
