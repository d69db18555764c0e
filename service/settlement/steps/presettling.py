"""PRESETTLING: find the insured person, tell visit, diagnoses and charges, ask the split.

Each answer is kept before the next question, so a restart goes on where it stopped.
"""

from typing import Any

from msgspec.structs import replace

from integrations.ports.insurance import (
    CallId,
    InsuranceLine,
    Insured,
    SplitRequest,
    Visit,
)
from integrations.ports.outcomes import Accepted, Outcome
from service.bill import actions as bill
from service.bill.model import Bill
from service.credential import actions as credential
from service.credential.model import InsuranceStatus
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.person import actions as person
from service.settlement import door, rules
from service.settlement.cover import claiming
from service.settlement.insurance import calls
from service.settlement.insurance.chains import Send, performed_by_hospital
from service.settlement.model import CallKind, ChargesTold, Progress, Settlement
from service.settlement.states import SettlementEvent, SettlementState
from service.settlement.steps.undoing import sender


async def step(ctx: Context, row: Settlement) -> Settlement | None:
    """The next questions that the bureau has not answered yet."""
    if rules.is_past(row.deadline_at, ctx.clock.now()):
        return await _give_up(ctx, row)
    if not row.insured:
        return await _split_own(ctx, row)
    async with connection(ctx.pool) as conn:
        progress = await door.progress_of(conn, ctx, row)
    if progress.insured is None:
        return await _identify(ctx, row)
    return await _ask(ctx, row, progress)


async def _ask(ctx: Context, row: Settlement, progress: Progress) -> Settlement | None:
    """One question after another about the same bill, while answers come."""
    began = ctx.clock.now()
    charged = await bill.read(ctx, row.record_id, row.bill_id)
    place = await institution.get_institution(ctx, row.institution_id)
    after: Settlement | None = row

    def next_kind(known: Progress) -> CallKind:
        return rules.next_presettle_call(known, len(charged.lines))

    within = calls.Round(began=began, next_kind=next_kind)
    while after is not None and progress.insured is not None:
        kind = next_kind(progress)
        if kind is CallKind.ADJUDICATE:
            send = claiming.sender(ctx, place.code, kind, progress, charged)
        else:
            send = _sender(kind, after, progress, progress.insured, charged)
        after = await calls.call(ctx, after, progress, kind, send, within)
        if after is None or after.state is not row.state:
            return after
        if within.intent is not None and within.progress is not None:
            progress = within.progress
            continue
        if not calls.goes_on(ctx, began, after):
            return after
        async with connection(ctx.pool) as conn:
            progress = await door.progress_of(conn, ctx, after)
    return after


async def _give_up(ctx: Context, row: Settlement) -> Settlement:
    async def decide(conn: Connection, fresh: Settlement) -> Settlement:
        if fresh.state is not SettlementState.PRESETTLING:
            return fresh
        late = replace(fresh, reason="insurance-unreachable")
        return await door.advance(conn, ctx, late, SettlementEvent.DEADLINE_PASSED, None)

    return await door.through(ctx, (row.record_id, row.settlement_id), decide, row)


async def _split_own(ctx: Context, row: Settlement) -> Settlement:
    """What remains after a correction, where nobody but the payer pays."""

    async def decide(conn: Connection, fresh: Settlement) -> Settlement:
        if fresh.state is not SettlementState.PRESETTLING:
            return fresh
        split = rules.own_split(fresh.total_fen)
        progress = await door.progress_of(conn, ctx, fresh)
        own = replace(fresh, fund_fen=0, account_fen=0, cash_fen=split.cash_fen, hospital_fen=0)
        told = replace(progress, promised=split)
        return await door.advance(conn, ctx, own, SettlementEvent.SPLIT, told)

    return await door.through(ctx, (row.record_id, row.settlement_id), decide, row)


async def _identify(ctx: Context, row: Settlement) -> Settlement:
    """The insured person behind the record; asks the bureau by ID number when no link is known.

    A hospital that speaks with its bureau itself asks for the person together with the division.
    """
    found = await _linked(ctx, row.record_id)
    owner_down = False
    if found is None:
        place = await institution.get_institution(ctx, row.institution_id)
        if performed_by_hospital(ctx, place.code):
            found = await _not_linked(ctx, row.record_id)
        else:
            view = await credential.link_by_number(ctx, row.record_id, row.institution_id)
            owner_down = view.status is InsuranceStatus.OWNER_DOWN
            found = await _linked(ctx, row.record_id)
    insured = found

    async def decide(conn: Connection, fresh: Settlement) -> Settlement:
        if fresh.state is not SettlementState.PRESETTLING:
            return fresh
        progress = await door.progress_of(conn, ctx, fresh)
        if insured is None and owner_down:
            return await calls.postpone(conn, ctx, fresh, None)
        if insured is None:
            refused = replace(fresh, reason="not-insured")
            return await door.advance(conn, ctx, refused, SettlementEvent.REFUSED, None)
        return await door.keep(conn, ctx, fresh, replace(progress, insured=insured))

    return await door.through(ctx, (row.record_id, row.settlement_id), decide, row)


async def _linked(ctx: Context, record_id: int) -> Insured | None:
    found = await credential.insured_person(ctx, record_id)
    if found is None:
        return None
    return Insured(
        person_no=found.person_no,
        insurance_type=found.insurance_type,
        region=found.region,
        token=None,
        id_no=found.id_no.reveal(),
    )


async def _not_linked(ctx: Context, record_id: int) -> Insured:
    patient = await person.read(ctx, record_id)
    id_no = patient.citizen_no.reveal()
    return Insured(person_no="", insurance_type="", region="", token=None, id_no=id_no)


def _sender(
    kind: CallKind, row: Settlement, progress: Progress, insured: Insured, charged: Bill
) -> Send:
    visit = replace(charged.visit, visit_no=progress.visit_no)
    visit_ref = progress.visit_ref or ""

    async def send(line: InsuranceLine, call: CallId) -> Outcome[Any]:
        match kind:
            case CallKind.REGISTER:
                return await line.register_visit(insured, visit, call)
            case CallKind.DIAGNOSES:
                return await line.upload_diagnoses(insured, visit_ref, visit, call)
            case CallKind.CHARGES:
                return await _upload(line, call, progress, insured, visit, charged)
            case CallKind.PRESETTLE:
                return await line.presettle(split_request(row, progress, insured, visit), call)
            case _:
                return await sender(kind, progress, insured)(line, call)

    return send


async def _upload(
    line: InsuranceLine,
    call: CallId,
    progress: Progress,
    insured: Insured,
    visit: Visit,
    charged: Bill,
) -> Outcome[ChargesTold]:
    """One message of lines; the outcome counts them."""
    lines = charged.lines[progress.lines_sent : progress.lines_sent + rules.LINES_MAX]
    outcome = await line.upload_charges(
        insured, progress.visit_ref or "", progress.batch_no, visit, lines, call
    )
    if isinstance(outcome, Accepted):
        return Accepted(ChargesTold(lines=len(lines), scope=outcome.value))
    return outcome


def split_request(
    row: Settlement, progress: Progress, insured: Insured, visit: Visit
) -> SplitRequest:
    """What the bureau is asked to divide, and later to settle."""
    return SplitRequest(
        insured=insured,
        visit_ref=progress.visit_ref or "",
        batch_no=progress.batch_no,
        visit_type=visit.visit_type,
        total_fen=row.total_fen,
        use_account=row.use_account,
    )
