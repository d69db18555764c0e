"""The ways to a bureau as one line: the steps know no difference.

They are its two chains, outpatient and inpatient, and the hospital's own machine.

A stay is a visit here: its admission (2401) is the registration, its discharge (2402) what is told
with the diagnoses, and 2301 to 2305 are charges, division, settlement and revocation. What only a
stay has, the discharge taken back (2405), is ``reopen``.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from integrations.ports.insurance import (
    CallId,
    ChargeLine,
    InsuranceLine,
    Insured,
    Settled,
    SettleRequest,
    Split,
    SplitRequest,
    Visit,
)
from integrations.ports.insurance_inpatient import (
    Admission,
    ChargeTaken,
    Discharge,
    InpatientGateway,
    Scope,
    StayCharge,
    StaySettle,
    StaySplit,
)
from integrations.ports.outcomes import Accepted, Outcome, Rejected
from integrations.ports.partners import PartnerUnknown, PerformedByHospital
from service.bill.model import Stay
from service.bill.states import BillKind
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.problems import InvariantBroken
from service.settlement.insurance.hospital_line import HospitalLine
from service.settlement.model import Progress, Settlement

Send = Callable[[InsuranceLine, CallId], Awaitable[Outcome[Any]]]
"""One call on a line."""
NOTHING = Scope(full_own_fen=0, over_limit_fen=0, first_pay_fen=0, in_scope_fen=0)


class StayLine:
    """The inpatient chain for the stay of one settlement, as far as it got."""

    def __init__(self, gateway: InpatientGateway, progress: Progress, stay: Stay) -> None:
        self.code = gateway.code
        self._gateway = gateway
        self._scope = progress.scope
        self._stay = stay

    def _admission(self, visit: Visit) -> Admission:
        main = next(one for one in visit.diagnoses if one.main)
        return Admission(
            stay_no=self._stay.stay_no,
            began_at=visit.began_at,
            visit_type=visit.visit_type,
            doctor_no=visit.doctor_no,
            doctor_name=visit.doctor_name,
            department_no=visit.department_no,
            department_name=visit.department_name,
            bed=self._stay.bed,
            diagnosis_text=main.name,
            diagnoses=visit.diagnoses,
        )

    async def register_visit(self, insured: Insured, visit: Visit, call: CallId) -> Outcome[str]:
        """2401."""
        return await self._gateway.admit(insured, self._admission(visit), call)

    async def upload_diagnoses(
        self, insured: Insured, visit_ref: str, visit: Visit, call: CallId
    ) -> Outcome[None]:
        """2402."""
        if self._stay.ended_at is None:
            raise InvariantBroken("a discharge that is reported has its time")
        over = Discharge(
            ended_at=self._stay.ended_at,
            department_no=visit.department_no,
            department_name=visit.department_name,
            bed=self._stay.bed,
            way=self._stay.discharge_way,
            doctor_no=visit.doctor_no,
            doctor_name=visit.doctor_name,
            diagnoses=visit.diagnoses,
        )
        return await self._gateway.discharge(insured, visit_ref, over, call)

    async def reopen(self, insured: Insured, visit_ref: str, call: CallId) -> Outcome[None]:
        """2405."""
        return await self._gateway.cancel_discharge(insured, visit_ref, call)

    async def upload_charges(
        self,
        insured: Insured,
        visit_ref: str,
        batch_no: str,
        visit: Visit,
        lines: list[ChargeLine],
        call: CallId,
    ) -> Outcome[Any]:
        """2301; the answer is their ``Scope`` together, None where the bureau does not tell it."""
        charges = [
            StayCharge(
                line_no=line.line_no,
                order_no=batch_no,
                catalogue_code=line.catalogue_code,
                local_code=line.local_code,
                quantity_e4=line.quantity_e4,
                unit_price_e6=line.unit_price_e6,
                amount_fen=line.amount_fen,
                charged_at=line.charged_at,
            )
            for line in lines
        ]
        heard = await self._gateway.upload_charges(
            insured, visit_ref, self._admission(visit), charges, call
        )
        return Accepted(scope_of(heard.value)) if isinstance(heard, Accepted) else heard

    async def withdraw_charges(
        self,
        insured: Insured,
        visit_ref: str,
        batch_no: str,  # noqa: ARG002 - a stay has no batches
        call: CallId,
    ) -> Outcome[None]:
        """2302: every unsettled line of the stay."""
        return await self._gateway.withdraw_charges(insured, visit_ref, None, call)

    async def cancel_visit(
        self,
        insured: Insured,
        visit_ref: str,
        visit_no: str,  # noqa: ARG002 - the bureau's number is enough
        call: CallId,
    ) -> Outcome[None]:
        """2404."""
        return await self._gateway.cancel_admission(insured, visit_ref, call)

    async def presettle(self, request: SplitRequest, call: CallId) -> Outcome[Split]:
        """2303."""
        if self._scope is None:
            return Rejected(reason="scope-not-told", provider_code="", provider_text="")
        return await self._gateway.presettle(self._split(request, self._scope), call)

    async def settle(self, request: SettleRequest, call: CallId) -> Outcome[Settled]:
        """2304. The adapter tells the scope that was promised."""
        split = self._split(request.split, self._scope or NOTHING)
        asked = StaySettle(split=split, promised=request.promised, invoice_no=request.invoice_no)
        return await self._gateway.settle(asked, call)

    def _split(self, request: SplitRequest, scope: Scope) -> StaySplit:
        ended_at = self._stay.ended_at
        return StaySplit(
            insured=request.insured,
            stay_ref=request.visit_ref,
            total_fen=request.total_fen,
            scope=scope,
            use_account=request.use_account,
            mid_stay=False,
            discharged_on=None if ended_at is None else business_day(ended_at),
        )

    async def reverse(
        self, insured: Insured, visit_ref: str, settlement_ref: str, call: CallId
    ) -> Outcome[str]:
        """2305."""
        return await self._gateway.reverse(insured, visit_ref, settlement_ref, call)

    async def undo_uncertain(
        self, insured: Insured, of_call: CallId, of_kind: str, call: CallId
    ) -> Outcome[None]:
        """2601 of a 2401, 2304 or 2305."""
        return await self._gateway.undo_uncertain(insured, of_call, of_kind, call)

    async def find_settlement(
        self, insured: Insured, visit_ref: str, call: CallId
    ) -> Outcome[Settled | None]:
        """5203 by the stay."""
        heard = await self._gateway.find_settlements(insured, visit_ref, call)
        if isinstance(heard, Accepted):
            return Accepted(heard.value[-1] if heard.value else None)
        return heard


def scope_of(taken: list[ChargeTaken]) -> Scope | None:
    """What the catalogue makes of lines together; None where it is not told of one."""
    total: Scope | None = NOTHING
    for one in taken:
        total = add_scopes(total, one.scope)
    return total


def add_scopes(one: Scope | None, other: Scope | None) -> Scope | None:
    """None where one of them is not known."""
    if one is None or other is None:
        return None
    return Scope(
        full_own_fen=one.full_own_fen + other.full_own_fen,
        over_limit_fen=one.over_limit_fen + other.over_limit_fen,
        first_pay_fen=one.first_pay_fen + other.first_pay_fen,
        in_scope_fen=one.in_scope_fen + other.in_scope_fen,
    )


def performed_by_hospital(ctx: Context, institution_code: str) -> bool:
    """Whether its own machine speaks with the bureau."""
    try:
        ctx.partners.insurance(institution_code)
    except PerformedByHospital:
        return True
    except PartnerUnknown:
        return False
    return False


def line_of(
    ctx: Context, institution_code: str, row: Settlement, progress: Progress
) -> InsuranceLine:
    """The line that a settlement goes by. Raises ``PartnerUnknown``."""
    if performed_by_hospital(ctx, institution_code):
        return HospitalLine(ctx, row, progress)
    if progress.kind is not BillKind.DISCHARGE or progress.stay is None:
        return ctx.partners.insurance(institution_code)
    return StayLine(ctx.partners.inpatient(institution_code), progress, progress.stay)
