"""What tests of single guards need: rows put back, writers at one moment, guards taken out.

A scenario raises ``Harm`` where somebody lost money or was told what is not so, and nothing else.
"""

import asyncio
import re
from collections.abc import Awaitable
from typing import Any

import asyncpg
import pytest

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
    "statement_file": "lock table statement_file in share mode",
    "stay_number": "lock table stay_number in share mode",
    "terminal": "lock table terminal in share mode",
    "work_item": "lock table work_item in share mode",
}
COUNT_WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
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
    holder, watcher = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    try:
        held = holder.transaction()
        await held.start()
        await holder.execute(HOLD[table])
        tasks = [asyncio.ensure_future(work) for work in works]
        async with asyncio.timeout(60):
            while await watcher.fetchval(COUNT_WAITING) < sum(  # noqa: ASYNC110 - the server's state
                not one.done() for one in tasks
            ):
                await asyncio.sleep(0.01)
        await held.rollback()
        return await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await holder.close()
        await watcher.close()


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
