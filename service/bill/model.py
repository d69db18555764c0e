"""Bills. Amounts are integer fen; what was charged is sealed under the record's key."""

from datetime import datetime

import msgspec

from integrations.ports.insurance import ChargeLine, Visit
from service.bill.states import BillKind, BillState


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """A stay in hospital, by the institution's admission number. The rest a discharge names."""

    stay_no: str
    bed: str = ""
    ended_at: datetime | None = None
    """The discharge, where we report it to the bureau before settling; None: the hospital does."""
    discharge_way: str = "1"
    """CV dictionary ``dscg_way``: 1 by doctor's order."""
    insurance_ref: str | None = None
    """The bureau's number, where the hospital reported the admission itself."""


class Relief(msgspec.Struct, frozen=True, kw_only=True):
    """What a programme or a waiver takes over of what the payer would pay, at most."""

    programme: str
    """The hospital's or the region's code of it."""
    name: str
    amount_fen: int


class BillCover(msgspec.Struct, frozen=True, kw_only=True):
    """A commercial insurer that bears a part of what the basic insurance leaves."""

    insurer: str
    """Its code in the contract of the institution."""
    authorisation: str
    """What the insured person gave the hospital: that it may claim for him."""

    def __repr__(self) -> str:
        return f"BillCover({self.insurer!r})"


class BillContent(msgspec.Struct, frozen=True, kw_only=True):
    """What one version charges: sealed as a whole, compared as a whole."""

    visit: Visit
    lines: list[ChargeLine]
    total_fen: int
    pay_until: datetime
    kind: BillKind = BillKind.OUTPATIENT
    stay: Stay | None = None
    """Named by the kinds of ``OF_STAY``, by no other."""
    reliefs: list[Relief] = []
    """In the order of their use."""
    cover: BillCover | None = None

    @property
    def stay_no(self) -> str | None:
        """The admission number, where the bill is of a stay."""
        return None if self.stay is None else self.stay.stay_no


class BillRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bill without its content."""

    record_id: int
    bill_id: int
    institution_id: int
    bill_no: str
    version: int
    total_fen: int
    state: BillState
    holder_id: int | None
    pay_until: datetime
    created_at: datetime
    updated_at: datetime
    row_mac: bytes
    kind: BillKind = BillKind.OUTPATIENT
    stay_no: str | None = None

    def mac_parts(self) -> list[int | str | datetime | None]:
        """The columns that the row's MAC covers; outpatient rows are as they always were."""
        parts: list[int | str | datetime | None] = [
            self.record_id,
            self.bill_id,
            self.institution_id,
            self.bill_no,
            self.version,
            self.total_fen,
            self.state.value,
            self.holder_id,
            self.pay_until,
            self.created_at,
            self.updated_at,
        ]
        outpatient = self.kind is BillKind.OUTPATIENT
        return parts if outpatient else [*parts, self.kind.value, self.stay_no]


class SealedBill(BillRow, frozen=True, kw_only=True):
    """A bill with the sealed content of its present version."""

    sealed: bytes


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A bill, opened. ``version`` counts the hospital's amendments from 1.

    ``holder_id`` is the settlement that locked or paid it, else None.
    """

    record_id: int
    bill_id: int
    institution_id: int
    bill_no: str
    version: int
    total_fen: int
    state: BillState
    holder_id: int | None
    pay_until: datetime
    created_at: datetime
    updated_at: datetime
    visit: Visit
    lines: list[ChargeLine]
    kind: BillKind = BillKind.OUTPATIENT
    stay: Stay | None = None
    reliefs: list[Relief] = []
    cover: BillCover | None = None

    @property
    def content(self) -> BillContent:
        """What its present version charges."""
        return BillContent(
            visit=self.visit,
            lines=self.lines,
            total_fen=self.total_fen,
            pay_until=self.pay_until,
            kind=self.kind,
            stay=self.stay,
            reliefs=self.reliefs,
            cover=self.cover,
        )

    @property
    def charged_at(self) -> datetime:
        """When the last line was charged."""
        return max(line.charged_at for line in self.lines)


class PushBill(msgspec.Struct, frozen=True, kw_only=True):
    """A hospital's bill. ``patient`` is the institution's own pseudonym of the record."""

    institution_id: int
    application_id: int
    bill_no: str
    patient: str
    content: BillContent


class AmendBill(PushBill, frozen=True, kw_only=True):
    """The whole bill anew. ``replaces`` is the version it takes the place of."""

    replaces: int


class CorrectBill(msgspec.Struct, frozen=True, kw_only=True):
    """What remains of a paid bill. ``replaces`` is the version it takes the place of."""

    record_id: int
    bill_id: int
    holder_id: int
    replaces: int
    lines: list[ChargeLine]
