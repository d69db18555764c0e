"""What must come with a state, whoever brings it about: bill, ledger, events, audit, work items."""

import msgspec

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.bill import actions as bill
from service.casework import actions as casework
from service.casework.model import NewItem
from service.kernel import outbox
from service.kernel.context import Context
from service.kernel.database import Connection
from service.ledger import actions as ledger
from service.ledger.model import (
    DEPOSIT,
    HOSPITAL,
    HOSPITAL_BURDEN,
    INSURER,
    PATIENT,
    NewPosting,
    cover_account,
)
from service.payment import actions as payment
from service.payment.states import AttemptState
from service.receipt import invoices
from service.receipt.model import PostedFacts
from service.settlement import endings, store
from service.settlement.corrections import rows
from service.settlement.corrections.model import BillAfter
from service.settlement.cover.model import Cover
from service.settlement.model import Progress, Settlement
from service.settlement.states import CorrectionEvent, SettlementEvent, SettlementState
from service.settlement.stays import deposits

_S = SettlementState
_E = SettlementEvent

TOPICS = {
    _S.POSTING: "settlement.settled",
    _S.POSTED: "settlement.posted",
    _S.REVERSED: "settlement.reversed",
}
CORRECTED = "settlement.corrected"
WRITE_OFF_REASON = "退费"
"""What stands on the red invoice."""
_AUDITED = frozenset({_S.SETTLED, _S.POSTED, _S.RECALLING, _S.REVERSED, _S.NEEDS_REVIEW})


async def for_bill(conn: Connection, ctx: Context, row: Settlement) -> None:
    """A settled bill is paid; an undone settlement gives it back, or whoever gave all of it back
    wants it withdrawn."""
    if row.state is _S.SETTLED:
        await bill.mark_paid(conn, ctx, row.record_id, row.bill_id, row.settlement_id)
    elif row.state is _S.REVERSED:
        running = await rows.find_running(conn, ctx, row)
        withdrawn = running is not None and running.bill_after is BillAfter.WITHDRAWN
        give = bill.take_back if withdrawn else bill.release
        await give(conn, ctx, row.record_id, row.bill_id, row.settlement_id)


async def for_others(
    conn: Connection, ctx: Context, row: Settlement, progress: Progress, event: SettlementEvent
) -> None:
    """Ledger, hospital's list, events, audit and work item of the state that was entered."""
    if event in (_E.CORRECTED, _E.RETURN_ASKED):
        await _owe_payer(conn, ctx, row, progress)
        await invoices.write_off(
            conn,
            ctx,
            row.record_id,
            row.settlement_id,
            row.institution_id,
            WRITE_OFF_REASON,
            row.round_no,
        )
    elif event is _E.AMOUNTS_REFUSED and row.round_no:
        await open_item(conn, ctx, row, "correction-undone")
    if row.state is _S.SETTLED:
        await _take_own_part(conn, ctx, row, progress)
    elif row.state is _S.POSTING:
        await store.insert_to_post(conn, row, progress.bill_no)
    elif row.state is _S.POSTED:
        await store.mark_posted(conn, row.institution_id, row.settlement_id, row.updated_at)
    elif row.state is _S.NEEDS_REVIEW:
        await open_item(conn, ctx, row, row.reason or endings.CONTRADICTED)
    if row.state in (_S.POSTED, _S.REVERSED):
        await _end_correction(conn, ctx, row)
    if (topic := topic_of(row)) is not None:
        await outbox.append(
            conn,
            ctx.ids,
            ctx.clock.now(),
            record_id=row.record_id,
            topic=topic,
            subject_id=row.settlement_id,
            body={
                **await event_body(conn, ctx, row, progress),
                "version": row.version,
                "sequence": 1 + await store.count_entered(conn, row, list(TOPICS)),
                "bill_no": progress.bill_no,
                "occurred_at": row.updated_at.isoformat(),
            },
        )
    if row.state in _AUDITED:
        await note(conn, ctx, row, f"settlement.{row.state.value.lower().replace('_', '-')}")


async def _take_own_part(
    conn: Connection, ctx: Context, row: Settlement, progress: Progress
) -> None:
    """What the payer paid is the hospital's, or held by it for a stay."""
    owed_to = deposits.payee(progress)
    await post(conn, ctx, row, "settled:patient", (PATIENT, owed_to), row.cash_fen or 0)
    if owed_to == DEPOSIT and not await deposits.hold(conn, ctx, row, progress):
        await open_item(conn, ctx, row, "deposit-after-discharge")


async def _owe_payer(conn: Connection, ctx: Context, row: Settlement, progress: Progress) -> None:
    """What was the hospital's, or held by it, is the payer's again."""
    owed_by = deposits.payee(progress)
    own_fen = row.cash_fen or 0
    if owed_by == DEPOSIT:
        own_fen = await deposits.end(conn, ctx, row)
    await post(conn, ctx, row, "reversed:patient", (owed_by, PATIENT), own_fen)


def topic_of(row: Settlement) -> str | None:
    """What is told about the state that was entered."""
    return CORRECTED if row.state is _S.POSTING and row.round_no else TOPICS.get(row.state)


async def _end_correction(conn: Connection, ctx: Context, row: Settlement) -> None:
    """What ran is done; what was to give lines back has undone all of it instead."""
    running = await rows.find_running(conn, ctx, row)
    if running is None:
        return
    done = running.is_return == (row.state is _S.REVERSED)
    event = CorrectionEvent.FINISH if done else CorrectionEvent.UNDO
    await rows.advance(conn, ctx, running, event, ended_at=row.updated_at)


async def event_body(
    conn: Connection, ctx: Context, row: Settlement, progress: Progress
) -> dict[str, str | int | bool | None]:
    """The receipt's facts in the body of the ``settlement.*`` topics, no personal data."""
    split = progress.settled.split if progress.settled is not None else None
    body: dict[str, str | int | bool | None] = msgspec.to_builtins(
        PostedFacts(
            bill_id=ctx.public_ids.text(row.record_id, row.bill_id),
            institution_id=row.institution_id,
            total_fen=row.total_fen,
            fund_fen=row.fund_fen or 0,
            account_fen=row.account_fen or 0,
            cash_fen=row.cash_fen or 0,
            hospital_fen=row.hospital_fen or 0,
            paid_by=row.paid_by,
            provider_ref=row.provider_ref,
            insurance_ref=row.settlement_ref,
            full_own_fen=split.full_own_fen if split is not None else 0,
            first_pay_fen=split.first_pay_fen + split.over_limit_fen if split is not None else 0,
            bill_version=row.bill_version,
            round_no=row.round_no,
            tenders=await _tenders(conn, ctx, row),
            kind=progress.kind,
            stay_no=progress.stay_no,
            cover_fen=row.cover_fen or 0,
        )
    )
    return body


async def _tenders(conn: Connection, ctx: Context, row: Settlement) -> str:
    """What is left to each payment of the own part, oldest first, refunds promised or done off."""
    kept: dict[str, int] = {}
    for one in reversed(await payment.list_attempts(conn, ctx, row.record_id, row.settlement_id)):
        if one.state is AttemptState.PAID:
            left_fen = one.amount_fen - one.refunding_fen - one.refunded_fen
            kept[one.provider] = kept.get(one.provider, 0) + left_fen
    return "+".join(f"{provider}:{fen}" for provider, fen in kept.items() if fen)


async def note(conn: Connection, ctx: Context, row: Settlement, action: str) -> None:
    """An audit entry for what the system did to the settlement."""
    await audit.append(
        conn,
        ctx,
        AuditEntry(
            record_id=row.record_id,
            action=action,
            actor_kind="system",
            actor_id=0,
            institution_id=row.institution_id,
            facts={
                "settlement_id": row.settlement_id,
                "state": row.state.value,
                "reason": row.reason,
                "total_fen": row.total_fen,
                "cash_fen": row.cash_fen,
            },
        ),
    )


async def open_item(conn: Connection, ctx: Context, row: Settlement, reason: str) -> None:
    """A work item about the settlement; while it is open a repeat adds nothing."""
    await casework.open_item(
        conn,
        ctx,
        NewItem(
            record_id=row.record_id,
            kind="settlement",
            subject_id=row.settlement_id,
            institution_id=row.institution_id,
            reason=reason,
            evidence={
                "state": row.state.value,
                "total_fen": row.total_fen,
                "cash_fen": row.cash_fen,
                "paid_fen": row.paid_fen,
                "refunded_fen": row.refunded_fen,
                "insurance_ref": row.settlement_ref,
                "version": row.version,
            },
        ),
    )


async def post(
    conn: Connection,
    ctx: Context,
    row: Settlement,
    cause: str,
    sides: tuple[str, str],
    amount_fen: int,
) -> None:
    """One posting (debit, credit) of the settlement's present round; nothing without an amount."""
    if amount_fen == 0:
        return
    await ledger.post(
        conn,
        ctx,
        NewPosting(
            record_id=row.record_id,
            settlement_id=row.settlement_id,
            institution_id=row.institution_id,
            cause=cause + row.cause_suffix,
            debit=sides[0],
            credit=sides[1],
            amount_fen=amount_fen,
        ),
    )


async def post_bureau(
    conn: Connection, ctx: Context, row: Settlement, *, insurer_fen: int, hospital_fen: int
) -> None:
    """The bureau settled: it owes its part, and the hospital bears its own."""
    await post(conn, ctx, row, "settled:insurer", (INSURER, HOSPITAL), insurer_fen)
    await post(conn, ctx, row, "settled:burden", (HOSPITAL_BURDEN, HOSPITAL), hospital_fen)


async def post_bureau_undone(
    conn: Connection, ctx: Context, row: Settlement, *, insurer_fen: int, hospital_fen: int
) -> None:
    """The bureau's settlement was revoked: the same the other way round."""
    await post(conn, ctx, row, "reversed:insurer", (HOSPITAL, INSURER), insurer_fen)
    await post(conn, ctx, row, "reversed:burden", (HOSPITAL, HOSPITAL_BURDEN), hospital_fen)


async def post_cover_change(
    conn: Connection, ctx: Context, row: Settlement, before: Cover | None, after: Cover | None
) -> None:
    """The commercial insurer granted: it owes that much. It withdrew: the same the other way."""
    was_fen, is_fen = _owed_by(before), _owed_by(after)
    known = after or before
    if known is None or was_fen == is_fen:
        return
    account = cover_account(known.insurer)
    await post(conn, ctx, row, "reversed:cover", (HOSPITAL, account), was_fen)
    await post(conn, ctx, row, "settled:cover", (account, HOSPITAL), is_fen)


def _owed_by(cover: Cover | None) -> int:
    return (cover.granted_fen or 0) if cover is not None else 0
