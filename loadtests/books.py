"""Three books side by side: ours, the payment provider's and the bureau's, to the fen.

Reads the database directly and the twins' books over their control side; writes nothing.
"""

from collections import Counter
from typing import Any

import asyncpg
import httpx
import msgspec

from service.simulate import store
from service.simulate.books import Books, differences, kept_at_provider, owed_by_bureau

__all__ = ["Books", "Totals", "differences", "read", "totals", "unfinished"]

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
        rows, rest = await store.read_ours(conn, None), await store.read_rest(conn)
    finally:
        await conn.close()
    async with httpx.AsyncClient(base_url=twin_url, trust_env=False, timeout=60.0) as twins:
        provider = (await twins.get("/wechatpay/sandbox/book")).raise_for_status().json()
        insured = await _insured(twins)
    balances: dict[int, dict[str, int]] = {}
    for row in rows["balances"]:
        balances.setdefault(row["settlement_id"], {})[row["account"]] = row["fen"]
    return Books(
        settlements=rows["settlements"],
        attempts=rows["attempts"],
        refunds=rows["refunds"],
        deposits=rows["deposits"],
        bills=rows["bills"],
        balances=balances,
        receipts={row["settlement_id"]: row["receipts"] for row in rest["receipts"]},
        items=rest["items"],
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
        items=dict(Counter(f"{item['kind']}: {item['reason']}" for item in books.items)),
    )
