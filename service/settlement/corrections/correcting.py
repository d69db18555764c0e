"""Give back what was settled and posted: lines of a bill, or all of it.

No saga of its own: a correction only begins what the settlement's machine then does. One at a time;
above the institution's limit it waits for another person than the asker.
"""

from datetime import timedelta

from msgspec.structs import replace

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.bill import actions as bill
from service.bill.model import Bill, CorrectBill
from service.bill.problems import BillVersionStale
from service.bill.states import BillKind
from service.casework import actions as casework
from service.casework.model import ItemsOf, NewItem
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import NotFound
from service.payment import actions as payment
from service.payment.model import Refund
from service.person import actions as persons
from service.settlement import door, giving_back, tender
from service.settlement.corrections import rows, store
from service.settlement.corrections.model import (
    AskCorrection,
    AwaitingView,
    Correction,
    CorrectionContent,
    CorrectionView,
    Person,
    PostedView,
)
from service.settlement.corrections.rules import needs_approval, remaining_lines, total_of
from service.settlement.model import Settlement
from service.settlement.problems import (
    AskerMayNotApprove,
    CorrectionRefused,
    CorrectionUnderWay,
    OnlyAsAWhole,
    SettlementNotCorrectable,
)
from service.settlement.states import (
    CORRECTION,
    CorrectionEvent,
    CorrectionState,
    SettlementEvent,
    SettlementState,
)

POSTED_SHOWN = timedelta(days=90)
POSTED_MAX = 20
_AWAITS = "correction-awaits-approval"
_S = CorrectionState


async def ask(ctx: Context, command: AskCorrection) -> Correction:
    """Give back lines of a posted settlement, or all of it. It begins at once, or waits.

    Raises ``SettlementNotCorrectable``, ``CorrectionUnderWay``, ``BillVersionStale``,
    ``CorrectionRefused``, ``OnlyAsAWhole``, ``NotFound``.
    """
    key = (command.record_id, command.settlement_id)
    async with connection(ctx.pool) as conn:
        standing = await door.read(conn, ctx, key)
    if standing.institution_id != command.person.institution_id:
        raise NotFound
    charged = await bill.read(ctx, standing.record_id, standing.bill_id)
    _check_correctable(standing, charged, command.bill_version)
    place = await institution.get_institution(ctx, standing.institution_id)
    left_fen = total_of(remaining_lines(charged.lines, command.lines))
    amount_fen = charged.total_fen - left_fen
    if amount_fen <= 0:
        raise CorrectionRefused("lines: nothing that costs anything is given back")
    if left_fen:
        await _check_divisible(ctx, key, charged)
    waits = needs_approval(amount_fen, place.approval_above_fen)

    async def decide(conn: Connection, row: Settlement) -> Correction:
        _check_correctable(row, charged, command.bill_version)
        now = ctx.clock.now()
        asked = Correction(
            record_id=row.record_id,
            correction_id=ctx.ids.new(),
            settlement_id=row.settlement_id,
            institution_id=row.institution_id,
            bill_version=row.bill_version,
            bill_after=None if left_fen else command.bill_after,
            amount_fen=amount_fen,
            state=CORRECTION.start
            if waits
            else CORRECTION.advance(CORRECTION.start, CorrectionEvent.APPROVE),
            sealed=b"",
            asked_by=command.person.staff_no,
            asked_through=command.person.through,
            asked_at=now,
            decided_by=None,
            decided_through=None,
            decided_at=None if waits else now,
            round_no=None,
            ended_at=None,
            version=1,
            row_mac=b"",
        )
        content = CorrectionContent(lines=command.lines, reason=command.reason)
        if not await rows.insert(conn, ctx, asked, content):
            raise CorrectionUnderWay
        await _note(conn, ctx, asked, "correction.asked", command.person)
        if waits:
            await _open_item(conn, ctx, asked)
        else:
            await _begin(conn, ctx, row, asked, content, charged)
        found = await store.find_correction(conn, row.record_id, asked.correction_id)
        return rows.check(ctx, found)

    return await door.through(ctx, key, decide)


async def _check_divisible(ctx: Context, key: door.Key, charged: Bill) -> None:
    """A deposit goes back whole; so does what was paid at the payment centre, which takes back an
    insurance part only whole (insurance dossier 5.2)."""
    if charged.kind is BillKind.DEPOSIT:
        raise CorrectionRefused("lines: a deposit is given back as a whole")
    async with connection(ctx.pool) as conn:
        paid = (await tender.tender_of(conn, ctx, await door.read(conn, ctx, key))).paid
    if any(map(tender.goes_back_whole, paid)):
        raise OnlyAsAWhole


async def approve(ctx: Context, person: Person, record_id: int, correction_id: int) -> Correction:
    """Another person agrees: it begins. Again by the same person changes nothing.

    Raises ``AskerMayNotApprove``, ``StateConflict``, ``SettlementNotCorrectable``, ``NotFound``.
    """
    waiting = await _own(ctx, person.institution_id, record_id, correction_id)
    async with connection(ctx.pool) as conn:
        standing = await door.read(conn, ctx, (record_id, waiting.settlement_id))
    charged = await bill.read(ctx, record_id, standing.bill_id)

    async def decide(conn: Connection, row: Settlement) -> Correction:
        found = await store.find_correction(conn, record_id, correction_id)
        before = rows.check(ctx, found)
        if before.state is not _S.REFUSED and before.decided_by == person.staff_no:
            return before
        if before.asked_by.casefold() == person.staff_no.casefold():
            raise AskerMayNotApprove
        after = await _decided(conn, ctx, before, person, CorrectionEvent.APPROVE)
        _check_correctable(row, charged, after.bill_version)
        content = await rows.content_of(conn, ctx, after)
        await _begin(conn, ctx, row, after, content, charged)
        return after

    return await door.through(ctx, (record_id, waiting.settlement_id), decide)


async def refuse(ctx: Context, person: Person, record_id: int, correction_id: int) -> Correction:
    """Somebody says no, or the asker thinks better of it. Again by the same person changes nothing.

    Raises ``StateConflict``, ``NotFound``.
    """
    waiting = await _own(ctx, person.institution_id, record_id, correction_id)

    async def decide(conn: Connection, _row: Settlement) -> Correction:
        found = await store.find_correction(conn, record_id, correction_id)
        before = rows.check(ctx, found)
        if before.state is _S.REFUSED and before.decided_by == person.staff_no:
            return before
        return await _decided(conn, ctx, before, person, CorrectionEvent.REFUSE)

    return await door.through(ctx, (record_id, waiting.settlement_id), decide)


async def get(
    ctx: Context, institution_id: int, record_id: int, correction_id: int
) -> CorrectionView:
    """A correction of the institution. Raises ``NotFound``, ``RowTampered``."""
    row = await _own(ctx, institution_id, record_id, correction_id)
    return (await _views(ctx, (record_id, row.settlement_id), [row]))[0]


async def list_of(
    ctx: Context, institution_id: int, record_id: int, settlement_id: int
) -> list[CorrectionView]:
    """The corrections of a settlement of the institution, oldest first. Raises ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        found = await store.list_corrections(conn, record_id, settlement_id)
    checked = [rows.check(ctx, row) for row in found]
    own = [one for one in checked if one.institution_id == institution_id]
    return await _views(ctx, (record_id, settlement_id), own)


async def list_awaiting(ctx: Context, institution_id: int) -> list[AwaitingView]:
    """What waits for a second person of the institution, oldest first. Raises ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        found = await store.list_awaiting(conn, institution_id)
    views = []
    for row in [rows.check(ctx, one) for one in found]:
        (view,) = await _views(ctx, (row.record_id, row.settlement_id), [row])
        views.append(AwaitingView(correction=view, posted=await _posted(ctx, view.settlement)))
    return views


async def list_posted(ctx: Context, record_id: int, institution_id: int) -> list[PostedView]:
    """What an institution may give back to the record's person, newest first.

    Raises ``RowTampered``.
    """
    since = ctx.clock.now() - POSTED_SHOWN
    found: list[Settlement] = []
    for one in await persons.list_records(ctx, record_id):
        async with connection(ctx.pool) as conn:
            posted = await store.list_posted(conn, one, institution_id, since)
        found += [door.check(ctx, row) for row in posted]
    return [await _posted(ctx, row) for row in found[:POSTED_MAX]]


async def _posted(ctx: Context, row: Settlement) -> PostedView:
    charged = await bill.read(ctx, row.record_id, row.bill_id)
    settled = await bill.read_version(ctx, row.record_id, row.bill_id, row.bill_version)
    return PostedView(settlement=row, bill_no=charged.bill_no, lines=settled.lines)


async def _views(
    ctx: Context, key: door.Key, corrections: list[Correction]
) -> list[CorrectionView]:
    async with connection(ctx.pool) as conn:
        settlement = await door.read(conn, ctx, key)
        refunds = await payment.list_refunds(conn, ctx, *key)
        return [
            CorrectionView(
                correction=row,
                content=await rows.content_of(conn, ctx, row),
                settlement=settlement,
                refunds=[one for one in refunds if _is_for(row, settlement, one)],
            )
            for row in corrections
        ]


def _is_for(row: Correction, settlement: Settlement, refund: Refund) -> bool:
    """Whether money goes back for this correction; sent again after a failure it has a suffix."""
    if row.state in (_S.AWAITING_APPROVAL, _S.REFUSED):
        return False
    causes = {tender.REVERSAL} if row.is_return or row.state is _S.UNDONE else set()
    if row.round_no is not None:
        causes.add(giving_back.cause_of(replace(settlement, round_no=row.round_no)))
    return refund.cause.partition(":after:")[0] in causes


def _check_correctable(row: Settlement, charged: Bill, bill_version: int) -> None:
    if row.correcting:
        raise CorrectionUnderWay
    if row.state is not SettlementState.POSTED:
        raise SettlementNotCorrectable
    if not row.bill_version == charged.version == bill_version:
        raise BillVersionStale


async def _begin(
    conn: Connection,
    ctx: Context,
    row: Settlement,
    correction: Correction,
    content: CorrectionContent,
    charged: Bill,
) -> None:
    """From here on the settlement's own machine goes on. Locks: bill, then settlement."""
    row = await tender.sync(conn, ctx, row)
    if correction.is_return:
        returned = replace(row, reason="returned")
        await door.advance(conn, ctx, returned, SettlementEvent.RETURN_ASKED, None)
        return
    corrected = CorrectBill(
        record_id=row.record_id,
        bill_id=row.bill_id,
        holder_id=row.settlement_id,
        replaces=row.bill_version,
        lines=remaining_lines(charged.lines, content.lines),
    )
    await bill.correct(conn, ctx, corrected)
    changed = replace(row, reason="corrected")
    await door.advance(conn, ctx, changed, SettlementEvent.CORRECTED, None)


async def _decided(
    conn: Connection,
    ctx: Context,
    before: Correction,
    person: Person,
    event: CorrectionEvent,
) -> Correction:
    now = ctx.clock.now()
    refused = event is CorrectionEvent.REFUSE
    after = await rows.advance(
        conn,
        ctx,
        before,
        event,
        decided_by=person.staff_no,
        decided_through=person.through,
        decided_at=now,
        ended_at=now if refused else None,
    )
    await _note(conn, ctx, after, f"correction.{after.state.value.lower()}", person)
    items = ItemsOf(record_id=after.record_id, kind="correction", subject_id=after.correction_id)
    await casework.close_items_of(conn, ctx, items, "refused" if refused else "approved")
    return after


async def _own(ctx: Context, institution_id: int, record_id: int, correction_id: int) -> Correction:
    async with connection(ctx.pool) as conn:
        found = await store.find_correction(conn, record_id, correction_id)
    row = rows.check(ctx, found)
    if row.institution_id != institution_id:
        raise NotFound
    return row


async def _note(
    conn: Connection, ctx: Context, row: Correction, action: str, person: Person
) -> None:
    await audit.append(
        conn,
        ctx,
        AuditEntry(
            record_id=row.record_id,
            action=action,
            actor_kind=person.caller_kind,
            actor_id=person.caller_id,
            institution_id=row.institution_id,
            facts={
                "settlement_id": row.settlement_id,
                "correction_id": row.correction_id,
                "amount_fen": row.amount_fen,
                "bill_version": row.bill_version,
                "staff_no": person.staff_no,
            },
        ),
    )


async def _open_item(conn: Connection, ctx: Context, row: Correction) -> None:
    await casework.open_item(
        conn,
        ctx,
        NewItem(
            record_id=row.record_id,
            kind="correction",
            subject_id=row.correction_id,
            institution_id=row.institution_id,
            reason=_AWAITS,
            evidence={
                "settlement_id": row.settlement_id,
                "amount_fen": row.amount_fen,
                "asked_by": row.asked_by,
            },
        ),
    )
