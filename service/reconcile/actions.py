"""Reconcile a day: fetch, load, compare, say what differs.

A run can be done again at any time: the same file changes nothing, a newer file of the day takes
the place of the older one, and what became explained since is closed with its reason.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import msgspec

from integrations.ports.outcomes import Accepted, Rejected, Unknown
from integrations.ports.partners import PartnerUnknown
from integrations.ports.statements import StatementSource, StatementUnusable
from service.kernel.clock import CHINA
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.ledger.rules import BOOKED_UNTIL
from service.reconcile import bureau, closing, items, loading, rules, store, store_pairs
from service.reconcile.covers import reconcile_covers
from service.reconcile.model import (
    Account,
    AccountReport,
    Class,
    OpenPair,
    Outcome,
    Pair,
    StatementFile,
    Sums,
)
from service.reconcile.store_pairs import Span

READY_AT = BOOKED_UNTIL
"""Beijing time of the next day, from which providers have a day's bill (payments.md 3.3, 5.8)
and our books take no more postings of it."""
NOTHING = b""
NONE_MADE = (Unknown("not-ready"),)
"""How a provider says "none" that has one word for "not yet" and "never" (payments.md 5.8)."""


class TooEarly(Exception):
    """The day's statements are not made yet; the message says from when."""


class NoSuchAccount(Exception):
    """Nobody set the account up, and nothing was ever collected for it."""


async def reconcile_day(
    ctx: Context, day: date, accounts: Sequence[Account] | None = None
) -> list[AccountReport]:
    """Every account, bureau and commercial insurer in turn, or the accounts named.

    Raises ``TooEarly``, ``NoSuchAccount``.

    After all of them the day is closed in every institution's books: what differs has its work
    item, and what comes of it stands in the books of a later day.
    """
    ready = datetime.combine(day + timedelta(days=1), READY_AT, CHINA)
    if ctx.clock.now() < ready:
        raise TooEarly(f"statements of {day} are made by {ready.isoformat(timespec='minutes')}")
    async with connection(ctx.pool) as conn:
        collecting = await store.list_accounts(conn)
    if accounts is not None:
        for one in accounts:
            _check_known(ctx, one, collecting)
        return [await reconcile_account(ctx, one, day) for one in accounts]
    bureaus = await bureau.reconcile_bureaus(ctx, day, span_of(day))
    covers = await reconcile_covers(ctx, day, span_of(day))
    reports = [*[await reconcile_account(ctx, one, day) for one in collecting], *bureaus, *covers]
    await closing.close_books(ctx, day)
    return reports


def _check_known(ctx: Context, account: Account, collecting: Sequence[Account]) -> None:
    """An account that collects and has no line is a work item; a misspelt one is none."""
    if account in collecting:
        return
    try:
        ctx.partners.payment(account.provider, account.account_name)
    except PartnerUnknown:
        known = ", ".join(f"{one.provider}:{one.account_name}" for one in collecting) or "none"
        name = f"{account.provider}:{account.account_name}"
        raise NoSuchAccount(f"there is no account {name}; those that collect: {known}") from None


async def reconcile_account(ctx: Context, account: Account, day: date) -> AccountReport:
    """One account's day: its statement is fetched, loaded and compared."""
    try:
        source = ctx.partners.payment(account.provider, account.account_name)
    except PartnerUnknown:
        return await _without_file(ctx, account, day, "no-line")
    fetched = await source.fetch_bill(day)
    if isinstance(fetched, Accepted):
        return await take_statement(ctx, account, day, fetched.value, source)
    if fetched in NONE_MADE or (isinstance(fetched, Rejected) and fetched.reason == "not-found"):
        # A provider with nothing to list makes no file; with rows of ours it must have made one.
        async with connection(ctx.pool) as conn:
            if await store_pairs.holds_nothing(conn, account, span_of(day)):
                quiet = _report(account, day, Outcome.EXPLAINED, "nothing-on-either-side")
                return await _review(ctx, account, day, quiet)
        return await _without_file(ctx, account, day, "missing")
    why = fetched.reason if isinstance(fetched, Rejected) else fetched.why
    return await _without_file(ctx, account, day, why)


async def take_statement(
    ctx: Context, account: Account, day: date, content: bytes, source: StatementSource
) -> AccountReport:
    """Compare the books with a file that is here. A file that cannot be used changes nothing."""
    try:
        statement = source.read_bill(content, day)
        taken = await loading.take(ctx, account, day, content, statement)
    except StatementUnusable as unusable:
        digest = hashlib.sha256(content).digest()
        return await _refused(ctx, account, day, unusable.reason, digest, Outcome.REFUSED)
    except loading.LoadingElsewhere:
        return _report(account, day, Outcome.MISSING, "being-loaded")
    await items.close_file_items(ctx, account, day)
    report = await _compare(ctx, account, taken.file)
    report = msgspec.structs.replace(report, is_new=taken.is_new)
    return await _review(ctx, account, day, report)


async def _compare(ctx: Context, account: Account, file: StatementFile) -> AccountReport:
    """Both directions; what is not a plain match is judged and kept."""
    span, classes, given = span_of(file.day), Counter[str](), Counter[str]()
    lines_off = 0
    there = Sums(
        trade_count=file.trade_count,
        trade_fen=file.trade_fen,
        refund_count=file.refund_count,
        refund_fen=file.refund_fen,
    )
    for sql in store_pairs.BY_LINE + store_pairs.BY_ROW:
        async with transaction(ctx.pool) as conn, transaction(ctx.pool) as writing:
            async for pairs in store_pairs.walk_pairs(conn, sql, file, span):
                found = [(pair, rules.judge(pair, file.day)) for pair in pairs]
                rows = [
                    _row(ctx, account, file, pair, verdict.difference, verdict.closing)
                    for pair, verdict in found
                    if verdict.difference is not None
                ]
                await store.upsert_differences(writing, rows)
                classes.update(v.difference.value for _, v in found if v.difference is not None)
                lines_off += sum(
                    p.there_fen is not None and v.difference is not None for p, v in found
                )
                _count_refunds(given, pairs)
    here = await _sums_here(ctx, account, file.day)
    return AccountReport(
        provider=account.provider,
        account_name=account.account_name,
        day=file.day.isoformat(),
        outcome=Outcome.EXPLAINED,
        version=file.version,
        tied=file.tied,
        there=there,
        here=msgspec.structs.replace(
            here,
            refund_count=file.refund_count + given["count"],
            refund_fen=file.refund_fen + given["fen"],
        ),
        matched=file.trade_count + file.refund_count - lines_off,
        classes=dict(classes),
    )


def _count_refunds(given: Counter[str], pairs: Sequence[Pair]) -> None:
    """By how much our refunds of the provider's acceptance day differ from the listed ones."""
    for pair in pairs:
        if pair.kind == rules.TRADE or (pair.there_fen is None and pair.elsewhere is not None):
            continue
        held = rules.moved_here(pair)
        given["count"] += int(held) - int(pair.there_fen is not None)
        given["fen"] += (pair.here_fen or 0) * int(held) - (pair.there_fen or 0)


def _row(
    ctx: Context,
    account: Account,
    file: StatementFile,
    pair: Pair,
    found: Class | None,
    closing: str | None,
) -> tuple[object, ...]:
    return (
        pair.own_no,
        pair.kind,
        account.provider,
        account.account_name,
        file.day,
        ctx.ids.new(),
        found,
        pair.record_id or 0,
        pair.institution_id,
        items.evidence_of(pair, file),
        ctx.clock.now(),
        closing,
    )


async def _review(
    ctx: Context, account: Account, day: date, report: AccountReport
) -> AccountReport:
    """Close what is explained by now, of whichever day; then open the items that are due."""
    async with connection(ctx.pool) as conn:
        pairs = await store_pairs.list_open_pairs(conn, account, items.REVIEWED_MAX)
    closed = 0
    for pair in pairs:
        verdict = rules.judge(pair, pair.day)
        if verdict.closing is not None:
            closed += await _close(ctx, account, pair, verdict.difference, verdict.closing)
    await items.open_items(ctx, account)
    async with connection(ctx.pool) as conn:
        left = await store.count_open(conn, account, day)
    outcome = report.outcome
    if outcome is Outcome.EXPLAINED and left:
        outcome = Outcome.DIFFERENCES
    return msgspec.structs.replace(report, outcome=outcome, closed=closed, open=left)


async def _close(
    ctx: Context, account: Account, pair: OpenPair, found: Class | None, reason: str
) -> bool:
    """The item first: a crash in between is made good by the next run."""
    await items.close_item(ctx, pair, {0, pair.record_id or 0}, reason)
    closing = store.Closing(
        own_no=pair.own_no,
        kind=pair.kind,
        day=pair.day,
        held_class=found or pair.held_class,
        reason=reason,
    )
    async with connection(ctx.pool) as conn:
        return await store.close_difference(conn, account, closing, ctx.clock.now())


async def _without_file(ctx: Context, account: Account, day: date, reason: str) -> AccountReport:
    """No statement came. One that is in use from an earlier run stays in use."""
    return await _refused(ctx, account, day, reason, NOTHING, Outcome.MISSING)


async def _refused(
    ctx: Context, account: Account, day: date, reason: str, digest: bytes, outcome: Outcome
) -> AccountReport:
    """Keep what was refused and why, once, and have somebody look."""
    await items.open_file_item(ctx, await loading.keep_refused(ctx, account, day, reason, digest))
    return await _review(ctx, account, day, _report(account, day, outcome, reason))


def _report(account: Account, day: date, outcome: Outcome, reason: str) -> AccountReport:
    return AccountReport(
        provider=account.provider,
        account_name=account.account_name,
        day=day.isoformat(),
        outcome=outcome,
        reason=reason,
    )


async def _sums_here(ctx: Context, account: Account, day: date) -> Sums:
    async with connection(ctx.pool) as conn:
        return await store_pairs.sum_trades_here(conn, account, span_of(day))


def span_of(day: date) -> Span:
    """The day in China."""
    first = datetime.combine(day, time(0, 0), CHINA)
    return Span(first, first + timedelta(days=1))
