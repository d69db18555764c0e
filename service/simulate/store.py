"""SQL of what a world's rows come to: plain rows, as the books are compared by name."""

from datetime import datetime
from typing import Any

from service.kernel.database import Connection

SETTLEMENTS = """
select record_id, settlement_id, bill_id, state, reason, insured, settlement_ref, total_fen,
       coalesce(fund_fen, 0) + coalesce(account_fen, 0) as insurer_fen,
       coalesce(hospital_fen, 0) as hospital_fen, coalesce(cover_fen, 0) as cover_fen,
       coalesce(cash_fen, 0) as cash_fen,
       paid_fen, refunded_fen, created_at, round_no,
       (select kind from bill where bill.bill_id = settlement.bill_id) as kind,
       (select stay_no from bill where bill.bill_id = settlement.bill_id) as stay_no
from settlement
where $1::bigint is null or settlement_id = $1
"""
ATTEMPTS = """
select settlement_id, attempt_id, provider, way, trade_no, state, amount_fen, refunded_fen,
       provider_ref
from payment_attempt
where $1::bigint is null or settlement_id = $1
"""
REFUNDS = """
select settlement_id, refund_id, refund_no, trade_no, state, amount_fen from refund
where $1::bigint is null or settlement_id = $1
"""
DEPOSITS = """
select record_id, settlement_id, stay_no, held_fen, taken_by
from deposit
where $1::bigint is null or $1 in (settlement_id, taken_by)
"""
BILLS = """
select bill_id, state, total_fen, holder_id from bill where $1::bigint is null or holder_id = $1
"""
BALANCES = """
select settlement_id, account, sum(fen)::bigint as fen from (
  select settlement_id, debit as account, amount_fen as fen from posting
  union all
  select settlement_id, credit, -amount_fen from posting
) as sides
where $1::bigint is null or settlement_id = $1
group by settlement_id, account
"""
RECEIPTS = """
select settlement_id, count(*) as receipts
from receipt
join settlement using (record_id, settlement_id)
where receipt.round_no = settlement.round_no
group by settlement_id
"""
CORRECTIONS = """
select settlement_id, state, amount_fen, bill_after, asked_at
from correction
"""
INVOICES = """
select settlement_id, invoice_id, business_no, state, round_no from fiscal_invoice
"""
ENTERED = """
select account, sum(fen)::bigint as fen from (
  select debit as account, amount_fen as fen from ledger_entry
  union all
  select credit, -amount_fen from ledger_entry
) as sides
group by account
"""
ITEMS = """
select kind, subject_id, reason, (evidence::jsonb ->> 'told_fen')::bigint as told_fen
from work_item where closed_at is null
"""
SETTLE_CALLS = """
select message_no, settlement_id from insurance_call
where kind = 'settle' and ($1::bigint is null or settlement_id = $1)
"""
STUCK_EVENTS = """
select topic, attempts from outbox
where done_at is null and created_at < $1
"""
OPEN_CALLS = """
select kind from insurance_call join settlement using (record_id, settlement_id)
where outcome is null and state in ('POSTED', 'REVERSED')
"""


async def read_ours(conn: Connection, only: int | None) -> dict[str, list[dict[str, Any]]]:
    """Settlements, attempts, refunds, deposits, bills, balances and settling calls; of all or of
    one."""
    asked = {
        "settlements": SETTLEMENTS,
        "attempts": ATTEMPTS,
        "refunds": REFUNDS,
        "bills": BILLS,
        "balances": BALANCES,
        "calls": SETTLE_CALLS,
        "deposits": DEPOSITS,
    }
    return {name: _plain(await conn.fetch(sql, only)) for name, sql in asked.items()}


async def read_rest(conn: Connection) -> dict[str, list[dict[str, Any]]]:
    """What is read of all alone: receipts, open work items, corrections, invoices, ledger."""
    asked = {
        "receipts": RECEIPTS,
        "items": ITEMS,
        "corrections": CORRECTIONS,
        "invoices": INVOICES,
        "entered": ENTERED,
    }
    return {name: _plain(await conn.fetch(sql)) for name, sql in asked.items()}


async def list_stuck_events(conn: Connection, before: datetime) -> list[str]:
    """Topics of events that nobody delivered by then."""
    return [row["topic"] for row in await conn.fetch(STUCK_EVENTS, before)]


async def list_open_calls(conn: Connection) -> list[str]:
    """Kinds of the calls without an outcome whose settlement is over."""
    return [row["kind"] for row in await conn.fetch(OPEN_CALLS)]


def _plain(rows: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
