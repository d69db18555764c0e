"""Three books side by side: ours, the payment provider's and the bureau's, to the fen.

Reads the database directly and the twins' books over their control side; writes nothing.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import asyncpg
import httpx
import msgspec

PAID_AT_TWIN = {"SUCCESS", "REFUND"}
TAKEN = {"PAID", "PAID_LATE"}
SHOWN_MAX = 20

SETTLEMENTS = """
select record_id, settlement_id, bill_id, state, reason, insured, settlement_ref, total_fen,
       coalesce(fund_fen, 0) + coalesce(account_fen, 0) as insurer_fen,
       coalesce(hospital_fen, 0) as hospital_fen, coalesce(cash_fen, 0) as cash_fen,
       paid_fen, refunded_fen
from settlement
"""
ATTEMPTS = """
select record_id, settlement_id, attempt_id, trade_no, state, amount_fen, refunded_fen
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


class Books(msgspec.Struct, kw_only=True):
    """Everything that is compared, as read at one quiet moment."""

    settlements: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    bills: list[dict[str, Any]]
    balances: dict[int, dict[str, int]]
    receipts: dict[int, int]
    items: dict[str, int]
    orders: list[dict[str, Any]]
    returns: list[dict[str, Any]]
    insured: list[dict[str, Any]]


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
        insurer_fen=sum(_fen(live) for live in books.insured if live["state"] == "LIVE"),
        refunded_fen=sum(r["refund_fen"] for r in books.returns if r["status"] == "SUCCESS"),
        items=books.items,
    )


def kept_at_provider(books: Books) -> dict[str, int]:
    """For each trade number: taken less given back, as the provider's twin has it."""
    kept = {
        order["out_trade_no"]: order["total_fen"] if order["trade_state"] in PAID_AT_TWIN else 0
        for order in books.orders
    }
    for back in books.returns:
        if back["status"] == "SUCCESS":
            kept[back["out_trade_no"]] -= back["refund_fen"]
    return kept


def _fen(settled: dict[str, Any]) -> int:
    return int(settled["fund_fen"]) + int(settled["account_fen"])


def differences(books: Books) -> list[str]:
    """Every disagreement, in words; empty when the three books say the same."""
    found = [
        *_payments(books),
        *_refunds(books),
        *_insurance(books),
        *_ledger(books),
        *_bills(books),
    ]
    return found[:SHOWN_MAX] + ([f"… and {len(found) - SHOWN_MAX} more"] * (len(found) > SHOWN_MAX))


def _payments(books: Books) -> Iterable[str]:
    """Provider's book = payment rows, a trade at a time; and nobody paid one settlement twice."""
    kept = kept_at_provider(books)
    ours = {
        row["trade_no"]: row["amount_fen"] - row["refunded_fen"] if row["state"] in TAKEN else 0
        for row in books.attempts
    }
    for trade in sorted(kept.keys() | ours.keys()):
        if kept.get(trade, 0) != ours.get(trade, 0):
            yield f"trade {trade}: provider {kept.get(trade, 0)}, ours {ours.get(trade, 0)}"
    by_settlement: Counter[int] = Counter()
    for row in books.attempts:
        by_settlement[row["settlement_id"]] += ours[row["trade_no"]]
    for row in books.settlements:
        held = by_settlement[row["settlement_id"]]
        if row["state"] == "POSTED" and held != row["cash_fen"]:
            yield f"{_name(row)}: the payer gave {held}, owed {row['cash_fen']}"
        if row["state"] == "REVERSED" and held != 0:
            yield f"{_name(row)}: undone, but {held} of the payer is kept"
        if row["state"] == "POSTED" and row["paid_fen"] - row["refunded_fen"] < row["cash_fen"]:
            yield f"{_name(row)}: row says {row['paid_fen']} less {row['refunded_fen']}"


def _refunds(books: Books) -> Iterable[str]:
    theirs = {r["out_refund_no"]: r["refund_fen"] for r in books.returns if _done(r["status"])}
    ours = {r["refund_no"]: r["amount_fen"] for r in books.refunds if r["state"] == "REFUNDED"}
    for number in sorted(theirs.keys() ^ ours.keys()):
        yield f"refund {number}: only in {'their' if number in theirs else 'our'} book"
    for number in sorted(theirs.keys() & ours.keys()):
        if theirs[number] != ours[number]:
            yield f"refund {number}: provider {theirs[number]}, ours {ours[number]}"


def _done(status: str) -> bool:
    return status == "SUCCESS"


def _insurance(books: Books) -> Iterable[str]:
    """Bureau's live settlements = settlement rows that stand = the ledger's insurer."""
    live = {one["setl_id"]: one for one in books.insured if one["state"] == "LIVE"}
    ours = {
        row["settlement_ref"]: row
        for row in books.settlements
        if row["insured"] and row["state"] == "POSTED"
    }
    in_review = {r["settlement_ref"] for r in books.settlements if r["state"] == "NEEDS_REVIEW"}
    for ref in sorted(live.keys() - ours.keys() - in_review):
        yield f"bureau's settlement {ref} over {_fen(live[ref])} stands, and we know nothing of it"
    for ref, row in ours.items():
        theirs = live.get(ref)
        if theirs is None:
            yield f"{_name(row)}: posted, but the bureau has no live settlement"
        elif (_fen(theirs), theirs["cash_fen"]) != (row["insurer_fen"], row["cash_fen"]):
            yield f"{_name(row)}: bureau {_fen(theirs)}, row {row['insurer_fen']}"


def _ledger(books: Books) -> Iterable[str]:
    """Each ended settlement's accounts, from its row; all others at zero."""
    kept = kept_at_provider(books)
    provider: Counter[int] = Counter()
    for row in books.attempts:
        provider[row["settlement_id"]] += kept.get(row["trade_no"], 0)
    for row in books.settlements:
        if row["state"] not in ("POSTED", "REVERSED"):
            continue
        stands = row["state"] == "POSTED"
        expected = {
            "patient": 0,
            "provider:wechatpay": provider[row["settlement_id"]],
            "insurer": row["insurer_fen"] if stands else 0,
            "hospital-burden": row["hospital_fen"] if stands else 0,
            "hospital": -row["total_fen"] if stands else 0,
        }
        booked = books.balances.get(row["settlement_id"], {})
        for account in expected.keys() | booked.keys():
            if booked.get(account, 0) != expected.get(account, 0):
                yield (
                    f"{_name(row)}: ledger {account} {booked.get(account, 0)},"
                    f" expected {expected.get(account, 0)}"
                )


def _bills(books: Books) -> Iterable[str]:
    posted = {r["settlement_id"]: r for r in books.settlements if r["state"] == "POSTED"}
    review = {r["settlement_id"] for r in books.settlements if r["state"] == "NEEDS_REVIEW"}
    paid = [bill for bill in books.bills if bill["state"] == "PAID"]
    for bill in paid:
        holder = posted.get(bill["holder_id"])
        if holder is None and bill["holder_id"] not in review:
            yield f"bill {bill['bill_id']} is paid by nobody"
        elif holder is not None and holder["total_fen"] != bill["total_fen"]:
            yield f"bill {bill['bill_id']}: {bill['total_fen']}, settled {holder['total_fen']}"
    paid_fen = sum(bill["total_fen"] for bill in paid if bill["holder_id"] in posted)
    posted_fen = sum(row["total_fen"] for row in posted.values())
    if paid_fen != posted_fen:
        yield f"bills paid {paid_fen}, settlements posted {posted_fen}"
    for bill in books.bills:
        if bill["state"] == "LOCKED" and bill["holder_id"] not in review:
            yield f"bill {bill['bill_id']} stays locked"
    for settlement_id, row in posted.items():
        if books.receipts.get(settlement_id, 0) != 1:
            yield f"{_name(row)}: {books.receipts.get(settlement_id, 0)} receipts"


def _name(row: dict[str, Any]) -> str:
    return f"settlement {row['settlement_id']} ({row['state']})"
