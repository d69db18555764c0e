"""What an institution's settlements were to the bureau on a day, rebuilt from the calls made.

A settlement may be settled and reversed more than once, so its present state is not enough: the
stored answers say what the bureau booked, one by one.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from integrations.ports.insurance import ClearingLine, Settled
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.reconcile import store_bureau
from service.reconcile.store_bureau import Called
from service.reconcile.store_pairs import Span
from service.settlement import door
from service.settlement.model import CallKind

ACCEPTED = "accepted"
_FREE_ORDER = (CallKind.SETTLE, CallKind.FIND, CallKind.UNDO, CallKind.REVERSE)
_LIVE_ORDER = (CallKind.REVERSE, CallKind.FIND, CallKind.UNDO, CallKind.SETTLE)
_AS_AT_BUREAU = {
    CallKind.CONFIRM.value: CallKind.SETTLE,
    CallKind.RETURN_INSURANCE.value: CallKind.REVERSE,
}
"""What the payment centre did, as the bureau books it."""
_TABLE = "insurance_call"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One call about money: whether the bureau said yes, and which settlement it named."""

    kind: CallKind
    at: datetime
    accepted: bool
    found: Settled | None = None


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement, or its reversal, that stands in the bureau's book."""

    settled: Settled
    reversed: bool
    at: datetime


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of our side, with whose it is."""

    record_id: int
    settlement_id: int
    insurance_type: str
    day: date
    line: ClearingLine


class Ours(msgspec.Struct, frozen=True, kw_only=True):
    """Everything near a day: ``entries`` of it and of its neighbours, and who made which call."""

    entries: list[Entry]
    called: dict[str, tuple[int, int]]
    """(record id, settlement id) by message number."""

    def of(self, day: date) -> list[Entry]:
        """The day's own lines."""
        return [one for one in self.entries if one.day == day]


def booked(calls: Sequence[Told]) -> list[Booked]:
    """What the bureau booked, from a settlement's calls in their order. Pure.

    Between a call whose answer was lost and the look that clears it up, the look decides. What
    2601 undid was never booked. Of calls of one instant, that comes first which can.
    """
    lines: list[Booked] = []
    live: Settled | None = None
    asked: Told | None = None
    waiting = list(calls)
    while waiting:
        order = _FREE_ORDER if live is None else _LIVE_ORDER
        one = min(waiting, key=lambda told: (told.at, order.index(told.kind)))
        waiting.remove(one)
        if one.kind in (CallKind.SETTLE, CallKind.REVERSE):
            asked = one
        if not one.accepted or asked is None:
            continue
        settling = asked.kind is CallKind.SETTLE
        if one.found is not None and live is None and settling:
            live = one.found
            lines.append(Booked(settled=live, reversed=False, at=live.settled_at))
        elif one.found is not None or live is None:
            continue
        elif settling:
            # Looked for and not there, or undone: it never was.
            lines.pop()
            live = None
        elif one.kind is not CallKind.UNDO:
            lines.append(Booked(settled=live, reversed=True, at=asked.at))
            live = None
    return lines


async def ours_of(ctx: Context, institution_id: int, span: Span) -> Ours:
    """Every settlement that talked to the bureau about money within the span, opened."""
    entries: list[Entry] = []
    called: dict[str, tuple[int, int]] = {}
    async with connection(ctx.pool) as conn:
        keys = await store_bureau.list_settlements(conn, institution_id, span)
        for key in keys:
            calls = await store_bureau.list_calls(conn, *key)
            called |= {one.message_no: key for one in calls}
            entries += await _entries(conn, ctx, key, calls)
    return Ours(entries=entries, called=called)


async def _entries(
    conn: Connection, ctx: Context, key: tuple[int, int], calls: list[Called]
) -> list[Entry]:
    progress = await door.progress_of(conn, ctx, await door.read(conn, ctx, key))
    if progress.insured is None:
        return []
    opened = [await answer_of(conn, ctx, key[0], one) for one in calls]
    visits = [text for one, text in zip(calls, opened, strict=True) if one.kind == "register"]
    visit_ref = progress.visit_ref or next(
        (msgspec.json.decode(text, type=str) for text in reversed(visits) if text), None
    )
    told = [
        Told(
            kind=_AS_AT_BUREAU.get(one.kind) or CallKind(one.kind),
            at=one.called_at,
            accepted=one.outcome == ACCEPTED,
            found=msgspec.json.decode(text, type=Settled | None) if text else None,
        )
        for one, text in zip(calls, opened, strict=True)
        if one.kind != "register"
    ]
    return [
        Entry(
            record_id=key[0],
            settlement_id=key[1],
            insurance_type=progress.insured.insurance_type,
            day=business_day(one.at),
            line=_line(one, visit_ref, progress.insured.person_no),
        )
        for one in booked(told)
    ]


async def answer_of(conn: Connection, ctx: Context, record_id: int, one: Called) -> bytes | None:
    """What was answered; refusals and contradictions are kept too, and are not looked at here."""
    if one.evidence is None or one.outcome != ACCEPTED:
        return None
    key = await ctx.sealer.record_key(conn, record_id)
    return ctx.sealer.open(key, _TABLE, "evidence", one.call_id, one.evidence)


def _line(one: Booked, visit_ref: str | None, person_no: str) -> ClearingLine:
    sign, split = -1 if one.reversed else 1, one.settled.split
    return ClearingLine(
        settlement_ref=one.settled.settlement_ref,
        visit_ref=visit_ref,
        person_no=person_no,
        reversed=one.reversed,
        total_fen=sign * split.total_fen,
        fund_fen=sign * split.fund_fen,
        account_fen=sign * split.account_fen,
        cash_fen=sign * split.cash_fen,
    )
