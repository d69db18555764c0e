"""The mobile payment centre's gateway in front of its twin, beside one institution's bureau."""

from typing import Any

from crypto.sm2 import PrivateKey
from integrations.insurance_nhsa.messenger import Line
from integrations.insurance_nhsa.mobile_gateway import NhsaMobile
from integrations.insurance_nhsa.settings import MobileSettings
from integrations.ports.insurance import Insured
from integrations.ports.insurance_inpatient import Scope
from integrations.ports.insurance_mobile import (
    MobileFees,
    MobileOrder,
    MobileReturn,
    MobileStatus,
    PayerProof,
    ReturnKind,
)
from integrations.ports.outcomes import Outcome
from integrations.sandbox.insurance.mobile_centre import MOBILE_PREFIX
from integrations.sandbox.insurance.mobile_seal import MobileApp, MobileKeys
from tests.contract.insurance_rig import COMMUNITY, EMPLOYEE, LINES, Rig, a_visit, insured, value_of

OURS, CENTRES = PrivateKey.generate(), PrivateKey.generate()
APP_ID = "1TESTAPPLICATION0000000000000001"
APP_SECRET = "S3CRET00000000000000000000000001"
PARTS = Scope(full_own_fen=3_500, over_limit_fen=1_300, first_pay_fen=1_200, in_scope_fen=24_800)
"""What the catalogue makes of the published sample's bill of 308.00."""
OWN_FEN = 7_960


def keys_of(institution: str) -> MobileKeys:
    """What the centre's twin knows of one institution's application."""
    app = MobileApp(
        app_id=APP_ID,
        app_secret=APP_SECRET,
        public_key_hex=OURS.public.to_bytes().hex(),
        institution=institution,
    )
    return MobileKeys(private_key_hex=CENTRES.to_bytes().hex(), apps=(app,))


def gateway_of(line: Line, **changes: Any) -> NhsaMobile:
    """An institution's gateway over a line to the twin."""
    fields: dict[str, Any] = {
        "code": "mobile-test",
        "institution_code": COMMUNITY,
        "address": f"http://twin{MOBILE_PREFIX}",
        "app_id": APP_ID,
        "app_secret": APP_SECRET,
        "private_key_hex": OURS.to_bytes().hex(),
        "centre_public_key": CENTRES.public.to_bytes().hex(),
    }
    return NhsaMobile(MobileSettings(**(fields | changes)), line)


class MobileRig(Rig):
    """A rig whose bureau has a mobile payment centre."""

    def __init__(self) -> None:
        super().__init__(mobile=keys_of(COMMUNITY))
        self.mobile = self.new_mobile()

    def new_mobile(self, **changes: Any) -> NhsaMobile:
        return gateway_of(self.line, **changes)

    async def proof(self, person_no: str = EMPLOYEE) -> PayerProof:
        said = await self.control("mobile/authorisations", {"psn_no": person_no})
        return PayerProof(authorisation=said["pay_auth_no"])

    async def own_part(self) -> None:
        """From now on the sample's bill leaves 79.60 to be paid by himself."""
        moves = {"op.dedc": 50_000, "balance": -97_000}
        await self.control("counters", {"psn_no": EMPLOYEE, "moves": moves})

    async def fees(self, order_no: str = "MO1", **changes: Any) -> MobileFees:
        who: Insured = changes.pop("insured", insured())
        fields: dict[str, Any] = {
            "order_no": order_no,
            "insured": who,
            "name": "测试甲",
            "visit": a_visit(),
            "visit_ref": None,
            "batch_no": f"B-{order_no}",
            "lines": LINES,
            "total_fen": 30_800,
            "scope": PARTS,
            "use_account": True,
        }
        if "proof" not in changes:
            fields["proof"] = await self.proof(who.person_no)
        return MobileFees(**(fields | changes))

    async def uploaded(self, order_no: str = "MO1") -> tuple[MobileOrder, PayerProof]:
        fees = await self.fees(order_no)
        return value_of(await self.mobile.upload_fees(fees, self.at)), fees.proof

    async def pay(self, order: MobileOrder, proof: PayerProof) -> Outcome[MobileStatus]:
        return await self.mobile.pay(order, proof, use_account=True, at=self.at)

    async def query(self, order: MobileOrder) -> MobileStatus:
        return value_of(await self.mobile.query(order, self.at))

    async def settled(self, order_no: str = "MO1") -> tuple[MobileOrder, PayerProof, MobileStatus]:
        """Uploaded, divided, own money paid, settled."""
        order, proof = await self.uploaded(order_no)
        value_of(await self.pay(order, proof))
        await self.control(f"mobile/orders/{order.order_ref}/own-money", {})
        return order, proof, await self.query(order)

    def a_return(
        self, status: MobileStatus, proof: PayerProof, kind: ReturnKind, **changes: Any
    ) -> MobileReturn:
        assert status.amounts is not None
        fields: dict[str, Any] = {
            "refund_no": "R1",
            "asked_at": self.at,
            "kind": kind,
            "own_fen": 0,
            "paid": status.amounts,
            "proof": proof,
        }
        return MobileReturn(**(fields | changes))

    async def states(self) -> list[str]:
        """States of the settlements in the bureau's book."""
        return [row["state"] for row in await self.control("book")]
