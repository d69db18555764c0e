"""Which single settlements differ: our lines against the bureau's (3202), once totals differ.

Judges by what the bureau's file lists, never by what it leaves out: the file has no footer, so a
line that is no longer listed is closed only when the totals agree.
"""

import hashlib
from collections import Counter
from datetime import date

import msgspec

from integrations.ports.insurance import (
    CallId,
    ClearingCalls,
    ClearingLine,
    ClearingLines,
    Finding,
    InsuranceGateway,
    LineDifference,
)
from integrations.ports.outcomes import Accepted, Rejected
from integrations.ports.statements import StatementUnusable
from service.institution import actions as institution
from service.institution.model import Institution
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.reconcile import items, loading, store
from service.reconcile.insured import Entry, Ours
from service.reconcile.model import Account, Class

KIND = "settlement"
REVERSAL_MARK = ":reversal"
MIDNIGHT = "crosses-midnight"
CLASSES = {
    Finding.ONLY_HERE: Class.ONLY_HERE,
    Finding.ONLY_THERE: Class.ONLY_THERE,
    Finding.AMOUNTS_DIFFER: Class.AMOUNT_DIFFERS,
    Finding.UNLISTED: Class.STATE_DIFFERS,
}


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison by lines came to; ``reason`` says why there was none."""

    classes: dict[str, int] = {}
    reason: str | None = None
    is_refusal: bool = False
    """The bureau does not compare by lines, or said no; not merely silent."""


async def compare(
    ctx: Context,
    account: Account,
    place: Institution,
    gateway: InsuranceGateway,
    ours: Ours,
    day: date,
) -> Compared:
    """Ask, check the file against what was uploaded, keep each difference as a row."""
    lines = [one.line for one in ours.of(day)]
    asked = ClearingLines(clearing_type="", region="", first_day=day, last_day=day, lines=lines)
    calls = ClearingCalls(
        upload=await take_call(ctx, place),
        compare=await take_call(ctx, place),
        download=await take_call(ctx, place),
    )
    heard = await gateway.compare_lines(asked, calls)
    if not isinstance(heard, Accepted):
        refused = isinstance(heard, Rejected)
        why = heard.reason if isinstance(heard, Rejected) else heard.why
        return Compared(reason=f"lines-{why}", is_refusal=refused)
    digest = hashlib.sha256(heard.value)
    try:
        found = gateway.read_differences(heard.value)
        _check_is_ours(found, lines)
    except StatementUnusable as fault:
        reason = f"lines-{fault.reason}"
        file = await loading.keep_refused(ctx, account, day, reason, digest.digest())
        await items.open_file_item(ctx, file)
        return Compared(reason=reason)
    await items.close_file_items(ctx, account, day)
    rows = [_row(ctx, account, place, ours, day, one, digest.hexdigest()) for one in found]
    async with connection(ctx.pool) as conn:
        await store.upsert_differences(conn, [row for row, _ in rows])
    return Compared(classes=dict(Counter(held_class.value for _, held_class in rows)))


def _check_is_ours(found: list[LineDifference], lines: list[ClearingLine]) -> None:
    """A file that misses or corrects lines that we did not send answers something else."""
    sent = {(line.settlement_ref, line.reversed) for line in lines}
    for one in found:
        here = one.finding in (Finding.ONLY_HERE, Finding.AMOUNTS_DIFFER)
        if here and (one.settlement_ref, one.reversed) not in sent:
            raise StatementUnusable("line-not-sent")


def _row(
    ctx: Context,
    account: Account,
    place: Institution,
    ours: Ours,
    day: date,
    told: LineDifference,
    digest: str,
) -> tuple[tuple[object, ...], Class]:
    held = next(
        (
            one
            for one in ours.entries
            if (one.line.settlement_ref, one.line.reversed) == (told.settlement_ref, told.reversed)
        ),
        None,
    )
    neighbour = held is not None and held.day != day and told.finding is Finding.ONLY_THERE
    found = Class.CROSSES_MIDNIGHT if neighbour else CLASSES[told.finding]
    caller = ours.called.get(told.message_no or "")
    key = (held.record_id, held.settlement_id) if held is not None else caller
    row = (
        told.settlement_ref + (REVERSAL_MARK if told.reversed else ""),
        KIND,
        account.provider,
        account.account_name,
        day,
        ctx.ids.new(),
        found,
        0 if key is None else key[0],
        place.institution_id,
        _evidence(told, held, digest)
        | {"settlement_id": None if key is None else ctx.public_ids.text(*key)},
        ctx.clock.now(),
        MIDNIGHT if neighbour else None,
    )
    return row, found


def _evidence(
    told: LineDifference, held: Entry | None, digest: str
) -> dict[str, str | int | bool | None]:
    there_is = told.finding is not Finding.ONLY_HERE
    return {
        "settlement_ref": told.settlement_ref,
        "visit_ref": told.visit_ref,
        "message_no": told.message_no,
        "reversal": told.reversed,
        "there_fen": told.total_fen if there_is else None,
        "there_fund_fen": told.fund_fen if there_is else None,
        "there_account_fen": told.account_fen if there_is else None,
        "here_fen": None if held is None else held.line.total_fen,
        "here_fund_fen": None if held is None else held.line.fund_fen,
        "here_account_fen": None if held is None else held.line.account_fen,
        "here_day": None if held is None else held.day.isoformat(),
        "bureau_code": told.code,
        "bureau_text": told.text,
        "file": digest,
    }


async def take_call(ctx: Context, place: Institution) -> CallId:
    """A message number of the institution's own row."""
    async with transaction(ctx.pool) as conn:
        number = await institution.take_message_no(conn, ctx, place.code)
    return CallId(message_no=number, at=ctx.clock.now())
