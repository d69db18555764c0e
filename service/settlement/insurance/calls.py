"""One call to the bureau: intent committed, the call outside, the outcome through the door.

A call whose outcome was never recorded (this process died) is judged as an unknown answer.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from service.institution import actions as institution
from service.institution.model import Institution, MovedAmounts
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.joined_reads import read_together, row_of
from service.settlement import consequences, door, endings, rules, store
from service.settlement.giving_back import give_back
from service.settlement.insurance import own_part
from service.settlement.insurance.chains import Send, line_of
from service.settlement.insurance.judging import judge
from service.settlement.insurance.verdicts import Asked, Verdict
from service.settlement.model import CallKind, InsuranceCall, Progress, Settlement
from service.settlement.states import MACHINE, SettlementEvent, SettlementState
from service.settlement.tender import tender_of

NOT_RECORDED = Unknown("not-recorded")
AHEAD = 4
"""Message numbers taken at once: as many calls as a division of a short bill needs."""

_S = SettlementState
_E = SettlementEvent
_BEFORE_PAYMENT = frozenset(
    {
        CallKind.REGISTER,
        CallKind.DIAGNOSES,
        CallKind.CHARGES,
        CallKind.PRESETTLE,
        CallKind.ADJUDICATE,
    }
)
_MOVES_MONEY = frozenset(
    {
        CallKind.SETTLE,
        CallKind.FIND,
        CallKind.UNDO,
        CallKind.REVERSE,
        CallKind.LOOK,
        CallKind.RETURN_OWN,
        CallKind.RETURN_INSURANCE,
        CallKind.TELL,
        CallKind.COVER_CONFIRM,
        CallKind.COVER_FIND,
        CallKind.COVER_WITHDRAW,
    }
)
"""Clearing up such a call is no progress: its rounds are counted until a person must look."""

_TELLS = frozenset(
    {
        CallKind.REGISTER,
        CallKind.PRESETTLE,
        CallKind.SETTLE,
        CallKind.FIND,
        CallKind.CONFIRM,
        CallKind.COVER_CONFIRM,
        CallKind.COVER_FIND,
        CallKind.COVER_WITHDRAW,
    }
)
"""What is answered to these is kept: reconciliation names visits, settlements and claims."""


class Round(msgspec.Struct, kw_only=True):
    """Calls one after another in one state: each outcome is committed with the next intent."""

    began: datetime
    next_kind: Callable[[Progress], CallKind]
    numbers: list[str] = []
    """Message numbers taken ahead."""
    intent: InsuranceCall | None = None
    """Committed with the last outcome, not sent yet."""
    progress: Progress | None = None
    """As that outcome left it."""

    def intend(
        self, ctx: Context, row: Settlement, call: InsuranceCall, progress: Progress
    ) -> InsuranceCall | None:
        """The call that follows ``call``; None where it is not made at once."""
        going_on = ctx.clock.now() - self.began <= ctx.policy.lease / 8
        if not going_on or not self.numbers or row.state is not _S.PRESETTLING:
            return None
        if progress.insured is None:
            return None
        self.progress = progress
        kind = self.next_kind(progress)
        self.intent = _intent(ctx, row, kind, self.numbers.pop(0)) if kind != call.kind else None
        return self.intent


async def call(
    ctx: Context,
    row: Settlement,
    progress: Progress,
    kind: CallKind,
    send: Send,
    within: Round | None = None,
) -> Settlement | None:
    """Make one call and let its outcome act. Raises ``door.LostRace`` when the row has moved on.

    Gives the settlement as it stands then; None when another recorded the outcome.
    ``within`` a round, whose intent is this call's where there is one. Raises ``PartnerUnknown``
    before anything is written.
    """
    place = await institution.get_institution(ctx, row.institution_id)
    gateway = line_of(ctx, place.code, row, progress)
    if within is not None and within.intent is not None:
        intent, waiting = within.intent, row
    else:
        intent, waiting = await _intend(ctx, row, kind, place.code, within)
    outcome = await send(gateway, intent.wire_id)
    ctx.metrics.outcomes.labels(gateway.code, kind.value, type(outcome).__name__).inc()
    return await record(ctx, place, intent, outcome, waiting, within)


def goes_on(ctx: Context, began: datetime, row: Settlement | None) -> bool:
    """Whether a step that ``began`` then may go on with what its call left."""
    now = ctx.clock.now()
    due = row is not None and row.due_at is not None and row.due_at <= now
    return due and now - began <= ctx.policy.lease / 8


async def read(ctx: Context, key: door.Key) -> tuple[Settlement, InsuranceCall | None]:
    """The settlement with its call that has no outcome. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        found, calls = await read_together(
            conn, store.settlement_read(*key), store.open_call_read(*key)
        )
    return door.checked(ctx, found), row_of(InsuranceCall, calls[0]) if calls else None


async def finish_open(ctx: Context, row: Settlement, open_call: InsuranceCall) -> None:
    """Take up a call that a dead process left without an outcome."""
    place = await institution.get_institution(ctx, row.institution_id)
    await record(ctx, place, open_call, NOT_RECORDED, None)


async def _intend(
    ctx: Context, row: Settlement, kind: CallKind, institution_code: str, within: Round | None
) -> tuple[InsuranceCall, Settlement]:
    now = ctx.clock.now()
    numbers = [] if within is None else within.numbers
    if not numbers:
        count = 1 if within is None else AHEAD
        async with connection(ctx.pool) as bare:
            # Rows of their own, by keys of their own: a number taken in vain does no harm.
            numbers += await institution.take_message_nos(bare, ctx, institution_code, count)
    intent = _intent(ctx, row, kind, numbers.pop(0))
    async with transaction(ctx.pool) as conn:
        # After a crash from here on the row is due after a pause: the bureau has settled down.
        waiting = replace(row, due_at=now + ctx.policy.retry_after)
        waiting = await door.keep(conn, ctx, waiting, None)
        await store.insert_call(conn, intent, door.LostRace())
    return intent, waiting


def _intent(ctx: Context, row: Settlement, kind: CallKind, message_no: str) -> InsuranceCall:
    return InsuranceCall(
        record_id=row.record_id,
        call_id=ctx.ids.new(),
        settlement_id=row.settlement_id,
        kind=kind,
        message_no=message_no,
        called_at=ctx.clock.now(),
        outcome=None,
        undone_by=None,
        evidence=None,
    )


async def record(
    ctx: Context,
    place: Institution,
    intent: InsuranceCall,
    outcome: Outcome[Any],
    waiting: Settlement | None,
    within: Round | None = None,
) -> Settlement | None:
    """The outcome, in one transaction with all that follows from it; again changes nothing.

    ``waiting`` is the settlement as the intent left it; None to read it. Gives it as it stands
    then, None when the outcome was recorded before.
    """

    async def decide(conn: Connection, row: Settlement) -> Settlement | None:
        if within is not None:
            within.intent = within.progress = None
        if row is not waiting and not await _is_open(conn, intent):
            return None
        evidence = await _evidence(conn, ctx, intent, outcome)
        await store.finish_call(conn, intent, label(outcome), evidence, door.LostRace())
        progress = await door.progress_of(conn, ctx, row)
        asked = Asked(
            call=intent,
            progress=progress,
            state=row.state,
            total_fen=row.total_fen,
            paid_fen=await _kept_fen(conn, ctx, row),
            undo_moved=place.moved_amounts is MovedAmounts.UNDO,
            correcting=row.correcting,
        )
        verdict = judge(asked, outcome)
        return await _follow(conn, ctx, row, intent, progress, verdict, within)

    return await door.through(ctx, (intent.record_id, intent.settlement_id), decide, waiting)


async def _is_open(conn: Connection, intent: InsuranceCall) -> bool:
    found = await store.find_open_call(conn, intent.record_id, intent.settlement_id)
    return found is not None and found.call_id == intent.call_id


async def _kept_fen(conn: Connection, ctx: Context, row: Settlement) -> int:
    """What the payer paid and was not promised back: nothing was, before a first correction."""
    return (await tender_of(conn, ctx, row)).kept_fen if row.round_no else row.paid_fen


def label(outcome: Outcome[Any]) -> str:
    """The outcome in one word, for the row."""
    match outcome:
        case Accepted():
            return "accepted"
        case Rejected(reason=reason):
            return f"rejected:{reason}"
        case NotSent(why=why):
            return f"not-sent:{why}"
        case Unknown(why=why):
            return f"unknown:{why}"
        case _:
            assert_never(outcome)


async def _evidence(
    conn: Connection, ctx: Context, intent: InsuranceCall, outcome: Outcome[Any]
) -> bytes | None:
    """The partner's own words and amounts, sealed: a reviewer needs them, a dump must not."""
    kept: object
    match outcome:
        case Rejected():
            kept = {"code": outcome.provider_code, "text": outcome.provider_text}
        case Unknown() if outcome.evidence:
            kept = outcome.evidence
        case Accepted() if intent.kind in _TELLS:
            kept = outcome.value
        case _:
            return None
    key = await ctx.sealer.record_key(conn, intent.record_id)
    text = msgspec.json.encode(kept)
    return ctx.sealer.seal(key, "insurance_call", "evidence", intent.call_id, text)


async def _follow(
    conn: Connection,
    ctx: Context,
    row: Settlement,
    intent: InsuranceCall,
    before: Progress,
    verdict: Verdict,
    within: Round | None,
) -> Settlement:
    """Write what the verdict says: facts always, the event only where it still means something."""
    progress = verdict.progress
    changed = _with_amounts(row, progress)
    if verdict.undid and before.doubt is not None:
        await store.mark_undone(
            conn,
            row.record_id,
            row.settlement_id,
            before.doubt.call.message_no,
            intent.call_id,
        )
    if verdict.left_behind is not None:
        await consequences.open_item(conn, ctx, row, verdict.left_behind)
    await _post_change(conn, ctx, row, before, progress)
    event = verdict.event if _counts(row, intent, verdict.event) else None
    if event is None:
        saved = await _stay(conn, ctx, changed, intent, verdict, within)
        return await own_part.follow(conn, ctx, saved, verdict)
    if verdict.reason is not None:
        changed = replace(changed, reason=verdict.reason)
    if event is _E.SETTLED:
        changed = replace(changed, settled_at=ctx.clock.now(), reason=None)
    saved = await door.advance(conn, ctx, changed, event, progress)
    if verdict.refund_fen:
        await give_back(conn, ctx, saved, verdict.refund_fen)
    return saved


async def _stay(
    conn: Connection,
    ctx: Context,
    row: Settlement,
    intent: InsuranceCall,
    verdict: Verdict,
    within: Round | None,
) -> Settlement:
    """The state stays; when it is looked at again depends on what was heard."""
    now = ctx.clock.now()
    match verdict.again:
        case "later":
            return await postpone(conn, ctx, row, verdict.progress)
        case "wait":
            waiting = replace(row, tries=0, due_at=now + rules.ASK_EVERY)
            return await door.keep(conn, ctx, waiting, verdict.progress)
        case _:
            tries = row.tries if intent.kind in _MOVES_MONEY else 0
            again = replace(row, tries=tries, due_at=now)
            if within and (then := within.intend(ctx, row, intent, verdict.progress)):
                again = replace(again, due_at=now + ctx.policy.retry_after)
                saved = await door.keep(conn, ctx, again, verdict.progress)
                await store.insert_call(conn, then, door.LostRace())
                return saved
            return await door.keep(conn, ctx, again, verdict.progress)


def _counts(row: Settlement, intent: InsuranceCall, event: SettlementEvent | None) -> bool:
    """An answer that comes after the payer gave up is a fact, not an event."""
    if event is None or not MACHINE.allows(row.state, event):
        return False
    return intent.kind not in _BEFORE_PAYMENT or row.state is _S.PRESETTLING


def _with_amounts(row: Settlement, progress: Progress) -> Settlement:
    """The amounts that the bureau last told and that add up."""
    split = progress.split
    if split is None or rules.split_faults(split, row.total_fen):
        return row
    return replace(
        row,
        fund_fen=split.fund_fen,
        account_fen=split.account_fen,
        cover_fen=None if progress.cover is None else progress.cover_fen,
        cash_fen=split.cash_fen - progress.cover_fen,
        hospital_fen=split.hospital_fen,
        settlement_ref=progress.settled.settlement_ref
        if progress.settled is not None
        else row.settlement_ref,
    )


async def _post_change(
    conn: Connection, ctx: Context, row: Settlement, before: Progress, after: Progress
) -> None:
    """The ledger follows the bureau's book and the insurer's: the opposite entry when they
    revoke."""
    await consequences.post_cover_change(conn, ctx, row, before.cover, after.cover)
    if before.settled is None and after.settled is not None:
        split, post = after.settled.split, consequences.post_bureau
    elif before.settled is not None and after.settled is None:
        split, post = before.settled.split, consequences.post_bureau_undone
    else:
        return
    if rules.split_faults(split, row.total_fen):
        return
    await post(
        conn,
        ctx,
        row,
        insurer_fen=split.fund_fen + split.account_fen,
        hospital_fen=split.hospital_fen,
    )


async def postpone(
    conn: Connection, ctx: Context, row: Settlement, progress: Progress | None
) -> Settlement:
    """No progress: try again after a while, until the state's deadline or the last try."""
    now = ctx.clock.now()
    later = door.postponed(row, now, rules.back_off(row.tries + 1, ctx.policy.retry_after))
    if row.state is _S.PRESETTLING and rules.is_past(row.deadline_at, now):
        late = replace(later, reason="insurance-unreachable")
        return await door.advance(conn, ctx, late, _E.DEADLINE_PASSED, progress)
    bounded = row.state is _S.PRESETTLING or (
        row.state is _S.AWAITING_PAYER and not rules.is_past(row.deadline_at, now)
    )
    has_deadline = bounded and row.deadline_at is not None
    if later.tries > ctx.policy.tries_max and not has_deadline:
        stuck = endings.stuck(row.state)
        if row.state is not _S.REVERSING and MACHINE.allows(row.state, _E.CONTRADICTED):
            lost = replace(later, reason=stuck)
            return await door.advance(conn, ctx, lost, _E.CONTRADICTED, progress)
        # Undoing never gives up by itself; a person is told and the tries go on.
        await consequences.open_item(conn, ctx, later, stuck)
    return await door.keep(conn, ctx, later, progress)
