"""Postings and balances. Amounts are integer fen and positive; the sides say the direction."""

from datetime import date, datetime

import msgspec

PATIENT = "patient"
INSURER = "insurer"
HOSPITAL = "hospital"
HOSPITAL_BURDEN = "hospital-burden"


DEPOSIT = "deposit"
"""What a hospital owes its patients for the deposits that it holds."""


def provider_account(provider: str) -> str:
    """The account of a payment provider: money it took for the institution, or gave back. A
    deposit that is counted comes out of what the hospital holds."""
    return DEPOSIT if provider == DEPOSIT else f"provider:{provider}"


class NewPosting(msgspec.Struct, frozen=True, kw_only=True):
    """One row to post: ``debit`` receives, ``credit`` gives.

    ``cause`` names the act that moved the claim (``payment:<attempt id>``); one cause posts once
    in a settlement.
    """

    record_id: int
    settlement_id: int
    institution_id: int
    cause: str
    debit: str
    credit: str
    amount_fen: int


class Posting(NewPosting, frozen=True, kw_only=True):
    """A posting as stored. ``day`` is the business day in China on which it was posted."""

    posting_id: int
    day: date
    posted_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | date]:
        """The columns that the row's MAC covers."""
        return [
            self.record_id,
            self.posting_id,
            self.settlement_id,
            self.institution_id,
            self.cause,
            self.debit,
            self.credit,
            self.amount_fen,
            self.day,
            self.posted_at,
        ]
