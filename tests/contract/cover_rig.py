"""A commercial insurer's twin and the gateway that talks to it, in one process, on one clock."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from integrations.cover_generic.gateway import CoverSettings, GenericCover
from integrations.kit.transport import Transport
from integrations.ports.cover import CoverClaim
from integrations.ports.insurance import ChargeLine, Diagnosis, Split, Visit
from integrations.sandbox.cover.app import CoverTwin, create_cover_twin
from integrations.sandbox.cover.faults import Fault
from integrations.sandbox.cover.wording import TwinContract
from integrations.sandbox.fault_plan import ScriptedFault

START = datetime(2026, 1, 5, 1, 37, tzinfo=UTC)
INSURER, CLIENT, SECRET, INSTITUTION = "TESTLIFE", "yimatong", "shared-secret", "H99000100001"
ID_NO = "990001198001010019"
AUTHORISED = "CV90-0001"


class CoverDesk:
    """Both sides."""

    def __init__(self, clock: Callable[[], datetime] = lambda: START) -> None:
        contract = TwinContract(client=CLIENT, secret=SECRET, institution_code=INSTITUTION)
        self.app = create_cover_twin(":memory:", clock, [contract])
        self.twin: CoverTwin = self.app.state.twin
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=True),
            base_url="http://cover.test",
        )
        self.clock = clock
        self._numbers = itertools.count()

    def gateway(self, secret: str = SECRET, client: str = CLIENT) -> GenericCover:
        """The adapter."""
        return GenericCover(
            CoverSettings(
                insurer=INSURER,
                institution_code=INSTITUTION,
                client=client,
                secret=secret,
                base_url="http://cover.test",
            ),
            Transport(self.client, 5.0),
            self.clock,
            lambda: f"nonce{next(self._numbers)}",
        )

    def script(self, fault: Fault, method: str | None = None, **more: Any) -> None:
        """One fault to come."""
        self.twin.faults.add(ScriptedFault(fault=fault, method=method, **more))

    @property
    def owed_fen(self) -> int:
        """What stands in the twin's book as owed."""
        return sum(one.cover for one in self.twin.book.claims() if one.state == "CONFIRMED")


def split(own_fen: int = 40_00, fund_fen: int = 60_00) -> Split:
    """A division of fund and own part."""
    total_fen = own_fen + fund_fen
    return Split(
        total_fen=total_fen,
        fund_fen=fund_fen,
        account_fen=0,
        cash_fen=own_fen,
        hospital_fen=0,
        mutual_aid_fen=0,
        full_own_fen=0,
        over_limit_fen=0,
        first_pay_fen=0,
        in_scope_fen=total_fen,
        funds={"310100": fund_fen},
        balance_after_fen=0,
    )


def claim(claim_no: str = "C1", **changes: Any) -> CoverClaim:
    """A claim on a bill of a hundred yuan."""
    fields: dict[str, Any] = {
        "claim_no": claim_no,
        "authorisation": AUTHORISED,
        "id_no": ID_NO,
        "visit": Visit(
            visit_no="V1",
            began_at=START,
            doctor_no="D1",
            doctor_name="测试医生",
            department_no="01",
            department_name="内科",
            speciality="A03",
            visit_type="11",
            diagnoses=[Diagnosis(code="J00", name="感冒", main=True)],
        ),
        "lines": [
            ChargeLine(
                line_no="1",
                catalogue_code="X01",
                local_code="L01",
                name="检查费",
                quantity_e4=10_000,
                unit_price_e6=100_000_000,
                amount_fen=100_00,
                charged_at=START,
            )
        ],
        "split": split(),
    }
    return CoverClaim(**{**fields, **changes})
