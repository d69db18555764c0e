"""Receipts. Amounts are integer fen."""

from datetime import datetime

import msgspec

from integrations.ports.insurance import ChargeLine


class PostedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Body of the topic ``settlement.posted`` (subject: the settlement). No personal data.

    ``bill_id`` is public text. Write it with ``msgspec.to_builtins(PostedFacts(…))``.
    ``paid_by`` is the provider, or None where nothing was left to pay.
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

    def mac_parts(self) -> list[int | str | bytes | datetime]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.receipt_id,
            self.settlement_id,
            self.institution_id,
            self.receipt_no,
            self.sealed,
            self.issued_at,
        ]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt, opened."""

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
