"""The medical-insurance bureau as the settlement core needs it, for one institution.

Amounts are integer fen, quantities and unit prices are scaled integers, times are aware UTC.
Every method that changes something takes the ``CallId`` that the core stored before the call;
the adapter puts it on the wire as the partner's message number, so that an unknown outcome can
be undone by ``undo_uncertain`` and by nothing else.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from integrations.ports.outcomes import Outcome


class CallId(msgspec.Struct, frozen=True, kw_only=True):
    """Our number of one call. ``message_no`` is at most 30 characters and never reused."""

    message_no: str
    at: datetime


class CredentialScan(msgspec.Struct, frozen=True, kw_only=True):
    """An insurance e-credential as a terminal read it."""

    text: str
    purpose: str
    """One of ``registration``, ``settlement``, ``pharmacy``."""


class DecodedCredential(msgspec.Struct, frozen=True, kw_only=True):
    """Whose e-credential it is. ``token`` is short-lived and never stored in the long term."""

    token: str
    name: str
    id_no: str
    sex: str
    birth_date: date | None
    region: str


class PersonQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked for: by e-credential token, or by ID number and name."""

    token: str | None
    id_no: str | None
    name: str | None


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """One insurance a person holds."""

    insurance_type: str
    """CV dictionary ``insutype``: 310 employees, 390 residents."""
    region: str
    active: bool
    balance_fen: int
    person_type: str


class InsuredPerson(msgspec.Struct, frozen=True, kw_only=True):
    """The bureau's answer about one person."""

    person_no: str
    name: str
    id_no: str
    enrolments: list[Enrolment]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One diagnosis of the visit (ICD-10 insurance edition code)."""

    code: str
    name: str
    main: bool


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """An outpatient visit at the institution."""

    visit_no: str
    began_at: datetime
    doctor_no: str
    doctor_name: str
    department_no: str
    department_name: str
    speciality: str
    visit_type: str
    """CV dictionary ``med_type``: 11 ordinary outpatient."""
    diagnoses: list[Diagnosis]


class ChargeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a bill. ``amount_fen`` is quantity times unit price, half up to the fen."""

    line_no: str
    catalogue_code: str
    local_code: str
    name: str
    quantity_e4: int
    unit_price_e6: int
    """Price of one unit in yuan times 10^6."""
    amount_fen: int
    charged_at: datetime


class Insured(msgspec.Struct, frozen=True, kw_only=True):
    """The person and the enrolment that this settlement uses, plus the way it was proved."""

    person_no: str
    insurance_type: str
    region: str
    token: str | None
    id_no: str


class SplitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked to be split or settled."""

    insured: Insured
    visit_ref: str
    """The bureau's visit number, from ``register_visit``."""
    batch_no: str
    visit_type: str
    total_fen: int
    use_account: bool


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """How the bureau divides a bill.

    ``total = fund + account + cash + hospital``; ``full_own + over_limit + first_pay + in_scope``
    also gives ``total``. ``mutual_aid`` is contained in ``account``.
    """

    total_fen: int
    fund_fen: int
    account_fen: int
    cash_fen: int
    hospital_fen: int
    mutual_aid_fen: int
    full_own_fen: int
    over_limit_fen: int
    first_pay_fen: int
    in_scope_fen: int
    funds: dict[str, int]
    """Fund payment by fund type code; sums to ``fund_fen``."""
    balance_after_fen: int


class SettleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement of an earlier pre-settlement; ``promised`` is what that answered."""

    split: SplitRequest
    promised: Split
    invoice_no: str


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The bureau's settlement."""

    settlement_ref: str
    split: Split
    settled_at: datetime
    clearing_type: str
    clearing_region: str


class ClearingTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What our books hold of some days for one kind of insurance; reversals are negative.

    A settlement and its reversal each fall on their own day and count one each. An empty
    ``clearing_type`` or ``region`` means the line's own.
    """

    insurance_type: str
    clearing_type: str
    region: str
    first_day: date
    last_day: date
    count: int
    total_fen: int
    fund_fen: int
    account_fen: int


class TotalsVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the bureau holds the same, with its own code and words."""

    agrees: bool
    code: str
    text: str


class ClearingLine(msgspec.Struct, frozen=True, kw_only=True):
    """One settlement, or its reversal with every amount below zero, as our books hold it."""

    settlement_ref: str
    visit_ref: str | None
    """None where the visit was withdrawn since."""
    person_no: str
    reversed: bool
    total_fen: int
    fund_fen: int
    account_fen: int
    cash_fen: int


class ClearingLines(msgspec.Struct, frozen=True, kw_only=True):
    """Every settlement and reversal of some days, of all kinds of insurance.

    An empty ``clearing_type`` or ``region`` means the line's own.
    """

    clearing_type: str
    region: str
    first_day: date
    last_day: date
    lines: list[ClearingLine]


class ClearingCalls(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison by lines takes three messages."""

    upload: CallId
    compare: CallId
    download: CallId


class Finding(StrEnum):
    """What the bureau says of one line."""

    ONLY_THERE = "only-there"
    ONLY_HERE = "only-here"
    AMOUNTS_DIFFER = "amounts-differ"
    UNLISTED = "unlisted"
    """A code that no table of the line lists: a difference of whichever kind."""


class LineDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One line that does not agree, with the amounts as the bureau holds them."""

    settlement_ref: str
    visit_ref: str | None
    message_no: str | None
    """Our number of the call that made it, where the bureau tells it."""
    reversed: bool
    finding: Finding
    code: str
    text: str
    total_fen: int
    fund_fen: int
    account_fen: int


class InsuranceLine(Protocol):
    """What the settlement of one visit asks of the bureau, outpatient or inpatient."""

    code: str

    async def register_visit(self, insured: Insured, visit: Visit, call: CallId) -> Outcome[str]:
        """Open the visit; gives the bureau's visit number."""

    async def upload_diagnoses(
        self, insured: Insured, visit_ref: str, visit: Visit, call: CallId
    ) -> Outcome[None]:
        """Tell type and diagnoses of the visit. Repeating overwrites."""

    async def upload_charges(
        self,
        insured: Insured,
        visit_ref: str,
        batch_no: str,
        visit: Visit,
        lines: list[ChargeLine],
        call: CallId,
    ) -> Outcome[Any]:
        """Upload one batch of charge lines. Where the chain is told what the catalogue makes of
        them, the answer is their ``insurance_inpatient.Scope`` together."""

    async def withdraw_charges(
        self, insured: Insured, visit_ref: str, batch_no: str, call: CallId
    ) -> Outcome[None]:
        """Delete the unsettled lines of a batch. Withdrawing nothing is Accepted."""

    async def cancel_visit(
        self, insured: Insured, visit_ref: str, visit_no: str, call: CallId
    ) -> Outcome[None]:
        """Cancel a visit that has no live settlement."""

    async def presettle(self, request: SplitRequest, call: CallId) -> Outcome[Split]:
        """Trial split. Changes nothing; may be repeated with a new message number."""

    async def settle(self, request: SettleRequest, call: CallId) -> Outcome[Settled]:
        """Settle. Unknown must be resolved by ``undo_uncertain`` before anything else."""

    async def reverse(
        self, insured: Insured, visit_ref: str, settlement_ref: str, call: CallId
    ) -> Outcome[str]:
        """Revoke a settlement; gives the bureau's reference. Unknown as for ``settle``."""

    async def undo_uncertain(
        self, insured: Insured, of_call: CallId, of_kind: str, call: CallId
    ) -> Outcome[None]:
        """Undo an uncertain ``settle`` or ``reverse`` by its message number. Safe to repeat.

        ``of_kind`` is ``settle`` or ``reverse``.
        """

    async def find_settlement(
        self, insured: Insured, visit_ref: str, call: CallId
    ) -> Outcome[Settled | None]:
        """The live settlement of a visit, or None. Reads only."""


class InsuranceGateway(InsuranceLine, Protocol):
    """One institution's line to its insurance bureau (outpatient chain)."""

    async def decode_credential(
        self, scan: CredentialScan, call: CallId
    ) -> Outcome[DecodedCredential]:
        """Decode an e-credential text. Reads only; may be repeated."""

    async def start_face(self, purpose: str, call: CallId) -> Outcome[str]:
        """Have the terminal look at a face; gives the number of the authorisation."""

    async def take_face(
        self, authorisation: str, purpose: str, call: CallId
    ) -> Outcome[DecodedCredential]:
        """Exchange an authorisation for the person and a token, as from an e-credential."""

    async def read_person(self, query: PersonQuery, call: CallId) -> Outcome[InsuredPerson]:
        """Who is it and what is he insured by. Reads only."""

    async def compare_totals(self, totals: ClearingTotals, call: CallId) -> Outcome[TotalsVerdict]:
        """Set a period's totals against the bureau's. Reads only."""

    async def compare_lines(self, lines: ClearingLines, calls: ClearingCalls) -> Outcome[bytes]:
        """Set a period's single settlements against the bureau's; gives its file of differences.

        Reads only: nothing at the bureau changes.
        """

    def read_differences(self, content: bytes) -> list[LineDifference]:
        """What that file lists. Raises ``statements.StatementUnusable``: nothing of it is used."""
