"""What tests of single guards need: rows put back, writers at one moment, guards taken out.

A scenario raises ``Harm`` where somebody lost money or was told what is not so, and nothing else.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest
from asyncpg.transaction import Transaction

from service.receipt.model import PostedFacts
from service.settlement.model import Settlement
from tests.support.fakes_settlement import FakeBureau
from tests.support.settlement_rig import Rig

KEEP = {
    "bill": "create table kept_bill as table bill",
    "institution_event_number": "create table kept_event_number as table institution_event_number",
    "payment_attempt": "create table kept_payment_attempt as table payment_attempt",
    "refund": (
        "create table kept_payment_attempt as table payment_attempt;"
        " create table kept_refund as table refund"
    ),
    "settlement": "create table kept_settlement as table settlement",
}
PUT_BACK = {
    "bill": (
        "update bill set state = k.state, holder_id = k.holder_id, updated_at = k.updated_at,"
        " row_mac = k.row_mac from kept_bill k where bill.bill_id = k.bill_id"
    ),
    "institution_event_number": (
        "delete from institution_event_number;"
        " insert into institution_event_number table kept_event_number"
    ),
    "payment_attempt": (
        "delete from payment_attempt; insert into payment_attempt table kept_payment_attempt"
    ),
    "refund": (
        "delete from refund; delete from payment_attempt;"
        " insert into payment_attempt table kept_payment_attempt;"
        " insert into refund table kept_refund"
    ),
    "settlement": "delete from settlement; insert into settlement table kept_settlement",
}
HOLD = {
    "bill": "lock table bill in share mode",
    "bill_number": "lock table bill_number in share mode",
    "console_operator": "lock table console_operator in share mode",
    "correction": "lock table correction in share mode",
    "deposit": "lock table deposit in share mode",
    "fiscal_invoice": "lock table fiscal_invoice in share mode",
    "idempotency": "select key_hash from idempotency for update",
    "institution": "lock table institution in share mode",
    "institution_event": "lock table institution_event in share mode",
    "insurance_ask": "lock table insurance_ask in share mode",
    "ledger_day": "lock table ledger_day in share mode",
    "payment_attempt": "lock table payment_attempt in share mode",
    "receipt": "lock table receipt in share mode",
    "refund": "lock table refund in share mode",
    "request_nonce": "lock table request_nonce in share mode",
    "shift": "lock table shift in share mode",
    "shift_entry": "lock table shift_entry in share mode",
    "staff": "lock table staff in share mode",
    "stay_number": "lock table stay_number in share mode",
    "terminal": "lock table terminal in share mode",
    "work_item": "lock table work_item in share mode",
}
MEET_IN_FILES = """
create function meet() returns trigger language plpgsql
as $$ begin perform pg_advisory_xact_lock_shared(tg_argv[0]::bigint); return new; end $$;
create trigger meet_first before insert on statement_file for each row execute function meet(1);
create trigger meet_again before update on statement_file for each row execute function meet(2);
"""
HOLD_FILES = ("select pg_advisory_xact_lock(1)", "select pg_advisory_xact_lock(2)")
"""For two that load the files of a day: both have read before either inserts, and the last
statement of both has begun before either commits."""
COUNT_WAITING = """
select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid)
where not l.granted and a.datname = current_database()
"""
LIST_UNIQUE = """
select i.indexrelid::regclass::text as name
from pg_index i
where i.indrelid = $1::regclass and i.indisunique and not i.indisprimary
"""
_CONFLICT = re.compile(r"on conflict .*?do nothing", re.DOTALL)


class Harm(Exception):
    """What the guard is there to prevent has happened."""


class Gullible(FakeBureau):
    """A bureau that settles a visit as often as it is told to: nothing there helps us."""

    def _settled_in(self, visit_ref: str) -> bool:
        return False


class Kept:
    """Rows of one table as they stood, each with its valid MAC, to be put back later.

    That is what a restored table, or an operator's undo, does to the rows above it.
    """

    def __init__(self, dsn: str, table: str) -> None:
        self._dsn = dsn
        self._table = table

    async def keep(self) -> None:
        """Remember the rows of now."""
        await run(self._dsn, KEEP[self._table])

    async def put_back(self) -> None:
        """The rows are again what they were."""
        await run(self._dsn, PUT_BACK[self._table])


async def run(dsn: str, sql: str) -> None:
    """One statement, or several, on a connection of its own."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(sql)
    finally:
        await conn.close()


async def at_once(dsn: str, table: str, *works: Awaitable[Any]) -> list[Any]:
    """Let each of the works read all it wants; then all of them write to ``table``."""
    return await meeting(dsn, [HOLD[table]], *works)


async def meeting(dsn: str, holds: Sequence[str], *works: Awaitable[Any]) -> list[Any]:
    """At each of the ``holds`` in turn, none of the works goes on before all are there or done."""
    async with AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(_connected(dsn))
        held = [await stack.enter_async_context(_holding(dsn, sql)) for sql in holds]
        tasks = [asyncio.ensure_future(work) for work in works]
        async with asyncio.timeout(60):
            for one in held:
                while await watcher.fetchval(COUNT_WAITING) < _going(tasks):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await one.rollback()
        return await asyncio.gather(*tasks, return_exceptions=True)


def _going(tasks: Sequence[asyncio.Future[Any]]) -> int:
    return sum(not task.done() for task in tasks)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(dsn)
    try:
        yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def _holding(dsn: str, sql: str) -> AsyncIterator[Transaction]:
    """A transaction that has run this; its end is the caller's."""
    async with _connected(dsn) as conn:
        held = conn.transaction()
        await held.start()
        await conn.execute(sql)
        yield held


async def drop_unique_keys(dsn: str, table: str) -> None:
    """The table without its unique keys, but for the primary one."""
    conn = await asyncpg.connect(dsn)
    try:
        for row in await conn.fetch(LIST_UNIQUE, table):
            await conn.execute("drop index " + row["name"])
    finally:
        await conn.close()


def without_conflict(patch: pytest.MonkeyPatch, module: Any, *names: str) -> None:
    """Inserts that no longer name the key they would meet."""
    for name in names:
        sql = _CONFLICT.sub("on conflict do nothing", getattr(module, name))
        patch.setattr(module, name, sql)


def without(
    patch: pytest.MonkeyPatch, module: Any, name: str, condition: str, instead: str = ""
) -> None:
    """A statement without one of its conditions. ``instead`` keeps the type of its parameter, where
    that stands nowhere else."""
    before = getattr(module, name)
    assert condition in before, f"{name} has no such condition"
    patch.setattr(module, name, before.replace(condition, instead))


async def posted(rig: Rig) -> tuple[Settlement, PostedFacts]:
    """A posted settlement of own money, and what its event says."""
    row = await rig.settled(await rig.to_paid(100_00, insured=False), 40)
    row = await rig.post(row)
    assert row.cash_fen is not None
    facts = PostedFacts(
        bill_id=rig.ctx.public_ids.text(row.record_id, row.bill_id),
        institution_id=row.institution_id,
        total_fen=row.total_fen,
        fund_fen=0,
        account_fen=0,
        cash_fen=row.cash_fen,
        hospital_fen=0,
        paid_by=row.paid_by,
        provider_ref=row.provider_ref,
        insurance_ref=None,
    )
    return row, facts
