"""An institution's day at the bureau: totals a kind of insurance, set against the bureau's (3201).

The kind of insurance stands sealed in each settlement, so the day's settlements are opened one by
one, their MACs checked. Where totals do not agree a person is told; nothing is moved.
"""

from collections import defaultdict
from datetime import date, datetime, timedelta

import msgspec

from integrations.ports.insurance import CallId, ClearingTotals, InsuranceGateway, TotalsVerdict
from integrations.ports.outcomes import Accepted, Rejected
from integrations.ports.partners import PartnerUnknown
from service.casework import actions as casework
from service.casework.model import ItemsOf
from service.institution import actions as institution
from service.institution.model import Institution
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.reconcile import items, store, store_bureau
from service.reconcile.model import Account, AccountReport, Class, Outcome, Sums
from service.reconcile.store_bureau import Called
from service.reconcile.store_pairs import Span
from service.settlement import door

INSURER = "insurance"
TOTALS = "settlement"
ALWAYS = ("310", "390")
"""Employees and residents: asked about also where we hold nothing, for the bureau may."""
CLOCKS_APART = timedelta(hours=1)
"""The bureau's time of a settlement may be so far from our call's."""
AGREES = "agrees"


class Held(msgspec.Struct):
    """What our books hold of one kind of insurance; reversals are negative."""

    count: int = 0
    total_fen: int = 0
    fund_fen: int = 0
    account_fen: int = 0


async def reconcile_bureaus(ctx: Context, day: date, span: Span) -> list[AccountReport]:
    """Every institution that has a line to a bureau."""
    reports = []
    for place in await institution.list_institutions(ctx):
        try:
            gateway = ctx.partners.insurance(place.code)
        except PartnerUnknown:
            continue
        reports.append(await _reconcile(ctx, place, gateway, day, span))
    return reports


async def _reconcile(
    ctx: Context, place: Institution, gateway: InsuranceGateway, day: date, span: Span
) -> AccountReport:
    account = Account(provider=INSURER, account_name=place.code)
    held = await _held(ctx, place, day, span)
    async with connection(ctx.pool) as conn:
        standing = await store_bureau.list_open_totals(conn, account, day)
    kinds = sorted({*ALWAYS, *held, *(one.own_no for one in standing)})
    unanswered: str | None = None
    agreed: set[str] = set()
    for kind in kinds:
        totals = _totals(kind, held.get(kind, Held()), day)
        asked = await gateway.compare_totals(totals, await _call(ctx, place))
        if isinstance(asked, Accepted) and asked.value.agrees:
            agreed.add(kind)
        elif isinstance(asked, Accepted):
            await _keep(ctx, account, place, totals, asked.value)
        else:
            unanswered = asked.reason if isinstance(asked, Rejected) else asked.why
    closed = 0
    for one in standing:
        if one.own_no in agreed:
            closed += await _close(ctx, account, one, day)
    await items.open_items(ctx, account)
    async with connection(ctx.pool) as conn:
        left = await store.count_open(conn, account, day)
    outcome = Outcome.DIFFERENCES if left else Outcome.EXPLAINED
    return AccountReport(
        provider=account.provider,
        account_name=account.account_name,
        day=day.isoformat(),
        outcome=Outcome.MISSING if unanswered is not None else outcome,
        reason=unanswered,
        here=Sums(
            trade_count=sum(one.count for one in held.values()),
            trade_fen=sum(one.total_fen for one in held.values()),
        ),
        matched=len(agreed),
        classes={Class.AMOUNT_DIFFERS.value: left} if left else {},
        closed=closed,
        open=left,
    )


async def _held(ctx: Context, place: Institution, day: date, span: Span) -> dict[str, Held]:
    first, end = span.first - CLOCKS_APART, span.end + CLOCKS_APART
    async with connection(ctx.pool) as conn:
        called = await store_bureau.list_calls(conn, place.institution_id, first, end)
    held: defaultdict[str, Held] = defaultdict(Held)
    for one in called:
        await _add(ctx, held, one, day)
    return held


async def _add(ctx: Context, held: defaultdict[str, Held], called: Called, day: date) -> None:
    """A settlement on the day it was made, its reversal on the day of that."""
    async with connection(ctx.pool) as conn:
        row = await door.read(conn, ctx, (called.record_id, called.settlement_id))
        progress = await door.progress_of(conn, ctx, row)
    if progress.insured is None:
        return
    kind = held[progress.insured.insurance_type]
    for past in progress.revoked:
        was = past.settled.split
        for sign, at in ((1, past.settled.settled_at), (-1, past.at)):
            if _is_on(at, day):
                _count(kind, sign, (was.total_fen, was.fund_fen, was.account_fen))
    if progress.settled is not None:
        split = progress.settled.split
        if business_day(progress.settled.settled_at) == day:
            _count(kind, 1, (split.total_fen, split.fund_fen, split.account_fen))
        return
    if progress.reversed_ref is None or progress.revoked:
        return
    amounts = (row.total_fen, row.fund_fen or 0, row.account_fen or 0)
    if _is_on(called.settle_at, day):
        _count(kind, 1, amounts)
    if _is_on(called.reverse_at, day):
        _count(kind, -1, amounts)


def _is_on(at: datetime | None, day: date) -> bool:
    return at is not None and business_day(at) == day


def _count(held: Held, sign: int, amounts: tuple[int, int, int]) -> None:
    held.count += 1
    held.total_fen += sign * amounts[0]
    held.fund_fen += sign * amounts[1]
    held.account_fen += sign * amounts[2]


def _totals(kind: str, held: Held, day: date) -> ClearingTotals:
    return ClearingTotals(
        insurance_type=kind,
        clearing_type="",
        region="",
        first_day=day,
        last_day=day,
        count=held.count,
        total_fen=held.total_fen,
        fund_fen=held.fund_fen,
        account_fen=held.account_fen,
    )


async def _call(ctx: Context, place: Institution) -> CallId:
    async with transaction(ctx.pool) as conn:
        number = await institution.take_message_no(conn, ctx, place.code)
    return CallId(message_no=number, at=ctx.clock.now())


async def _keep(
    ctx: Context, account: Account, place: Institution, totals: ClearingTotals, told: TotalsVerdict
) -> None:
    evidence = {
        "institution": place.code,
        "day": totals.first_day.isoformat(),
        "insurance_type": totals.insurance_type,
        "count": totals.count,
        "total_fen": totals.total_fen,
        "fund_fen": totals.fund_fen,
        "account_fen": totals.account_fen,
        "bureau_code": told.code,
        "bureau_text": told.text,
    }
    row = (
        totals.insurance_type,
        TOTALS,
        account.provider,
        account.account_name,
        totals.first_day,
        ctx.ids.new(),
        Class.AMOUNT_DIFFERS,
        0,
        place.institution_id,
        evidence,
        ctx.clock.now(),
        None,
    )
    async with connection(ctx.pool) as conn:
        await store.upsert_differences(conn, [row])


async def _close(ctx: Context, account: Account, one: store_bureau.OpenTotals, day: date) -> bool:
    """The item first: a crash in between is made good by the next run."""
    of = ItemsOf(record_id=one.record_id, kind=items.KIND, subject_id=one.difference_id)
    async with transaction(ctx.pool) as conn:
        await casework.close_items_of(conn, ctx, of, AGREES)
    closing = store.Closing(
        own_no=one.own_no, kind=TOTALS, day=day, held_class=one.held_class, reason=AGREES
    )
    async with connection(ctx.pool) as conn:
        return await store.close_difference(conn, account, closing, ctx.clock.now())
