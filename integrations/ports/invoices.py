"""The fiscal e-invoice of a settled bill, as the core needs it, for one institution.

Amounts are integer fen, times aware UTC. ``business_no`` is ours, stored before the first call; the
answer to a lost call is found by it, never by sending blindly.
"""

from datetime import date, datetime
from typing import Protocol

import msgspec

from integrations.ports.insurance import ChargeLine
from integrations.ports.outcomes import Outcome


class InvoicePayer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose treatment it was. ``insurance_type`` None: everything was paid by himself."""

    name: str
    id_type: str
    """CV02.01.101 code."""
    id_no: str
    sex: str
    """M, F or U."""
    birth_date: date | None
    insurance_type: str | None
    """CV dictionary ``insutype``; empty where it is not known any more."""
    person_no: str | None

    def __repr__(self) -> str:
        return "InvoicePayer(…)"


class InvoiceStay(msgspec.Struct, frozen=True, kw_only=True):
    """The stay in hospital that a discharge charges, by the institution's admission number."""

    stay_no: str
    ended_at: datetime


class InvoiceVisit(msgspec.Struct, frozen=True, kw_only=True):
    """The visit that was charged; of a stay it began with the admission."""

    visit_no: str
    began_at: datetime
    department_no: str
    department_name: str
    stay: InvoiceStay | None = None
    """None: an outpatient's."""


class InvoiceAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """``total = fund + account + cash + hospital``; the last two say what insurance left out."""

    total_fen: int
    fund_fen: int
    account_fen: int
    cash_fen: int
    hospital_fen: int
    full_own_fen: int
    """Not insured at all."""
    first_pay_fen: int
    """Insured, but the person pays first; with what is above a limit price."""


class InvoiceTender(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider took of the cash part, or ``cash`` or ``pos`` at a counter; ``deposit``:
    what was paid in advance for the stay; ``cover``: what a commercial insurer bears."""

    provider: str
    amount_fen: int


class InvoiceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice to issue. ``tenders`` add up to the cash part, in the order of paying."""

    business_no: str
    at: datetime
    payer: InvoicePayer
    visit: InvoiceVisit
    amounts: InvoiceAmounts
    tenders: list[InvoiceTender]
    insurance_ref: str | None
    lines: list[ChargeLine]


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """An e-invoice: code and number together name it, the check code proves it to a verifier.

    ``download_url`` is where the payer sees and downloads it, None where the owner told none.
    """

    code: str
    number: str
    check_code: str
    issued_at: datetime | None
    download_url: str | None


class WriteOffOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice to write off whole by a red one."""

    code: str
    number: str
    reason: str
    at: datetime


class InvoiceStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Where an issued invoice stands. ``red`` is the invoice that wrote it off, if any."""

    is_valid: bool
    red: Invoice | None


class InvoiceGateway(Protocol):
    """One institution's line to its fiscal e-invoice platform."""

    code: str

    async def issue(self, order: InvoiceOrder) -> Outcome[Invoice]:
        """Issue. Unknown must be resolved by ``find`` before the same order is sent again."""

    async def find(self, business_no: str, at: datetime) -> Outcome[Invoice | None]:
        """The invoice issued under our number at that time, or None. Reads only."""

    async def write_off(self, order: WriteOffOrder) -> Outcome[Invoice]:
        """Write off; gives the red invoice. Unknown must be resolved by ``read_standing``."""

    async def read_standing(self, code: str, number: str) -> Outcome[InvoiceStanding]:
        """Whether the invoice is valid or written off. Reads only."""
