"""The hospital's own machine takes insurance calls, and reports what became of them.

Taking and answering are compare-and-sets on the ask alone; whoever asked waits for it (``asks``)
and lets the answer act. An answer that nobody waits for any more changes nothing by itself.
"""

import re
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from service.casework import actions as casework
from service.casework.model import NewItem
from service.kernel.clock import CLOCKS_APART
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.limits import BoundedQueue
from service.kernel.logs import get_logger
from service.kernel.principals import Application
from service.kernel.problems import MalformedRequest, NotFound, RowTampered, StateConflict
from service.settlement.asks import asking, rules, store
from service.settlement.asks.model import AskContent, AskView, InsuranceAsk, SignedReport, Told
from service.settlement.problems import InsuranceAnswerDiffers, InsuranceAnswerUneven
from service.settlement.states import AskEvent, AskState

TAKEN_MAX = 20
"""Given out by one request."""
HELD_MAX = 16
"""Requests of one process that wait for something to take; a further one is answered at once."""
WAIT_S_MAX = 20
LOOK_S = 0.5
ASKED_AGO_MAX = CLOCKS_APART + timedelta(minutes=1)
"""Nobody waits for an older ask, whatever the clocks."""
UNEVEN, DIFFERS = "insurance-answer-uneven", "insurance-answer-differs"
_NUMBER = re.compile(r"[0-9A-Za-z]{1,30}", re.ASCII)
_log = get_logger("settlement")


class HeldTakes(BoundedQueue):
    """Places for requests that wait for something to take."""

    def __init__(self) -> None:
        super().__init__(running=HELD_MAX, waiting=0, patience_s=0.1)


async def take(
    ctx: Context, application: Application, held: HeldTakes, *, wait_s: int, again: bool
) -> list[AskView]:
    """What is asked of the hospital, oldest first; each is given out once.

    ``again``: also what was taken and not answered, where nothing was asked about its settlement
    since: whoever asked has given up waiting for the rest. Waits up to ``wait_s`` while there is
    nothing.
    """
    found = await _take(ctx, application, again=again)
    if found or not wait_s or held.is_full:
        return found
    left_s = float(wait_s)
    async with held.place():
        while not found and left_s > 0:
            await ctx.clock.sleep(min(LOOK_S, left_s))
            left_s -= LOOK_S
            found = await _take(ctx, application, again=False)
    return found


async def _take(ctx: Context, application: Application, *, again: bool) -> list[AskView]:
    now = ctx.clock.now()
    place = application.institution_id
    async with connection(ctx.pool) as conn:
        asked = await store.list_asked(conn, place, now - ASKED_AGO_MAX, TAKEN_MAX)
        before = await store.list_taken(conn, place, TAKEN_MAX) if again else []
    found = []
    for row in [*before, *asked]:
        view = await _readable(ctx, row)
        if view is not None and row.state is AskState.ASKED:
            view = await _taken(ctx, application, view)
        if view is not None:
            found.append(view)
    return found


async def _taken(ctx: Context, application: Application, view: AskView) -> AskView | None:
    """None when it was withdrawn, or somebody else took it."""
    taken = replace(
        asking.advanced(view.ask, AskEvent.TAKE),
        taken_at=ctx.clock.now(),
        taken_by=application.application_id,
    )
    taken = asking.sealed(ctx, taken)
    async with connection(ctx.pool) as conn:
        won = await store.save_ask(conn, taken)
    return replace(view, ask=taken) if won else None


async def _readable(ctx: Context, row: InsuranceAsk) -> AskView | None:
    """None for a row that was changed from outside, or whose person was forgotten: it is left where
    it is, and does not stop the others."""
    try:
        return await _open(ctx, asking.check(ctx, row))
    except RowTampered as fault:
        _log.error("insurance_ask.tampered", fault=fault)
    except NotFound:
        _log.warning("insurance_ask.forgotten")
    return None


async def _open(ctx: Context, row: InsuranceAsk) -> AskView:
    async with connection(ctx.pool) as conn:
        key = await ctx.sealer.record_key(conn, row.record_id)
    text = ctx.sealer.open(key, asking.TABLE, "asked", row.ask_id, row.asked)
    report = None
    if row.signed is not None:
        signed = ctx.sealer.open(key, asking.TABLE, "signed", row.ask_id, row.signed)
        report = msgspec.json.decode(signed, type=SignedReport)
    content = msgspec.json.decode(text, type=AskContent)
    return AskView(ask=row, content=content, report=report)


async def read(ctx: Context, application: Application, message_no: str) -> AskView:
    """An ask that the hospital took, with its own signed report. Raises ``NotFound``,
    ``RowTampered``."""
    return await _open(ctx, await _read(ctx, application, message_no))


async def _read(ctx: Context, application: Application, message_no: str) -> InsuranceAsk:
    """Raises ``NotFound`` for another institution's, and for what was never given out."""
    if _NUMBER.fullmatch(message_no) is None:
        raise NotFound
    async with connection(ctx.pool) as conn:
        found = await store.find_ask(conn, application.institution_id, message_no)
    if found is None:
        raise NotFound
    row = asking.check(ctx, found)
    if row.taken_at is None:
        raise NotFound
    return row


async def answer(
    ctx: Context, application: Application, message_no: str, told: Told, report: SignedReport
) -> AskView:
    """The hospital says what became of a call. Again with the same changes nothing.

    Raises ``NotFound``, ``MalformedRequest``, ``InsuranceAnswerUneven``,
    ``InsuranceAnswerDiffers``, ``RowTampered``.
    """
    for _ in range(asking.RACES_MAX):
        row = await _read(ctx, application, message_no)
        if (fault := rules.shape_fault(row.kind, told)) is not None:
            raise MalformedRequest(fault)
        if faults := rules.sum_faults(row, told):
            await _tell(ctx, row, told, UNEVEN)
            raise InsuranceAnswerUneven(", ".join(faults))
        if row.state is AskState.ANSWERED:
            return await _repeated(ctx, row, told, report)
        answered = await _answered(ctx, application, row, told, report)
        async with connection(ctx.pool) as conn:
            if await store.save_ask(conn, answered):
                return await _open(ctx, answered)
    raise StateConflict("the ask is changing; try again")


async def _answered(
    ctx: Context, application: Application, row: InsuranceAsk, told: Told, report: SignedReport
) -> InsuranceAsk:
    changed = replace(
        asking.advanced(row, AskEvent.ANSWER),
        answered_at=ctx.clock.now(),
        answered_by=application.application_id,
        answer=await _seal(ctx, row, "answer", told),
        signed=await _seal(ctx, row, "signed", report),
    )
    return asking.sealed(ctx, changed)


async def _seal(ctx: Context, row: InsuranceAsk, column: str, content: msgspec.Struct) -> bytes:
    async with connection(ctx.pool) as conn:
        key = await ctx.sealer.record_key(conn, row.record_id)
    text = msgspec.json.encode(content)
    return ctx.sealer.seal(key, asking.TABLE, column, row.ask_id, text)


async def _repeated(ctx: Context, row: InsuranceAsk, told: Told, report: SignedReport) -> AskView:
    """Raises ``InsuranceAnswerDiffers``, once the first such request is kept and a person told."""
    if await asking.told_of(ctx, row) == told:
        return await _open(ctx, row)
    if row.differing is None:
        differing = await _seal(ctx, row, "differing", report)
        kept = asking.sealed(ctx, replace(row, differing=differing, version=row.version + 1))
        async with connection(ctx.pool) as conn:
            await store.save_ask(conn, kept)
    await _tell(ctx, row, told, DIFFERS)
    raise InsuranceAnswerDiffers


async def _tell(ctx: Context, row: InsuranceAsk, told: Told, reason: str) -> None:
    """A work item about the settlement, with what was reported."""
    split = rules.division(told)
    item = NewItem(
        record_id=row.record_id,
        kind="settlement",
        subject_id=row.settlement_id,
        institution_id=row.institution_id,
        reason=reason,
        evidence={
            "message_no": row.message_no,
            "ask": row.kind.value,
            "result": told.result.value,
            "total_fen": row.total_fen,
            "fund_fen": split.fund_fen if split is not None else None,
            "account_fen": split.account_fen if split is not None else None,
            "cash_fen": split.cash_fen if split is not None else None,
            "hospital_fen": split.hospital_fen if split is not None else None,
        },
    )
    async with transaction(ctx.pool) as conn:
        await casework.open_item(conn, ctx, item)
