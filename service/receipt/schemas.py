"""Receipts and e-invoices as callers get them. Amounts are integer fen."""

from datetime import datetime

import msgspec

from integrations.ports.invoices import Invoice
from integrations.ports.money import FenField
from service.receipt.model import FiscalInvoice, Receipt


class ReceiptLine(msgspec.Struct, kw_only=True):
    """One charge."""

    line_no: str
    name: str
    quantity_e4: int
    unit_price_e6: int
    amount_fen: FenField


class InvoiceNumbers(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What names an e-invoice and lets anybody check it."""

    code: str
    number: str
    check_code: str
    issued_at: datetime | None = None
    download_url: str | None = None

    @classmethod
    def of(cls, issued: Invoice) -> "InvoiceNumbers":
        """From the owner's answer."""
        return cls(
            code=issued.code,
            number=issued.number,
            check_code=issued.check_code,
            issued_at=issued.issued_at,
            download_url=issued.download_url,
        )


class InvoiceAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The fiscal e-invoice. ``state`` is ISSUED when the payer may use it; ``red`` undid it."""

    state: str
    issued: InvoiceNumbers | None = None
    red: InvoiceNumbers | None = None

    @classmethod
    def of(cls, invoice: FiscalInvoice) -> "InvoiceAnswer":
        """From the invoice as it stands."""
        return cls(
            state=invoice.state.value,
            issued=InvoiceNumbers.of(invoice.issued) if invoice.issued is not None else None,
            red=InvoiceNumbers.of(invoice.red) if invoice.red is not None else None,
        )


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
    cover_fen: FenField = 0
    """What a commercial insurer bears, beside the four parts."""
    invoice: InvoiceAnswer | None = None

    @classmethod
    def of(cls, issued: Receipt) -> "ReceiptAnswer":
        """From the receipt as issued."""
        return cls(
            receipt_no=issued.receipt_no,
            issued_at=issued.issued_at,
            institution_name=issued.institution_name,
            bill_no=issued.bill_no,
            lines=[
                ReceiptLine(
                    line_no=line.line_no,
                    name=line.name,
                    quantity_e4=line.quantity_e4,
                    unit_price_e6=line.unit_price_e6,
                    amount_fen=line.amount_fen,
                )
                for line in issued.lines
            ],
            total_fen=issued.total_fen,
            fund_fen=issued.fund_fen,
            account_fen=issued.account_fen,
            cash_fen=issued.cash_fen,
            hospital_fen=issued.hospital_fen,
            paid_by=issued.paid_by,
            provider_ref=issued.provider_ref,
            insurance_ref=issued.insurance_ref,
            cover_fen=issued.cover_fen,
            invoice=InvoiceAnswer.of(issued.invoice) if issued.invoice is not None else None,
        )
