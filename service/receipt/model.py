"""Receipts and their fiscal e-invoices. Amounts are integer fen."""

from datetime import datetime

import msgspec

from integrations.ports.insurance import ChargeLine
from integrations.ports.invoices import Invoice, InvoiceOrder
from service.bill.states import BillKind
from service.receipt.states import InvoiceState


class PostedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Body of the topic ``settlement.posted`` (subject: the settlement). No personal data.

    ``bill_id`` is public text. Write it with ``msgspec.to_builtins(PostedFacts(…))``.
    ``paid_by`` is the provider, or None where nothing was left to pay. ``full_own_fen`` and
    ``first_pay_fen`` are what insurance left out: all of it, or the person's first share.
    """

    bill_id: str
    institution_id: int
    total_fen: int
    fund_fen: int
    account_fen: int
    cash_fen: int
    hospital_fen: int
    paid_by: str | None
    provider_ref: str | None
    insurance_ref: str | None
    full_own_fen: int = 0
    first_pay_fen: int = 0
    bill_version: int = 0
    """Which version of the bill was settled; 0 in old events: the one that stands."""
    round_no: int = 0
    """0 at first; higher after corrections. Each round has its own receipt and invoice."""
    tenders: str = ""
    """``provider:fen`` in the order of paying, with ``+`` between; they add up to ``cash_fen``.
    Empty in old events, where one provider took all of it."""
    kind: BillKind = BillKind.OUTPATIENT
    stay_no: str | None = None
    cover_fen: int = 0
    """What a commercial insurer bears, beside the four parts."""


class ReceiptContent(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed: everything the receipt says."""

    institution_name: str
    bill_no: str
    lines: list[ChargeLine]
    facts: PostedFacts


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt as stored."""

    record_id: int
    receipt_id: int
    settlement_id: int
    institution_id: int
    receipt_no: str
    sealed: bytes
    issued_at: datetime
    row_mac: bytes
    round_no: int = 0

    def mac_parts(self) -> list[int | str | bytes | datetime]:
        """The columns that the row's MAC covers; first receipts are as they always were."""
        parts: list[int | str | bytes | datetime] = [
            self.record_id,
            self.receipt_id,
            self.settlement_id,
            self.institution_id,
            self.receipt_no,
            self.sealed,
            self.issued_at,
        ]
        return [*parts, self.round_no] if self.round_no else parts


class InvoiceKey(msgspec.Struct, frozen=True):
    """Which invoice."""

    record_id: int
    invoice_id: int


class InvoiceContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sealed: the order as it is sent, each time alike, and what came of it.

    ``order`` is None where a refund came before the invoice was asked for.
    """

    order: InvoiceOrder | None
    issued: Invoice | None = None
    red: Invoice | None = None


class InvoiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A fiscal e-invoice as stored. ``code`` and ``number`` name it, the red ones what undid it.

    ``reason`` is why it is written off, ``sent_at`` when it may last have been sent for issuing.
    """

    record_id: int
    invoice_id: int
    settlement_id: int
    institution_id: int
    business_no: str
    state: InvoiceState
    code: str | None
    number: str | None
    red_code: str | None
    red_number: str | None
    reason: str | None
    sealed: bytes
    sent_at: datetime | None
    due_at: datetime | None
    tries: int
    created_at: datetime
    version: int
    row_mac: bytes
    round_no: int = 0

    def mac_parts(self) -> list[int | str | bytes | datetime | None]:
        """The columns that the row's MAC covers; first invoices are as they always were."""
        parts: list[int | str | bytes | datetime | None] = [
            self.record_id,
            self.invoice_id,
            self.settlement_id,
            self.institution_id,
            self.business_no,
            self.state.value,
            self.code,
            self.number,
            self.red_code,
            self.red_number,
            self.reason,
            self.sealed,
            self.sent_at,
            self.due_at,
            self.tries,
            self.created_at,
            self.version,
        ]
        return [*parts, self.round_no] if self.round_no else parts

    @property
    def key(self) -> InvoiceKey:
        """Which invoice it is."""
        return InvoiceKey(self.record_id, self.invoice_id)


class FiscalInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """A fiscal e-invoice, opened. ``issued`` and ``red`` are None until they exist."""

    invoice_id: int
    state: InvoiceState
    issued: Invoice | None
    red: Invoice | None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt, opened. ``invoice`` is None where the institution has no line for invoices."""

    record_id: int
    receipt_id: int
    settlement_id: int
    institution_id: int
    receipt_no: str
    issued_at: datetime
    institution_name: str
    bill_no: str
    lines: list[ChargeLine]
    total_fen: int
    fund_fen: int
    account_fen: int
    cash_fen: int
    hospital_fen: int
    paid_by: str | None
    provider_ref: str | None
    insurance_ref: str | None
    round_no: int
    cover_fen: int = 0
    invoice: FiscalInvoice | None = None
