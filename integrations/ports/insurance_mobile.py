"""Paying insurance by phone, at the region's mobile payment centre, for one institution.

    upload_fees -> pay -> (the payer pays his own part at the centre) -> query
    revoke while nothing is settled; refund afterwards

An order that looks paid is a ``CANDIDATE`` only: it counts once its amounts add up, a query says
so and the hospital posted it. A notice is a hint to query, never a fact. ``upload_fees`` may be
repeated under the same ``order_no``; an unknown ``pay`` is resolved by ``query`` and, at the
deadline, by ``revoke``, and nothing is uploaded again for the batch before that succeeded.
Amounts are integer fen, times aware UTC.
"""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from integrations.ports.insurance import ChargeLine, Insured, Visit
from integrations.ports.insurance_inpatient import Scope
from integrations.ports.outcomes import Outcome


class PayerProof(msgspec.Struct, frozen=True, kw_only=True):
    """What the payer allowed: exactly one of the two. Short-lived, never kept in the long term."""

    token: str | None = None
    authorisation: str | None = None

    def __repr__(self) -> str:
        return "PayerProof()"


class MobileFees(msgspec.Struct, frozen=True, kw_only=True):
    """A bill to be paid by phone."""

    order_no: str
    """Ours, and the key under which repeating is safe."""
    insured: Insured
    name: str
    visit: Visit
    visit_ref: str | None
    """The bureau's number, where the visit was registered there before."""
    batch_no: str
    lines: list[ChargeLine]
    total_fen: int
    scope: Scope
    use_account: bool
    proof: PayerProof
    place: str = "0,0"
    """Longitude and latitude of the payer."""


class MobileOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order at the centre: what every later question must name."""

    order_ref: str
    order_token: str
    order_no: str
    visit_ref: str | None
    batch_no: str
    total_fen: int
    name: str
    id_no: str

    def __repr__(self) -> str:
        return f"MobileOrder(order_ref={self.order_ref!r})"


class MobileStage(StrEnum):
    """Where an order stands, as far as one answer tells."""

    OPEN = "OPEN"
    CANDIDATE = "CANDIDATE"
    """One side or both say settled; ``whole`` tells whether both do."""
    RETURNED = "RETURNED"
    """Revoked, or given back wholly or partly: ``code`` tells which."""
    FAILED = "FAILED"


class MobileAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """``total = fund + account + own + hospital + other``."""

    total_fen: int
    fund_fen: int
    account_fen: int
    own_fen: int
    hospital_fen: int
    other_fen: int


class MobileStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the centre says of an order."""

    order_ref: str
    stage: MobileStage
    code: str
    """The centre's ``ordStas``."""
    whole: bool
    """The centre itself calls it complete."""
    needs_person: bool
    """Money may have moved on one side."""
    amounts: MobileAmounts | None
    """None while the centre does not tell them yet."""
    revoked: bool = False
    """Of ``RETURNED``: given up before anything was settled."""
    own_returned: bool = False
    """Of ``RETURNED``: all of the own money went back."""
    insurance_returned: bool = False
    """Of ``RETURNED``: the insurance took its part back."""


class MobileNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A hint that an order moved. The caller compares, then queries."""

    order_ref: str
    order_no: str
    code: str


class ReturnKind(StrEnum):
    """What is given back: all of it, own money (part or all), or the whole insurance side."""

    ALL = "ALL"
    OWN = "OWN"
    INSURANCE = "INSURANCE"


class MobileReturn(msgspec.Struct, frozen=True, kw_only=True):
    """A refund. ``paid`` is what was paid; repeating under the same ``refund_no`` is safe."""

    refund_no: str
    asked_at: datetime
    kind: ReturnKind
    own_fen: int
    """For ``OWN``: how much; otherwise it is not looked at."""
    paid: MobileAmounts
    proof: PayerProof


class MobileReturned(msgspec.Struct, frozen=True, kw_only=True):
    """The centre's numbers of a refund."""

    refund_ref: str
    insurance_ref: str


class MobileInsurance(Protocol):
    """One institution's line to the mobile payment centre."""

    code: str

    async def upload_fees(self, fees: MobileFees, at: datetime) -> Outcome[MobileOrder]:
        """Tell a bill; the same ``order_no`` with the same bill gives the same order."""

    async def pay(
        self, order: MobileOrder, proof: PayerProof, *, use_account: bool, at: datetime
    ) -> Outcome[MobileStatus]:
        """Divide and begin to settle. Unknown: ``query``; never ``upload_fees`` anew."""

    async def query(self, order: MobileOrder, at: datetime) -> Outcome[MobileStatus]:
        """Where the order stands. Reads only."""

    async def revoke(self, order: MobileOrder, at: datetime) -> Outcome[None]:
        """Give up an order that is not settled. A settled one is Rejected: use ``refund``."""

    async def refund(
        self, order: MobileOrder, asked: MobileReturn, at: datetime
    ) -> Outcome[MobileReturned]:
        """Give back; ``at`` is the time of this message, whenever it was first asked for. Unknown
        with ``answer-contradicts``: one side gave back and the other not."""

    def read_notice(self, body: bytes) -> MobileNotice:
        """Verify and open a notice over the raw bytes. Raises ``payments.NoticeRefused``."""
