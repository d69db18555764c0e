"""What travels: settlements, their payment, and a hospital's acknowledgement."""

from datetime import datetime
from typing import Annotated

import msgspec

from integrations.ports.money import FenField

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class StartRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the payer wants the bill settled."""

    use_account: bool
    """Whether the personal insurance account pays its part."""
    insured: bool
    """False: everything out of the payer's own pocket."""


class TerminalStartRequest(StartRequest, forbid_unknown_fields=True, kw_only=True):
    """The same at a terminal, for one of the bills that the scan shows."""

    bill_id: Text


class PaymentRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """By which provider and way: ``jsapi`` inside the mini-program, ``native`` by a shown QR."""

    provider: Text
    way: Text


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """An empty object."""


class PostingRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The hospital's own number of the entry."""

    hospital_ref: Text


class PaymentAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The newest order for this settlement and what the payer's device needs for it."""

    state: str
    way: str
    amount_fen: FenField
    expires_at: datetime
    qr_text: str | None = None
    qr_svg: str | None = None
    client_parameters: dict[str, str] | None = None
    cashier_url: str | None = None
    """The sandbox's cashier page."""


class SettlementAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a settlement stands. Amounts are integer fen; the parts add up to the total."""

    settlement_id: str
    bill_id: str
    state: str
    total_fen: FenField
    paid_fen: FenField
    refunded_fen: FenField
    receipt: bool
    updated_at: datetime
    reason: str | None = None
    """A fixed word: why it is undone, or what is being looked at."""
    reason_text: str | None = None
    """The insurance bureau's own words for a refusal."""
    fund_fen: FenField | None = None
    account_fen: FenField | None = None
    cash_fen: FenField | None = None
    hospital_fen: FenField | None = None
    deadline_at: datetime | None = None
    payment: PaymentAnswer | None = None


class PostableAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A settlement as its hospital posts it."""

    settlement_id: str
    bill_no: str
    state: str
    total_fen: FenField
    fund_fen: FenField
    account_fen: FenField
    cash_fen: FenField
    hospital_fen: FenField
    settled_at: datetime
    insurance_ref: str | None = None
    provider_ref: str | None = None
    hospital_ref: str | None = None


class PostableList(msgspec.Struct, kw_only=True):
    """Settlements of the institution."""

    settlements: list[PostableAnswer]


class ReceiptLine(msgspec.Struct, kw_only=True):
    """One charge."""

    line_no: str
    name: str
    quantity_e4: int
    unit_price_e6: int
    amount_fen: FenField


class ReceiptAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The receipt of a posted settlement."""

    receipt_no: str
    issued_at: datetime
    institution_name: str
    bill_no: str
    lines: list[ReceiptLine]
    total_fen: FenField
    fund_fen: FenField
    account_fen: FenField
    cash_fen: FenField
    hospital_fen: FenField
    paid_by: str | None
    provider_ref: str | None = None
    insurance_ref: str | None = None
