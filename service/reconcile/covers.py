"""An institution's day at a commercial insurer: its list of claims against what we heard of each.

The insurer's own times say on which day a grant or a withdrawal stands, on both sides. Nothing is
moved; a person is told.
"""

from datetime import date, timedelta

import msgspec

from integrations.ports.cover import CoverDayLine, CoverGrant, CoverWithdrawn
from integrations.ports.outcomes import Accepted, Rejected
from service.institution import actions as institution
from service.institution.model import Institution
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.reconcile import bureau, insured, items, loading, store, store_bureau
from service.reconcile.bureau_lines import KIND, MIDNIGHT, REVERSAL_MARK
from service.reconcile.model import Account, AccountReport, Class, Outcome, Sums
from service.reconcile.store_pairs import Span
from service.settlement import door
from service.settlement.model import CallKind

PROVIDER = "cover"
HEARD_LATER = timedelta(days=1)
"""What an insurer did on a day we may hear of by a later question."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One grant or withdrawal as the insurer told it to us, and of which settlement."""

    key: tuple[int, int]
    line: CoverDayLine
    day: date


Book = dict[tuple[str, bool], Held]
"""By claim number, and whether it is the withdrawal."""


async def reconcile_covers(ctx: Context, day: date, span: Span) -> list[AccountReport]:
    """Every contract of every institution."""
    return [
        await _reconcile(ctx, place, insurer, day, span)
        for place in await institution.list_institutions(ctx)
        for insurer in ctx.partners.insurers(place.code)
    ]


async def _reconcile(
    ctx: Context, place: Institution, insurer: str, day: date, span: Span
) -> AccountReport:
    account = Account(provider=PROVIDER, account_name=f"{place.code}:{insurer}")
    near = Span(span.first - bureau.CLOCKS_APART, span.end + HEARD_LATER)
    book = await _book(ctx, place, insurer, near)
    answer = await ctx.partners.cover(place.code, insurer).list_day(day)
    if not isinstance(answer, Accepted):
        why = answer.reason if isinstance(answer, Rejected) else answer.why
        await items.open_file_item(ctx, await loading.keep_refused(ctx, account, day, why, b""))
        return _report(account, day, book, why)
    await items.close_file_items(ctx, account, day)
    found = compare(book, answer.value, day)
    rows = [_row(ctx, account, place, day, one) for one in found]
    async with connection(ctx.pool) as conn:
        await store.upsert_differences(conn, rows)
        standing = await store_bureau.list_open(conn, account, day)
    named = {one.own_no for one in found}
    closed = 0
    for one in standing:
        if one.own_no not in named:
            closed += await bureau.close_one(ctx, account, one, day)
    await items.open_items(ctx, account)
    async with connection(ctx.pool) as conn:
        left = await store.count_open(conn, account, day)
    told = _report(account, day, book, None)
    return msgspec.structs.replace(
        told,
        outcome=Outcome.DIFFERENCES if left else Outcome.EXPLAINED,
        tied=True,
        there=_sums(answer.value),
        matched=len(answer.value) - sum(one.there is not None for one in found),
        classes={
            one: sum(each.found.value == one for each in found)
            for one in sorted({each.found.value for each in found})
        },
        closed=closed,
        open=left,
    )


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """One number whose sides differ."""

    found: Class
    there: CoverDayLine | None
    here: Held | None

    @property
    def own_no(self) -> str:
        """Our claim number; of a withdrawal marked."""
        line = self.there or (self.here.line if self.here is not None else None)
        if line is None:
            return ""
        return line.claim_no + (REVERSAL_MARK if line.withdrawn else "")


def compare(book: Book, listed: list[CoverDayLine], day: date) -> list[Differs]:
    """Both directions. A grant that we never heard of and that was withdrawn is explained by the
    withdrawal, which told us how much it was. Pure."""
    found = []
    for line in listed:
        held = book.get((line.claim_no, line.withdrawn))
        undone = book.get((line.claim_no, True))
        if held is None and undone is not None and undone.line.cover_fen == line.cover_fen:
            continue
        differs = _class_of(line, held, day)
        if differs is not None:
            found.append(Differs(found=differs, there=line, here=held))
    named = {(line.claim_no, line.withdrawn) for line in listed}
    missing = (held for key, held in book.items() if held.day == day and key not in named)
    return [*found, *(Differs(found=Class.ONLY_HERE, there=None, here=one) for one in missing)]


def _class_of(line: CoverDayLine, held: Held | None, day: date) -> Class | None:
    if held is None:
        return Class.ONLY_THERE
    if held.line.cover_fen != line.cover_fen:
        return Class.AMOUNT_DIFFERS
    return None if held.day == day else Class.CROSSES_MIDNIGHT


async def _book(ctx: Context, place: Institution, insurer: str, near: Span) -> Book:
    """What the insurer told us, from the stored answers to each call."""
    book: Book = {}
    async with connection(ctx.pool) as conn:
        keys = await store_bureau.list_covered(conn, place.institution_id, near)
        for key in keys:
            cover = (await door.progress_of(conn, ctx, await door.read(conn, ctx, key))).cover
            if cover is None or cover.insurer != insurer:
                continue
            for held in await _heard(conn, ctx, key):
                book[held.line.claim_no, held.line.withdrawn] = held
    return book


async def _heard(conn: Connection, ctx: Context, key: tuple[int, int]) -> list[Held]:
    found = []
    for call in await store_bureau.list_cover_calls(conn, *key):
        text = await insured.answer_of(conn, ctx, key[0], call)
        if text is None or text == b"null":
            continue
        if call.kind == CallKind.COVER_WITHDRAW:
            gone = msgspec.json.decode(text, type=CoverWithdrawn)
            if not gone.cover_fen:
                continue
            line, at = _line(gone.claim_no, gone.cover_fen, withdrawn=True), gone.withdrawn_at
        else:
            grant = msgspec.json.decode(text, type=CoverGrant)
            line, at = _line(grant.claim_no, grant.cover_fen, withdrawn=False), grant.granted_at
        found.append(Held(key=key, line=line, day=business_day(at)))
    return found


def _line(claim_no: str, cover_fen: int, *, withdrawn: bool) -> CoverDayLine:
    return CoverDayLine(claim_no=claim_no, cover_fen=cover_fen, withdrawn=withdrawn)


def _row(
    ctx: Context, account: Account, place: Institution, day: date, one: Differs
) -> tuple[object, ...]:
    key = one.here.key if one.here is not None else None
    evidence = {
        "provider": account.provider,
        "account_name": account.account_name,
        "day": day.isoformat(),
        "number": one.own_no,
        "there_fen": one.there.cover_fen if one.there is not None else None,
        "here_fen": one.here.line.cover_fen if one.here is not None else None,
        "here_day": one.here.day.isoformat() if one.here is not None else None,
        "settlement_id": None if key is None else ctx.public_ids.text(*key),
    }
    return (
        one.own_no,
        KIND,
        account.provider,
        account.account_name,
        day,
        ctx.ids.new(),
        one.found,
        0 if key is None else key[0],
        place.institution_id,
        evidence,
        ctx.clock.now(),
        MIDNIGHT if one.found is Class.CROSSES_MIDNIGHT else None,
    )


def _report(account: Account, day: date, book: Book, reason: str | None) -> AccountReport:
    return AccountReport(
        provider=account.provider,
        account_name=account.account_name,
        day=day.isoformat(),
        outcome=Outcome.MISSING,
        reason=reason,
        here=_sums([one.line for one in book.values() if one.day == day]),
    )


def _sums(lines: list[CoverDayLine]) -> Sums:
    granted = [one.cover_fen for one in lines if not one.withdrawn]
    withdrawn = [one.cover_fen for one in lines if one.withdrawn]
    return Sums(
        trade_count=len(granted),
        trade_fen=sum(granted),
        refund_count=len(withdrawn),
        refund_fen=sum(withdrawn),
    )
