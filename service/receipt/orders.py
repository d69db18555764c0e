"""What an invoice or a receipt says: read from the bill version that was settled, and the payer."""

import msgspec

from integrations.ports.invoices import (
    InvoiceAmounts,
    InvoiceOrder,
    InvoicePayer,
    InvoiceStay,
    InvoiceTender,
    InvoiceVisit,
)
from service.bill import actions as bill
from service.bill.model import BillContent
from service.credential import actions as credential
from service.credential.model import InsuredIdentity
from service.kernel.context import Context
from service.kernel.problems import InvariantBroken
from service.person import actions as person
from service.receipt.model import PostedFacts


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The bill as it was settled; a later version may stand."""

    record_id: int
    bill_no: str
    content: BillContent


async def read_settled(ctx: Context, facts: PostedFacts) -> Settled:
    """The version of the bill that the facts speak of: it never changes."""
    record_id, bill_id = ctx.public_ids.parse(facts.bill_id)
    standing = await bill.read(ctx, record_id, bill_id)
    content = standing.content
    if facts.bill_version and facts.bill_version != standing.version:
        content = await bill.read_version(ctx, record_id, bill_id, facts.bill_version)
    return Settled(record_id=record_id, bill_no=standing.bill_no, content=content)


async def order_of(
    ctx: Context, record_id: int, business_no: str, facts: PostedFacts, settled: Settled
) -> InvoiceOrder:
    """The order of the invoice of a posted settlement: as its bill, to the fen."""
    charged = settled.content
    if settled.record_id != record_id or charged.total_fen != facts.total_fen:
        raise InvariantBroken("an invoice says what its bill says")
    payer = await person.read(ctx, record_id)
    is_insured = facts.insurance_ref is not None
    insured = await credential.insured_person(ctx, record_id, payer) if is_insured else None
    return InvoiceOrder(
        business_no=business_no,
        at=ctx.clock.now(),
        payer=InvoicePayer(
            name=payer.name.reveal(),
            id_type=payer.id_type,
            id_no=payer.id_no.reveal(),
            sex=payer.sex,
            birth_date=payer.birth_date,
            insurance_type=_insurance_type(facts, insured),
            person_no=insured.person_no if insured is not None else None,
        ),
        visit=InvoiceVisit(
            visit_no=charged.visit.visit_no,
            began_at=charged.visit.began_at,
            department_no=charged.visit.department_no,
            department_name=charged.visit.department_name,
            stay=_stay(ctx, charged),
        ),
        amounts=InvoiceAmounts(
            total_fen=facts.total_fen,
            fund_fen=facts.fund_fen,
            account_fen=facts.account_fen,
            # To the fiscal platform the insurer pays for the payer: no field of its own is known.
            cash_fen=facts.cash_fen + facts.cover_fen,
            hospital_fen=facts.hospital_fen,
            full_own_fen=facts.full_own_fen if is_insured else facts.total_fen,
            first_pay_fen=facts.first_pay_fen,
        ),
        tenders=_tenders(facts),
        insurance_ref=facts.insurance_ref,
        lines=charged.lines,
    )


def _stay(ctx: Context, charged: BillContent) -> InvoiceStay | None:
    """Of a discharge. One whose end the hospital reports itself ended by now."""
    if charged.stay is None:
        return None
    ended_at = charged.stay.ended_at or ctx.clock.now()
    return InvoiceStay(stay_no=charged.stay.stay_no, ended_at=ended_at)


def _tenders(facts: PostedFacts) -> list[InvoiceTender]:
    """Who took how much of the cash part."""
    covered = InvoiceTender(provider="cover", amount_fen=facts.cover_fen)
    return [*_paid(facts), *([covered] if facts.cover_fen else [])]


def _paid(facts: PostedFacts) -> list[InvoiceTender]:
    if not facts.tenders:
        whole = facts.paid_by is not None and facts.cash_fen > 0
        one = InvoiceTender(provider=facts.paid_by or "", amount_fen=facts.cash_fen)
        return [one] if whole else []
    parts = (part.rsplit(":", 1) for part in facts.tenders.split("+"))
    return [InvoiceTender(provider=name, amount_fen=int(fen)) for name, fen in parts]


def _insurance_type(facts: PostedFacts, insured: InsuredIdentity | None) -> str | None:
    """None where nobody but the payer paid; empty where the enrolment is not linked any more."""
    if facts.insurance_ref is None:
        return None
    return insured.insurance_type if insured is not None else ""
