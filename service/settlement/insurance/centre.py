"""The payment centre: which of its calls comes next for the order of a settlement, and making it.

The bill was divided by the bureau's own line before, so the payer knows his part. Then::

    2205 (the charges leave the visit) -> 6201 -> 6202 -> the payer pays there -> 6301 says whole
    -> 5203 at the bureau gives the settlement that the centre made

6202 may begin to settle, so it is sent once; what is unclear is asked by 6301. An order that is
given up is revoked by 6401, a settled one goes back by 6203, own money first.
"""

from typing import Any

from msgspec.structs import replace

from integrations.ports.insurance import CallId, InsuranceLine, Insured, Split
from integrations.ports.insurance_inpatient import Scope
from integrations.ports.insurance_mobile import (
    MobileAmounts,
    MobileFees,
    MobileInsurance,
    MobileReturn,
    PayerProof,
    ReturnKind,
)
from integrations.ports.outcomes import Outcome
from integrations.ports.partners import PartnerUnknown
from service.bill.model import Bill
from service.bill.states import BillKind
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.problems import InvariantBroken
from service.payment.model import PaymentAttempt, Refund
from service.payment.rules import MIXED, hospital_no
from service.person.model import RecordView
from service.settlement.insurance.chains import Send, performed_by_hospital
from service.settlement.model import CallKind, CentreOrder, Progress, Settlement
from service.settlement.states import SettlementState

KINDS = frozenset({BillKind.OUTPATIENT, BillKind.REGISTRATION})
"""Of stays the centre knows nothing that is documented."""


def line(ctx: Context, institution_code: str) -> MobileInsurance | None:
    """The institution's line to its centre; None where it has none."""
    try:
        return ctx.partners.mobile_insurance(institution_code)
    except PartnerUnknown:
        return None


async def serves(ctx: Context, row: Settlement, progress: Progress) -> bool:
    """Whether the payer of a divided bill may pay at the centre."""
    if row.round_no or not row.insured or progress.promised is None or progress.centre is not None:
        return False
    place = await institution.get_institution(ctx, row.institution_id)
    return (
        row.state is SettlementState.PRESETTLED
        and progress.kind in KINDS
        and progress.promised.cash_fen > 0
        and not progress.cover_fen
        and not performed_by_hospital(ctx, place.code)
        and line(ctx, place.code) is not None
    )


def sender(
    mobile: MobileInsurance,
    kind: CallKind,
    row: Settlement,
    progress: Progress,
    charged: Bill,
    patient: RecordView,
) -> Send:
    """The call that brings an order further."""
    centre, insured = _known(progress)

    async def send(_line: InsuranceLine, call: CallId) -> Outcome[Any]:
        if centre.order is None:
            asked = _fees(row, progress, centre, insured, charged, patient)
            return await mobile.upload_fees(asked, call.at)
        match kind:
            case CallKind.PAY:
                return await mobile.pay(
                    centre.order, centre.proof, use_account=row.use_account, at=call.at
                )
            case CallKind.REVOKE:
                return await mobile.revoke(centre.order, call.at)
            case _:
                return await mobile.query(centre.order, call.at)

    return send


def returning(
    mobile: MobileInsurance, kind: CallKind, progress: Progress, own: Refund | None
) -> Send:
    """6203, or a look. Number, time and amounts never change, so a repeat is the same refund;
    both parts have the time at which the own money was promised back. ``own``: None where the own
    part was not collected there."""
    centre, _ = _known(progress)
    if centre.order is None or progress.promised is None:
        raise InvariantBroken("what is given back was ordered and divided")
    order, paid = centre.order, amounts_of(progress.promised)
    is_own = kind is CallKind.RETURN_OWN
    number, since = (
        (own.refund_no, own.created_at) if own is not None else (order.order_no, centre.back_at)
    )
    own_fen = own.amount_fen if own is not None and is_own else 0

    async def send(_line: InsuranceLine, call: CallId) -> Outcome[Any]:
        if kind is CallKind.LOOK:
            return await mobile.query(order, call.at)
        asked = MobileReturn(
            refund_no=number if is_own else f"{number}H",
            asked_at=since or call.at,
            kind=ReturnKind.OWN if is_own else ReturnKind.INSURANCE,
            own_fen=own_fen,
            paid=paid,
            proof=centre.proof,
        )
        return await mobile.refund(order, asked, call.at)

    return send


def opened(
    progress: Progress, attempt: PaymentAttempt, authorisation: str, location: str
) -> Progress:
    """The progress with an order to be made by what the payer allowed."""
    order = CentreOrder(
        attempt_id=attempt.attempt_id,
        order_no=hospital_no(attempt),
        proof=PayerProof(authorisation=authorisation),
        location=location,
        mixed=attempt.way == MIXED,
    )
    return replace(progress, centre=order)


def ended(progress: Progress, why: str | None = None) -> Progress:
    """Nothing of the order stands; whether its charges do, 2205 sees to."""
    centre, _ = _known(progress)
    over = replace(
        centre, ended=True, unclear=False, unwanted=centre.unwanted or why, proof=PayerProof()
    )
    return replace(progress, charges_in_doubt=True, centre=over)


def amounts_of(split: Split) -> MobileAmounts:
    """A division in the centre's parts; there are no others."""
    return MobileAmounts(
        total_fen=split.total_fen,
        fund_fen=split.fund_fen,
        account_fen=split.account_fen,
        own_fen=split.cash_fen,
        hospital_fen=split.hospital_fen,
        other_fen=0,
    )


def _known(progress: Progress) -> tuple[CentreOrder, Insured]:
    if progress.centre is None or progress.insured is None:
        raise InvariantBroken("an order at the centre has an insured person")
    return progress.centre, progress.insured


def _fees(
    row: Settlement,
    progress: Progress,
    centre: CentreOrder,
    insured: Insured,
    charged: Bill,
    patient: RecordView,
) -> MobileFees:
    promised = progress.promised
    if promised is None:
        raise InvariantBroken("a bill is divided before it is paid at the centre")
    return MobileFees(
        order_no=centre.order_no,
        insured=insured,
        name=patient.name.reveal(),
        visit=replace(charged.visit, visit_no=progress.visit_no),
        visit_ref=progress.visit_ref,
        batch_no=progress.batch_no,
        lines=charged.lines,
        total_fen=row.total_fen,
        scope=Scope(
            full_own_fen=promised.full_own_fen,
            over_limit_fen=promised.over_limit_fen,
            first_pay_fen=promised.first_pay_fen,
            in_scope_fen=promised.in_scope_fen,
        ),
        use_account=row.use_account,
        proof=centre.proof,
        place=centre.location,
    )
