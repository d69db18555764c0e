"""Three books side by side: ours, the payment provider's and the bureau's, to the fen.

Reads the database directly and the twins' books over their control side; writes nothing.
"""

from collections import Counter
from typing import Any

import asyncpg
import httpx
import msgspec

from service.simulate.books import Books, differences, kept_at_provider, owed_by_bureau

__all__ = ["Books", "Totals", "differences", "read", "totals", "unfinished"]

SETTLEMENTS = """
select record_id, settlement_id, bill_id, state, reason, insured, settlement_ref, total_fen,
       coalesce(fund_fen, 0) + coalesce(account_fen, 0) as insurer_fen,
       coalesce(hospital_fen, 0) as hospital_fen, coalesce(cash_fen, 0) as cash_fen,
       paid_fen, refunded_fen
from settlement
"""
ATTEMPTS = """
select record_id, settlement_id, attempt_id, provider, trade_no, state, amount_fen,
  refunded_fen
from payment_attempt
"""
REFUNDS = "select refund_no, trade_no, state, amount_fen from refund"
BILLS = "select record_id, bill_id, state, total_fen, holder_id from bill"
BALANCES = """
select settlement_id, account, sum(fen)::bigint as fen from (
  select settlement_id, debit as account, amount_fen as fen from posting
  union all
  select settlement_id, credit, -amount_fen from posting
) as sides
group by settlement_id, account
"""
RECEIPTS = "select settlement_id, count(*) as receipts from receipt group by settlement_id"
ITEMS = """
select kind, reason, count(*) as items from work_item where closed_at is null
group by kind, reason order by items desc
"""
UNFINISHED = """
select 'settlement in ' || state as what, count(*) as rows from settlement
where state not in ('POSTED', 'REVERSED', 'NEEDS_REVIEW') group by state
union all
select 'refund in ' || state, count(*) from refund
where state in ('CREATED', 'PROCESSING') group by state
union all
select 'payment in ' || a.state, count(*) from payment_attempt a
join settlement s using (record_id, settlement_id)
where a.state in ('CREATED', 'AWAITING_PAYER', 'CLOSING') and s.state <> 'NEEDS_REVIEW'
group by a.state
union all
select 'event ' || topic, count(*) from outbox where done_at is null group by topic
"""


class Totals(msgspec.Struct, kw_only=True):
    """Sums in fen for people to look at."""

    states: dict[str, int]
    """By state and, where there is one, reason."""
    posted_fen: int
    provider_kept_fen: int
    insurer_fen: int
    refunded_fen: int
    items: dict[str, int]


async def unfinished(dsn: str) -> dict[str, int]:
    """What is still under way, by kind; empty when the system is at rest."""
    conn = await asyncpg.connect(dsn)
    try:
        return {row["what"]: row["rows"] for row in await conn.fetch(UNFINISHED)}
    finally:
        await conn.close()


async def read(dsn: str, twin_url: str) -> Books:
    """Both sides now."""
    conn = await asyncpg.connect(dsn)
    try:
        rows = {
            name: [dict(row) for row in await conn.fetch(sql)]
            for name, sql in (
                ("settlements", SETTLEMENTS),
                ("attempts", ATTEMPTS),
                ("refunds", REFUNDS),
                ("bills", BILLS),
            )
        }
        balances: dict[int, dict[str, int]] = {}
        for row in await conn.fetch(BALANCES):
            balances.setdefault(row["settlement_id"], {})[row["account"]] = row["fen"]
        receipts = {r["settlement_id"]: r["receipts"] for r in await conn.fetch(RECEIPTS)}
        items = {f"{r['kind']}: {r['reason']}": r["items"] for r in await conn.fetch(ITEMS)}
    finally:
        await conn.close()
    async with httpx.AsyncClient(base_url=twin_url, trust_env=False, timeout=60.0) as twins:
        provider = (await twins.get("/wechatpay/sandbox/book")).raise_for_status().json()
        insured = await _insured(twins)
    return Books(
        **rows,
        balances=balances,
        receipts=receipts,
        items=items,
        orders=provider["orders"],
        returns=provider["refunds"],
        insured=insured,
    )


async def _insured(twins: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["serial"] if found else 0
        answer = await twins.get(f"/insurance/sandbox/book?limit=500&after={after}")
        page = answer.raise_for_status().json()
        if not page:
            return found
        found += page


def totals(books: Books) -> Totals:
    """The sums of the run."""
    return Totals(
        states=dict(
            Counter(
                f"{row['state']} ({row['reason']})" if row["reason"] else row["state"]
                for row in books.settlements
            )
        ),
        posted_fen=sum(r["total_fen"] for r in books.settlements if r["state"] == "POSTED"),
        provider_kept_fen=sum(kept_at_provider(books).values()),
        insurer_fen=sum(owed_by_bureau(live) for live in books.insured if live["state"] == "LIVE"),
        refunded_fen=sum(r["refund_fen"] for r in books.returns if r["status"] == "SUCCESS"),
        items=books.items,
    )
