"""An institution's day at the bureau: totals a kind of insurance (3201), and then lines (3202).

The kind of insurance stands sealed in each settlement, so the day's settlements are opened one by
one, their MACs checked. Where totals do not agree the bureau is asked which settlements differ,
and a person is told; nothing is moved.
"""

from collections import defaultdict
from datetime import date, timedelta

import msgspec

from integrations.ports.insurance import ClearingTotals, InsuranceGateway, TotalsVerdict
from integrations.ports.outcomes import Accepted, Rejected
from integrations.ports.partners import PartnerUnknown, PerformedByHospital
from service.casework import actions as casework
from service.casework.model import ItemsOf
from service.institution import actions as institution
from service.institution.model import Institution
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.reconcile import bureau_lines, insured, items, store, store_bureau
from service.reconcile.insured import Ours
from service.reconcile.model import Account, AccountReport, Class, Outcome, Sums
from service.reconcile.store_pairs import Span

INSURER = "insurance"
ALWAYS = ("310", "390")
"""Employees and residents: asked about also where we hold nothing, for the bureau may."""
CLOCKS_APART = timedelta(hours=1)
"""The bureau's time of a settlement may be so far from our call's."""
AGREES = "agrees"
CLEARED_BY_HOSPITAL = "cleared-by-hospital"
KIND_LEN = 3
"""``insutype`` has three digits; a settlement's reference is longer."""


class Held(msgspec.Struct):
    """What our books hold of one kind of insurance; reversals are negative."""

    count: int = 0
    total_fen: int = 0
    fund_fen: int = 0
    account_fen: int = 0


class Asked(msgspec.Struct):
    """What 3201 said of each kind of insurance."""

    agreed: set[str] = set()
    differ: set[str] = set()
    unanswered: str | None = None

    @property
    def all_agree(self) -> bool:
        """Every kind was answered, and agrees."""
        return not self.differ and self.unanswered is None


async def reconcile_bureaus(ctx: Context, day: date, span: Span) -> list[AccountReport]:
    """Every institution that has a line to a bureau, or speaks with it itself."""
    reports = []
    for place in await institution.list_institutions(ctx):
        try:
            gateway = ctx.partners.insurance(place.code)
        except PerformedByHospital:
            reports.append(await _cleared_elsewhere(ctx, place, day, span))
            continue
        except PartnerUnknown:
            continue
        reports.append(await _reconcile(ctx, place, gateway, day, span))
    return reports


async def _cleared_elsewhere(
    ctx: Context, place: Institution, day: date, span: Span
) -> AccountReport:
    """The hospital's own machine clears with its bureau: our sums are told, nothing is compared."""
    near = Span(span.first - CLOCKS_APART, span.end + CLOCKS_APART)
    held = _held(await insured.ours_of(ctx, place.institution_id, near), day)
    return AccountReport(
        provider=INSURER,
        account_name=place.code,
        day=day.isoformat(),
        outcome=Outcome.EXPLAINED,
        reason=CLEARED_BY_HOSPITAL,
        here=_sums(held),
    )


def _sums(held: dict[str, Held]) -> Sums:
    return Sums(
        trade_count=sum(one.count for one in held.values()),
        trade_fen=sum(one.total_fen for one in held.values()),
    )


async def _reconcile(
    ctx: Context, place: Institution, gateway: InsuranceGateway, day: date, span: Span
) -> AccountReport:
    account = Account(provider=INSURER, account_name=place.code)
    near = Span(span.first - CLOCKS_APART, span.end + CLOCKS_APART)
    ours = await insured.ours_of(ctx, place.institution_id, near)
    held = _held(ours, day)
    async with connection(ctx.pool) as conn:
        standing = await store_bureau.list_open(conn, account, day)
    asked = await _ask_totals(ctx, account, place, gateway, held, standing, day)
    reason, compared = asked.unanswered, bureau_lines.Compared()
    if asked.differ:
        compared = await bureau_lines.compare(ctx, account, place, gateway, ours, day)
        if reason is None and not compared.is_refusal:
            reason = compared.reason
    closed = 0
    for one in standing:
        if one.own_no in asked.agreed or asked.all_agree:
            closed += await close_one(ctx, account, one, day)
    if asked.all_agree:
        await items.close_file_items(ctx, account, day)
    await items.open_items(ctx, account)
    async with connection(ctx.pool) as conn:
        left = await store.count_open(conn, account, day)
    outcome = Outcome.DIFFERENCES if left else Outcome.EXPLAINED
    return AccountReport(
        provider=account.provider,
        account_name=account.account_name,
        day=day.isoformat(),
        outcome=Outcome.MISSING if reason is not None else outcome,
        reason=reason or compared.reason,
        here=_sums(held),
        matched=len(asked.agreed),
        classes=_classes(asked, compared),
        closed=closed,
        open=left,
    )


def _classes(asked: Asked, compared: bureau_lines.Compared) -> dict[str, int]:
    """Single lines where they are known; the kinds of insurance where they are not."""
    if compared.classes or not asked.differ:
        return compared.classes
    return {Class.AMOUNT_DIFFERS.value: len(asked.differ)}


async def _ask_totals(
    ctx: Context,
    account: Account,
    place: Institution,
    gateway: InsuranceGateway,
    held: dict[str, Held],
    standing: list[store_bureau.OpenDifference],
    day: date,
) -> Asked:
    known = {one.own_no for one in standing if one.own_no.isdigit() and len(one.own_no) == KIND_LEN}
    asked = Asked()
    for kind in sorted({*ALWAYS, *held, *known}):
        totals = _totals(kind, held.get(kind, Held()), day)
        call = await bureau_lines.take_call(ctx, place)
        answer = await gateway.compare_totals(totals, call)
        if isinstance(answer, Accepted) and answer.value.agrees:
            asked.agreed.add(kind)
        elif isinstance(answer, Accepted):
            asked.differ.add(kind)
            await _keep(ctx, account, place, totals, answer.value)
        else:
            asked.unanswered = answer.reason if isinstance(answer, Rejected) else answer.why
    return asked


def _held(ours: Ours, day: date) -> dict[str, Held]:
    """A settlement on the day it was made, its reversal on the day of that."""
    held: defaultdict[str, Held] = defaultdict(Held)
    for one in ours.of(day):
        kind, line = held[one.insurance_type], one.line
        kind.count += 1
        kind.total_fen += line.total_fen
        kind.fund_fen += line.fund_fen
        kind.account_fen += line.account_fen
    return held


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
        bureau_lines.KIND,
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


async def close_one(
    ctx: Context, account: Account, one: store_bureau.OpenDifference, day: date
) -> bool:
    """It agrees by now. The item first: a crash in between is made good by the next run."""
    of = ItemsOf(record_id=one.record_id, kind=items.KIND, subject_id=one.difference_id)
    async with transaction(ctx.pool) as conn:
        await casework.close_items_of(conn, ctx, of, AGREES)
    closing = store.Closing(
        own_no=one.own_no, kind=bureau_lines.KIND, day=day, held_class=one.held_class, reason=AGREES
    )
    async with connection(ctx.pool) as conn:
        return await store.close_difference(conn, account, closing, ctx.clock.now())
