"""The medical-insurance bureau for a stay in hospital, for one institution.

A stay is admitted, charged as it goes on, settled (in between too) and discharged. The words are
those of ``insurance``: integer fen, scaled quantities, aware UTC, and a ``CallId`` that the caller
stored before the call. An uncertain ``admit``, ``settle`` or ``reverse`` is undone by
``undo_uncertain`` and by nothing else; everything else may be repeated under a new number.
"""

from datetime import date, datetime
from typing import Protocol

import msgspec

from integrations.ports.insurance import CallId, Diagnosis, Insured, Settled, Split
from integrations.ports.outcomes import Outcome


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """A stay as the institution knows it at its beginning, or corrected later."""

    stay_no: str
    began_at: datetime
    visit_type: str
    """CV dictionary ``med_type``: 21 ordinary inpatient."""
    doctor_no: str
    doctor_name: str
    department_no: str
    department_name: str
    bed: str
    diagnosis_text: str
    """The admission diagnosis in words."""
    diagnoses: list[Diagnosis]
    """Exactly one is main."""
    contact_name: str = ""
    contact_phone: str = ""


class Discharge(msgspec.Struct, frozen=True, kw_only=True):
    """How a stay ended."""

    ended_at: datetime
    department_no: str
    department_name: str
    bed: str
    way: str
    """CV dictionary ``dscg_way``: 1 by doctor's order."""
    doctor_no: str
    doctor_name: str
    diagnoses: list[Diagnosis]


class StayCharge(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a stay. A return has quantity and amount below zero and names its line.

    ``amount_fen`` is quantity times unit price, half up to the fen away from zero.
    """

    line_no: str
    order_no: str
    catalogue_code: str
    local_code: str
    quantity_e4: int
    unit_price_e6: int
    amount_fen: int
    charged_at: datetime
    returns: str | None = None
    """``line_no`` of what is given back."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue makes of charges; the four parts sum to the amount."""

    full_own_fen: int
    over_limit_fen: int
    first_pay_fen: int
    in_scope_fen: int


class ChargeTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A line that the bureau took. ``scope`` is None where it does not tell the parts."""

    line_no: str
    scope: Scope | None


class StaySplit(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked to be split: every unsettled charge of the stay."""

    insured: Insured
    stay_ref: str
    total_fen: int
    scope: Scope
    """The sum over the charges, as ``upload_charges`` told it."""
    use_account: bool
    mid_stay: bool
    """A settlement in between; the stay goes on."""
    discharged_on: date | None


class StaySettle(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement of an earlier pre-settlement; ``promised`` is what that answered."""

    split: StaySplit
    promised: Split
    invoice_no: str


class InpatientGateway(Protocol):
    """One institution's line to its insurance bureau (inpatient chain)."""

    code: str

    async def admit(self, insured: Insured, admission: Admission, call: CallId) -> Outcome[str]:
        """Open the stay; gives the bureau's number. Unknown: ``undo_uncertain`` as ``admit``."""

    async def change_admission(
        self, insured: Insured, stay_ref: str, admission: Admission, call: CallId
    ) -> Outcome[None]:
        """Correct what was told at admission. Repeating overwrites."""

    async def cancel_admission(
        self, insured: Insured, stay_ref: str, call: CallId
    ) -> Outcome[None]:
        """Cancel a stay without charges, settlement or discharge."""

    async def discharge(
        self, insured: Insured, stay_ref: str, discharge: Discharge, call: CallId
    ) -> Outcome[None]:
        """The stay is over."""

    async def cancel_discharge(
        self, insured: Insured, stay_ref: str, call: CallId
    ) -> Outcome[None]:
        """The stay goes on after all; its last settlement must be reversed before."""

    async def upload_charges(
        self,
        insured: Insured,
        stay_ref: str,
        admission: Admission,
        lines: list[StayCharge],
        call: CallId,
    ) -> Outcome[list[ChargeTaken]]:
        """Upload charges and returns: all of them or none."""

    async def withdraw_charges(
        self, insured: Insured, stay_ref: str, line_no: str | None, call: CallId
    ) -> Outcome[None]:
        """Delete one unsettled charge, or all with None. Withdrawing nothing is Accepted."""

    async def presettle(self, request: StaySplit, call: CallId) -> Outcome[Split]:
        """Trial split. Changes nothing; may be repeated with a new message number."""

    async def settle(self, request: StaySettle, call: CallId) -> Outcome[Settled]:
        """Settle. Unknown must be resolved by ``undo_uncertain`` before anything else."""

    async def reverse(
        self, insured: Insured, stay_ref: str, settlement_ref: str, call: CallId
    ) -> Outcome[str]:
        """Revoke a settlement; gives the bureau's reference. Unknown as for ``settle``."""

    async def undo_uncertain(
        self, insured: Insured, of_call: CallId, of_kind: str, call: CallId
    ) -> Outcome[None]:
        """Undo an uncertain ``admit``, ``settle`` or ``reverse`` by its message number.

        Safe to repeat.
        """

    async def find_settlements(
        self, insured: Insured, stay_ref: str, call: CallId
    ) -> Outcome[list[Settled]]:
        """The live settlements of a stay. Reads only."""
