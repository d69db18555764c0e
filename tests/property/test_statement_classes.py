"""Drawn statements and books, judged once by the product and once number by number in Python.

The classes are those of docs/reconciliation.md; the oracle knows no SQL and no rule of the product.
"""

import gzip
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import asyncpg
import msgspec
import pytest

from integrations.ports.statements import LineKind, LineState, StatementLine, StatementTotals
from integrations.wechatpay.bill_lines import WechatStatement
from loadtests.reconcile import HEADER, SUMMARY
from service.kernel.context import Context
from service.reconcile import actions
from service.reconcile.model import Account, AccountReport, Class
from tests.support.app import a_context
from tests.support.clock import FakeClock

DAY = date(2026, 6, 30)
NOON = datetime(2026, 6, 30, 4, 0, tzinfo=UTC)
AMOUNTS_FEN = (1, 99, 12_34)
Classes = dict[tuple[str, str], tuple[str, str]]
"""By number and kind: class and state."""

INSERT_ATTEMPT = """
insert into payment_attempt (
  record_id, attempt_id, settlement_id, institution_id, provider, account_name, way, purpose,
  trade_no, amount_fen, refunding_fen, refunded_fen, state, paid_at, expires_at, tries, created_at,
  version, row_mac
)
values ($1, 1, 1, 5, 'wechatpay', $2, 'native', 'MAIN', $3, $4, 0, 0, $5, $6, $7, 0, $7, 1, 'x')
"""
INSERT_REFUND = """
insert into refund (
  record_id, refund_id, attempt_id, settlement_id, institution_id, provider, refund_no, trade_no,
  amount_fen, cause, state, tries, created_at, version, row_mac
)
values ($1, 2, 1, 1, 5, 'wechatpay', $2, $3, $4, 'c', $5, 0, $6, 1, 'x')
"""
INSERT_NUMBER = """
insert into payment_number (partner_no, kind, record_id, row_id) values ($1, $2, $3, $4)
"""
INSERT_POSTING = """
insert into posting (
  record_id, posting_id, settlement_id, institution_id, cause, debit, credit, amount_fen, day,
  posted_at, row_mac
)
values ($1, $2, 1, 5, $3, 'provider:wechatpay', 'patient', $4, $5, $6, 'x')
"""
LAST = "select coalesce(max(record_id), 0) from payment_attempt"
LIST_DIFFERENCES = """
select own_no, kind, class, state from statement_difference where account_name = $1 and day = $2
"""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A number of ours, or of nobody, and what each side holds of it."""

    number: str
    kind: LineKind
    held: str
    """In this ``account``, in ``another``, or ``not``."""
    fen: int
    state: str
    days_off: int
    """Of our row, from the statement's day."""
    booked_fen: int | None
    line: StatementLine | None
    before: bool
    """Whether the statement of the day before lists it."""

    @property
    def moved(self) -> bool:
        moved = {"trade": {"PAID", "PAID_LATE"}, "refund": {"PROCESSING", "REFUNDED"}}
        return self.held == "account" and self.state in moved[self.kind]


class Lines:
    """A statement that was read before."""

    def __init__(self, lines: list[StatementLine]) -> None:
        self.totals = StatementTotals()
        self._lines = lines

    def lines(self) -> Iterator[StatementLine]:
        for line in self._lines:
            self.totals.count(line)
            yield line


class Source:
    """An account whose statement is known."""

    def __init__(self, lines: list[StatementLine]) -> None:
        self._lines = lines

    def read_bill(self, _content: bytes, _day: date) -> Lines:
        return Lines(self._lines)


def a_case(draw: random.Random, number: str) -> Case:
    kind = draw.choice(list(LineKind))
    fen = draw.choice(AMOUNTS_FEN)
    states = ["PAID"] * 4 + ["PAID_LATE", "CLOSED", "AWAITING_PAYER", "NEEDS_REVIEW"]
    told = [LineState.DONE] * 4 + [LineState.REVOKED]
    if kind is LineKind.REFUND:
        states = ["REFUNDED"] * 4 + ["PROCESSING"] * 2 + ["CREATED", "FAILED", "NEEDS_REVIEW"]
        told = [LineState.DONE] * 4 + [LineState.ACCEPTED] * 2 + [LineState.REVOKED]
        told += [LineState.FAILED]
    line = StatementLine(
        kind,
        number,
        # A refund's line may name another trade than ours; a trade's line names itself.
        number if kind is LineKind.TRADE else draw.choice("TTTTTTTTTX") + number,
        "R" + number,
        fen if draw.random() < 0.8 else fen + 1,
        draw.choice(told),
        NOON,
    )
    return Case(
        number=number,
        kind=kind,
        held=draw.choice(["account"] * 6 + ["another", "not"]),
        fen=fen,
        state=draw.choice(states),
        days_off=draw.choice([0] * 5 + [-2, -1, 1]),
        booked_fen=draw.choice([fen] * 5 + [None, None, fen + 2]),
        line=line if draw.random() < 0.8 else None,
        before=draw.random() < 0.2,
    )


def judged(case: Case) -> str | None:
    """What docs/reconciliation.md says of it, seen from the day's statement."""
    return _unlisted(case) if case.line is None else _listed(case, case.line)


def _unlisted(case: Case) -> str | None:
    if not case.moved or case.days_off:
        return None
    if not case.before:
        return "ONLY_HERE"
    return "CROSSES_MIDNIGHT" if case.kind is LineKind.TRADE else None


def _listed(case: Case, line: StatementLine) -> str | None:
    is_trade = case.kind is LineKind.TRADE
    waits = case.state == "PROCESSING" and case.booked_fen is None
    found: str | None = None
    if case.held != "account" or line.trade_no != _trade_no(case.number, case.kind):
        found = None if not is_trade and line.state is LineState.REVOKED else "ONLY_THERE"
    elif line.amount_fen != case.fen:
        found = "AMOUNT_DIFFERS"
    elif (line.state in {LineState.DONE, LineState.ACCEPTED}) != case.moved:
        found = "STATE_DIFFERS"
    elif case.moved and case.booked_fen != case.fen and not waits:
        found = "AMOUNT_DIFFERS"
    elif case.moved and is_trade and case.days_off:
        found = "CROSSES_MIDNIGHT" if abs(case.days_off) == 1 else "STATE_DIFFERS"
    return found


async def fill(conn: asyncpg.Connection, account: Account, cases: list[Case]) -> None:
    for record_id, case in enumerate(cases, 1 + await conn.fetchval(LAST)):
        if case.held == "not":
            continue
        name = account.account_name if case.held == "account" else "another"
        at = NOON + timedelta(days=case.days_off)
        trade_no = _trade_no(case.number, case.kind)
        refunds = case.kind is LineKind.REFUND
        paid = "PAID" if refunds else case.state
        paid_at = at - timedelta(days=9) if refunds else at
        key = (record_id, name, trade_no, case.fen, paid, paid_at, paid_at)
        await conn.execute(INSERT_ATTEMPT, *key)
        if refunds:
            refund = (record_id, case.number, trade_no, case.fen, case.state, at)
            await conn.execute(INSERT_REFUND, *refund)
        await conn.execute(INSERT_NUMBER, case.number, case.kind, record_id, 1 + refunds)
        if case.booked_fen is not None:
            cause = "refund:2" if refunds else "payment:1"
            await conn.execute(INSERT_POSTING, record_id, 3, cause, case.booked_fen, DAY, NOON)


def _trade_no(number: str, kind: LineKind) -> str:
    return number if kind is LineKind.TRADE else f"T{number}"


@pytest.mark.parametrize("seed", range(2))
async def test_the_product_judges_as_number_by_number(fresh_database: str, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - a seed repeats it
    account = Account(provider="wechatpay", account_name=f"M{seed}")
    cases = [a_case(draw, f"N{seed}x{n}") for n in range(250)]
    expected: Classes = {}
    for case in cases:
        found = judged(case)
        if found is not None:
            state = "CLOSED" if found == "CROSSES_MIDNIGHT" else "OPEN"
            expected[(case.number, case.kind)] = (found, state)
    listed = [case.line for case in cases if case.line is not None]
    draw.shuffle(listed)
    async with a_context(fresh_database, clock=FakeClock(NOON + timedelta(days=2))) as ctx:
        async with ctx.pool.acquire() as conn:
            await fill(conn, account, cases)
        before = [_line_of(case) for case in cases if case.before]
        await _run(ctx, account, DAY - timedelta(days=1), before)
        for _ in range(2):
            # A second run finds the same.
            report = await _run(ctx, account, DAY, listed)
            async with ctx.pool.acquire() as conn:
                rows = await conn.fetch(LIST_DIFFERENCES, account.account_name, DAY)
            got = {(row["own_no"], row["kind"]): (row["class"], row["state"]) for row in rows}
            assert got == expected
            assert report.classes == Counter(found for found, _ in expected.values())
            off = sum((line.own_no, line.kind) in expected for line in listed)
            assert report.matched == len(listed) - off
            here = [c.fen for c in cases if c.moved and c.kind == "trade" and not c.days_off]
            assert (report.here.trade_count, report.here.trade_fen) == (len(here), sum(here))
    assert {found for found, _ in expected.values()} == set(Class)


def _line_of(case: Case) -> StatementLine:
    trade_no = _trade_no(case.number, case.kind)
    return StatementLine(case.kind, case.number, trade_no, "R", case.fen, LineState.DONE, NOON)


async def _run(
    ctx: Context, account: Account, day: date, lines: list[StatementLine]
) -> AccountReport:
    source = Source(lines)
    return await actions.take_statement(ctx, account, day, day.isoformat().encode(), source)  # type: ignore[arg-type]


def test_a_file_is_read_whole_whatever_its_pieces() -> None:
    """Lines of many lengths over several pieces, each as the naive reading has it."""
    draw = random.Random(7)  # noqa: S311 - a seed repeats it
    rows, expected = [], []
    for n in range(1200):
        at = datetime(2026, 6, 30) + timedelta(seconds=draw.randrange(86_400))  # noqa: DTZ001
        fen, goods = draw.randrange(1, 10**7), "门诊, 缴费" * draw.randrange(120)
        yuan = f"{fen // 100}.{fen % 100:02d}"
        rows.append(
            f"`{at},`wx1,`M1,`0,`,`42{n},`YM{n},`o,`NATIVE,`SUCCESS,`OTHERS,`CNY,`{yuan},`0.00,`0,"
            f"`0,`0.00,`0.00,`,`,`{goods},`,`0.07,`0.60%,`{yuan},`0.00,`\r\n"
        )
        utc = (at - timedelta(hours=8)).replace(tzinfo=UTC)
        done = (LineState.DONE, utc)
        line = StatementLine(LineKind.TRADE, f"YM{n}", f"YM{n}", f"42{n}", fen, *done)
        expected.append(line)
    total = sum(line.amount_fen for line in expected)
    yuan = f"{total // 100}.{total % 100:02d}"
    foot = f"{SUMMARY}\r\n`1200,`{yuan},`0.00,`0.00,`0.00,`{yuan},`0.00\r\n"
    text = f"\ufeff{HEADER}\r\n{''.join(rows)}{foot}"
    read = WechatStatement(gzip.compress(text.encode(), 1), DAY, mchid="M1")
    assert list(read.lines()) == expected
    assert (read.totals.trade_fen, read.totals.tied) == (total, True)
