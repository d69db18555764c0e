"""Reads all books of a world: our rows, the twins' books, and what people have before them."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from integrations.sandbox.alipay.control import book_view as alipay_view
from integrations.sandbox.hospital.insurance_machine import Booked
from service.kernel.claims import run_once
from service.kernel.database import connection
from service.ledger import jobs as ledger_jobs
from service.ledger.model import COUNTED, DEPOSIT, RELIEF
from service.simulate import centre, store
from service.simulate.books import STANDS, Books, differences
from service.simulate.world import World

SETTLED_WITHIN = timedelta(hours=3)
"""From a settlement's start until it is over or before a person: every deadline and all tries."""
_PAID = {"TRADE_SUCCESS", "TRADE_FINISHED"}


class Outcome(msgspec.Struct, kw_only=True):
    """How a world ended."""

    states: dict[str, int]
    """Settlements by state and, where there is one, reason."""
    violations: list[str]
    items: dict[str, int]


async def look_at(world: World, settlement_id: int) -> list[str]:
    """What must hold as soon as one settlement is over; refunds may still be on their way."""
    books = await _ours(world, settlement_id)
    (row,) = books.settlements
    books.insured = [
        one
        for one in _insured(world)
        if one["setl_id"] == row["settlement_ref"] or one["msgid"] in books.calls
    ]
    books.claims = [one for one in _claims(world) if one["settlement_ref"] == row["settlement_ref"]]
    books.in_casework = books.under_way = {settlement_id}
    books.receipts = {settlement_id: 1 if row["state"] == "POSTED" else 0}
    return differences(books)


async def _ours(world: World, only: int | None) -> Books:
    """Our rows, of all settlements or of one."""
    async with connection(world.ctx.pool) as conn:
        rows = await store.read_ours(conn, only)
    balances: dict[int, dict[str, int]] = {}
    for row in rows["balances"]:
        balances.setdefault(row["settlement_id"], {})[row["account"]] = row["fen"]
    counted = {row["trade_no"] for row in rows["attempts"] if row["provider"] in COUNTED}
    return Books(
        settlements=rows["settlements"],
        attempts=rows["attempts"],
        refunds=[row for row in rows["refunds"] if row["trade_no"] not in counted],
        deposits=rows["deposits"],
        bills=rows["bills"],
        balances=balances,
        receipts={},
        items=[],
        orders=[],
        returns=[],
        insured=[],
        calls={row["message_no"]: row["settlement_id"] for row in rows["calls"]},
    )


async def read_books(world: World) -> tuple[Books, list[dict[str, Any]]]:
    """All books, and the open work items."""
    books = await _ours(world, None)
    async with connection(world.ctx.pool) as conn:
        rest = await store.read_rest(conn)
    items = books.items = rest["items"]
    books.receipts = {row["settlement_id"]: row["receipts"] for row in rest["receipts"]}
    books.corrections, books.invoices = rest["corrections"], rest["invoices"]
    books.entered = {row["account"]: row["fen"] for row in rest["entered"]}
    books.charged_fen = world.charged_fen
    books.issued = {
        one.bus_no: one.total for one in world.twins.fiscal.book.all() if not one.red_number
    }
    books.about_invoices = {item["subject_id"] for item in items if item["kind"] == "invoice"}
    wechat = world.twins.wechatpay
    wechat.trading.finish_refunds(wechat.now())
    view, other = wechat.book_view(), alipay_view(world.twins.alipay)
    books.orders = [*view["orders"], *map(_order, other["trades"])]
    books.orders += [*centre.orders(world), *_taken(world, books)]
    books.orders += [*_deposits(world, books), *_reliefs(world, books)]
    books.returns = [*view["refunds"], *map(_return, other["refunds"])]
    books.returns += [*centre.returns(world), *_given(world, books)]
    books.insured, books.claims = _insured(world), _claims(world)
    books.in_casework = _in_casework(items, books.attempts, books.refunds)
    return books, items


def _order(trade: dict[str, Any]) -> dict[str, Any]:
    """A trade of Alipay's as WeChat's book would show it; a closed one with refunds was paid."""
    paid = trade["trade_status"] in _PAID or trade["refunded_fen"] > 0
    return {
        "out_trade_no": trade["out_trade_no"],
        "trade_state": "SUCCESS" if paid else "CLOSED",
        "total_fen": trade["total_fen"],
    }


def _return(refund: dict[str, Any]) -> dict[str, Any]:
    return {
        "out_refund_no": refund["out_request_no"],
        "out_trade_no": refund["out_trade_no"],
        "refund_fen": refund["refund_fen"],
        "status": "SUCCESS" if refund["status"] == "DONE" else refund["status"],
    }


def _taken(world: World, books: Books) -> list[dict[str, Any]]:
    """What cashiers remember to have taken, as a provider's book would show it."""
    numbers = {row["attempt_id"]: row["trade_no"] for row in books.attempts}
    return [
        {
            "out_trade_no": numbers.get(attempt_id, f"of no payment {attempt_id}"),
            "trade_state": "SUCCESS",
            "total_fen": fen,
        }
        for cashier in world.cashiers
        for attempt_id, fen in cashier.taken.items()
    ]


def _deposits(world: World, books: Books) -> list[dict[str, Any]]:
    """What discharges count as paid, as the stays' deposits say it."""
    held = {
        (one["settlement_id"], one["taken_by"]): one["held_fen"]
        for one in books.deposits
        if one["taken_by"] is not None
    }
    return [
        {
            "out_trade_no": row["trade_no"],
            "trade_state": "SUCCESS",
            "total_fen": held.get(
                (world.ctx.public_ids.parse(row["provider_ref"])[1], row["settlement_id"]), 0
            ),
        }
        for row in books.attempts
        if row["provider"] == DEPOSIT
    ]


def _reliefs(world: World, books: Books) -> list[dict[str, Any]]:
    """What reliefs take over, as the bills and the definite own parts say it."""
    rows = {row["settlement_id"]: row for row in books.settlements}
    return [
        {
            "out_trade_no": one["trade_no"],
            "trade_state": "SUCCESS",
            "total_fen": _relief_fen(world, rows[one["settlement_id"]], one),
        }
        for one in books.attempts
        if one["provider"] == RELIEF
    ]


def _relief_fen(world: World, row: dict[str, Any], counted: dict[str, Any]) -> int:
    """None of what is undone; as it was counted where the own part became more, and at most it."""
    if row["state"] == "REVERSED":
        return 0
    if row["state"] not in STANDS:
        return int(counted["amount_fen"] - counted["refunded_fen"])
    most_fen = min(world.relief_fen[row["bill_id"]], counted["amount_fen"])
    return int(min(most_fen, row["cash_fen"]))


def _given(world: World, books: Books) -> list[dict[str, Any]]:
    rows = {row["refund_id"]: row for row in books.refunds}
    return [
        {
            "out_refund_no": rows[refund_id]["refund_no"],
            "out_trade_no": rows[refund_id]["trade_no"],
            "refund_fen": fen,
            "status": "SUCCESS",
        }
        for cashier in world.cashiers
        for refund_id, fen in cashier.given.items()
    ]


def _insured(world: World) -> list[dict[str, Any]]:
    """What the bureau has settled: in its twin's book, or in that of the hospital's machine."""
    if world.machine is not None:
        return [_booked(one) for one in world.machine.twin.settlements]
    rows = world.twins.insurance.book.all(
        "select setl_id, msgid, state, fund_fen, account_fen, cash_fen from settlement"
        " order by serial"
    )
    made = centre.made_by(world)
    return [{**dict(row), "trade_no": made.get(row["setl_id"])} for row in rows]


def _booked(one: Booked) -> dict[str, Any]:
    return {
        "setl_id": one.ref,
        "msgid": one.message_no,
        "state": "LIVE" if one.live else "UNDONE",
        "trade_no": None,
        **{part: one.split[part] for part in ("fund_fen", "account_fen", "cash_fen")},
    }


def _claims(world: World) -> list[dict[str, Any]]:
    return [
        {"settlement_ref": one.settlement_ref, "cover_fen": one.cover}
        for one in world.twins.cover.book.claims()
        if one.state == "CONFIRMED"
    ]


def _in_casework(
    items: list[dict[str, Any]], attempts: list[dict[str, Any]], refunds: list[dict[str, Any]]
) -> set[int]:
    of_attempt = {row["attempt_id"]: row["settlement_id"] for row in attempts}
    of_refund = {row["refund_id"]: row["settlement_id"] for row in refunds}
    of_kind = {"payment": of_attempt, "refund": of_refund}
    found = {of_kind.get(item["kind"], {}).get(item["subject_id"], 0) for item in items}
    found |= {item["subject_id"] for item in items if item["kind"] == "settlement"}
    return found - {0}


async def look(world: World) -> Outcome:
    """Everything that must hold once a world has come to rest."""
    feed = ledger_jobs.sources(world.ctx)[0]
    while await run_once(feed, world.ctx.clock, world.ctx.metrics):
        pass
    books, items = await read_books(world)
    now = world.stage.clock.now()
    violations = [*differences(books), *_unended(books, now)]
    async with connection(world.ctx.pool) as conn:
        late = await store.list_stuck_events(conn, now - timedelta(hours=1))
        violations += [f"event {topic} was never delivered" for topic in late]
        violations += [
            f"a {kind} call has no outcome" for kind in await store.list_open_calls(conn)
        ]
    violations += world.violations
    violations += [f"{type(fault).__name__}: {fault}" for fault in world.stage.faults]
    return Outcome(
        states=_counted(_state(row) for row in books.settlements),
        violations=violations,
        items=_counted(f"{item['kind']}: {item['reason']}" for item in items),
    )


def _state(row: dict[str, Any]) -> str:
    return f"{row['state']} ({row['reason']})" if row["reason"] else str(row["state"])


def _counted(names: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))


def _unended(books: Books, now: datetime) -> list[str]:
    """Settlements past their time that neither ended nor lie before a person."""
    begun = {one["settlement_id"]: one["asked_at"] for one in books.corrections}
    return [
        f"settlement {row['settlement_id']} is still {row['state']}, and nobody was told"
        for row in books.settlements
        if row["state"] not in ("POSTED", "REVERSED")
        and row["settlement_id"] not in books.in_casework
        and now - max(begun.get(row["settlement_id"], row["created_at"]), row["created_at"])
        > SETTLED_WITHIN
    ]
