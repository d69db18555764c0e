"""What travels: hospitals' bills, and bills as residents and terminals see them."""

from datetime import datetime
from typing import Annotated

import msgspec

from integrations.ports.insurance import ChargeLine, Visit
from integrations.ports.money import FEN_MAX, FenField
from service.bill.model import AmendBill, Bill, BillContent, BillCover, PushBill, Relief, Stay
from service.bill.rules import LINES_MAX
from service.bill.states import BillKind
from service.kernel.context import Context
from service.kernel.principals import Application

DIAGNOSES_MAX = 20
RELIEFS_MAX = 5
QUANTITY_E4_MAX = 10**10
UNIT_PRICE_E6_MAX = 10**13

BillNo = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z._-]{1,40}$(?!\n)")]
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
"""No control characters: these texts go to the bureau, to screens and to paper."""
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=50, pattern=PRINTABLE)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=PRINTABLE)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class DiagnosisBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One diagnosis: ICD-10 code of the insurance edition; exactly one of a visit is ``main``. A
    registration and a deposit may have none yet."""

    code: Word
    name: Name
    main: bool


class VisitBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The visit a bill is for. ``visit_type`` 11 is an ordinary outpatient visit, 21
    an ordinary stay in hospital; a discharge names none that is without a stay."""

    visit_no: Word
    began_at: Instant
    visit_type: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,6}$(?!\n)")]
    department_no: Word
    department_name: Name
    speciality: Word
    doctor_no: Word
    doctor_name: Word
    diagnoses: Annotated[list[DiagnosisBody], msgspec.Meta(max_length=DIAGNOSES_MAX)]


class StayBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The stay in hospital that a deposit or a discharge is for."""

    stay_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z._-]{1,30}$(?!\n)")]
    """The hospital's admission number."""
    bed: Annotated[str, msgspec.Meta(max_length=30, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    """A discharge names it."""
    ended_at: Instant | None = None
    """When the stay ended, where the discharge is to be reported to the insurance before it is
    settled; left out, the hospital reports it itself."""
    discharge_way: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,3}$(?!\n)")] = "1"
    insurance_ref: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{1,30}$(?!\n)")] | None = None
    """The insurance's number of the stay, where the hospital reported the admission itself."""


class LineBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One charge. ``amount_fen`` is quantity times unit price, rounded half up to the fen."""

    line_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z-]{1,30}$(?!\n)")]
    catalogue_code: Word
    local_code: Word
    name: Name
    quantity_e4: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_E4_MAX)]
    """Quantity times 10^4."""
    unit_price_e6: Annotated[int, msgspec.Meta(ge=0, le=UNIT_PRICE_E6_MAX)]
    """Yuan for one unit, times 10^6."""
    amount_fen: FenField
    charged_at: Instant


class ReliefBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a programme or a waiver takes over of the patient's own part, at most. Used after the
    insurance and before anybody's money; what the own part does not need is not used."""

    programme: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z._-]{1,30}$(?!\n)")]
    """Your code, or the region's, by which it is accounted for."""
    name: Name
    amount_fen: Annotated[int, msgspec.Meta(ge=1, le=FEN_MAX)]


class CoverBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A commercial insurer that bears a part of what the basic insurance leaves, by the insured
    person's authorisation. Used where the bill is settled with the basic insurance."""

    insurer: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Z._-]{1,30}$(?!\n)")]
    """Its code in your contract."""
    authorisation: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z._-]{1,64}$(?!\n)")]
    """What the insured person gave you."""


class BillRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A bill. ``patient_id`` is what a scan told this institution.

    ``kind``: a visit's charges, the fee for a visit to come, a deposit for a stay (own money, held
    until the discharge), or all of a stay. ``stay`` goes with the last two, and only with them.
    """

    bill_no: BillNo
    patient_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
    visit: VisitBody
    lines: Annotated[list[LineBody], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    total_fen: FenField
    pay_until: Instant
    kind: BillKind = BillKind.OUTPATIENT
    stay: StayBody | None = None
    reliefs: Annotated[list[ReliefBody], msgspec.Meta(max_length=RELIEFS_MAX)] = []
    cover: CoverBody | None = None

    def to_push(self, application: Application) -> PushBill:
        """The command."""
        return PushBill(
            institution_id=application.institution_id,
            application_id=application.application_id,
            bill_no=self.bill_no,
            patient=self.patient_id,
            content=_content(self),
        )


class AmendRequest(BillRequest, forbid_unknown_fields=True, kw_only=True):
    """The whole bill anew; ``version`` is the one it replaces."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]

    def to_amend(self, application: Application) -> AmendBill:
        """The command."""
        return AmendBill(
            institution_id=application.institution_id,
            application_id=application.application_id,
            bill_no=self.bill_no,
            patient=self.patient_id,
            content=_content(self),
            replaces=self.version,
        )


def _content(request: BillRequest) -> BillContent:
    return BillContent(
        visit=msgspec.convert(request.visit, Visit, from_attributes=True),
        lines=[msgspec.convert(line, ChargeLine, from_attributes=True) for line in request.lines],
        total_fen=request.total_fen,
        pay_until=request.pay_until,
        kind=request.kind,
        stay=None
        if request.stay is None
        else msgspec.convert(request.stay, Stay, from_attributes=True),
        reliefs=[msgspec.convert(one, Relief, from_attributes=True) for one in request.reliefs],
        cover=None
        if request.cover is None
        else msgspec.convert(request.cover, BillCover, from_attributes=True),
    )


class BillAnswer(msgspec.Struct, kw_only=True):
    """How a bill stands after a hospital's call."""

    bill_id: str
    bill_no: str
    version: int
    state: str

    @classmethod
    def of(cls, ctx: Context, bill: Bill) -> "BillAnswer":
        """From the action's answer."""
        return cls(
            bill_id=ctx.public_ids.text(bill.record_id, bill.bill_id),
            bill_no=bill.bill_no,
            version=bill.version,
            state=bill.state.value,
        )


class WithdrawnAnswer(msgspec.Struct, kw_only=True):
    """The state after a withdrawal."""

    state: str


class InstitutionBillAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A bill as its hospital sees it; ``settlement_id`` while somebody pays it, or has."""

    bill_id: str
    bill_no: str
    version: int
    state: str
    total_fen: FenField
    pay_until: datetime
    kind: str = BillKind.OUTPATIENT.value
    """What it is for; left out: an outpatient visit."""
    stay_no: str | None = None
    settlement_id: str | None = None

    @classmethod
    def of(cls, ctx: Context, bill: Bill) -> "InstitutionBillAnswer":
        """From the action's answer."""
        return cls(
            bill_id=ctx.public_ids.text(bill.record_id, bill.bill_id),
            bill_no=bill.bill_no,
            version=bill.version,
            state=bill.state.value,
            total_fen=bill.total_fen,
            pay_until=bill.pay_until,
            kind=bill.kind.value,
            stay_no=None if bill.stay is None else bill.stay.stay_no,
            settlement_id=_holder(ctx, bill),
        )


class LineAnswer(msgspec.Struct, kw_only=True):
    """A line as the payer sees it."""

    line_no: str
    name: str
    quantity_e4: int
    unit_price_e6: int
    amount_fen: FenField


class PayableBill(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A bill as the payer sees it; ``settlement_id`` while somebody pays it, or has."""

    bill_id: str
    bill_no: str
    version: int
    institution_name: str
    department: str
    visit_no: str
    total_fen: FenField
    state: str
    charged_at: datetime
    pay_until: datetime
    kind: str = BillKind.OUTPATIENT.value
    """What it is for; left out: an outpatient visit."""
    stay_no: str | None = None
    settlement_id: str | None = None

    @classmethod
    def of(cls, ctx: Context, bill: Bill, institution_name: str) -> "PayableBill":
        """From the action's answer."""
        return cls(
            bill_id=ctx.public_ids.text(bill.record_id, bill.bill_id),
            bill_no=bill.bill_no,
            version=bill.version,
            institution_name=institution_name,
            department=bill.visit.department_name,
            visit_no=bill.visit.visit_no,
            total_fen=bill.total_fen,
            state=bill.state.value,
            charged_at=bill.charged_at,
            pay_until=bill.pay_until,
            kind=bill.kind.value,
            stay_no=None if bill.stay is None else bill.stay.stay_no,
            settlement_id=_holder(ctx, bill),
        )


class BillDetail(PayableBill, kw_only=True, omit_defaults=True):
    """A bill with its lines."""

    lines: list[LineAnswer] = []

    @classmethod
    def of(cls, ctx: Context, bill: Bill, institution_name: str) -> "BillDetail":
        """From the action's answer."""
        plain = PayableBill.of(ctx, bill, institution_name)
        lines = [msgspec.convert(line, LineAnswer, from_attributes=True) for line in bill.lines]
        return cls(**msgspec.structs.asdict(plain), lines=lines)


class BillsAnswer(msgspec.Struct, kw_only=True):
    """Bills to pay, newest first, at most 100."""

    bills: list[PayableBill]


class BillDetailsAnswer(msgspec.Struct, kw_only=True):
    """Bills to pay with their lines, newest first, at most 100."""

    bills: list[BillDetail]


def _holder(ctx: Context, bill: Bill) -> str | None:
    return None if bill.holder_id is None else ctx.public_ids.text(bill.record_id, bill.holder_id)
