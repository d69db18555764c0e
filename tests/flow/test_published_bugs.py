"""Bugs that others published about systems like this one, each as a story that must end well here.

The names say where it happened; what is asserted is the money at the end, on every side.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from integrations.ports.outcomes import Accepted, Outcome
from integrations.ports.payments import Payment
from service.kernel.claims import run_once
from service.kernel.database import connection
from service.notice import jobs as notice_jobs
from service.payment import actions as payment
from service.settlement import actions
from service.settlement.model import Settlement
from service.settlement.problems import PaymentStillOpen
from tests.support.event_server import a_notice_rig, an_event_server
from tests.support.fakes_settlement import Crash
from tests.support.settlement_checks import assert_posted, assert_undone
from tests.support.settlement_rig import PROVIDER, Rig, a_rig

SNAPSHOT = (
    "select row_mac from settlement",
    "select row_mac from payment_attempt",
    "select row_mac from refund",
    "select row_mac from posting",
    "select event_id from outbox",
    "select call_id from insurance_call",
)


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


async def rows(rig: Rig) -> list[list[Any]]:
    """Everything that a change of money would change."""
    async with connection(rig.ctx.pool) as conn:
        return [sorted(row[0] for row in await conn.fetch(sql)) for sql in SNAPSHOT]


async def presettled(rig: Rig) -> Settlement:
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    return await rig.read(row)


async def test_double_pay_while_the_first_is_unknown(rig: Rig) -> None:
    """Kill Bill 1015: the plugin's answer was lost, and the payer was let pay a second time."""
    row = await presettled(rig)
    rig.till.faults.script("place", "lose-answer")
    rig.till.faults.script("query", *["lose-request"] * 3)
    rig.till.faults.script("close", *["lose-request"] * 3)
    await rig.pay(row)
    first = rig.till.unpaid()
    for way in ("native", "jsapi", "native", "jsapi"):
        rig.clock.advance(timedelta(seconds=31))
        with suppress(PaymentStillOpen):
            await rig.pay(await rig.read(row), way=way)
        assert rig.till.unpaid() == first, "another order stands beside one that may be paid"
    rig.till.pay(first[0])
    row = await rig.settled(row)
    await assert_posted(rig, row)
    assert len(rig.till.orders) == 1


async def test_a_read_that_triggers_repair_and_races_it(rig: Rig) -> None:
    """Kill Bill 1599: a GET repaired what the repairer was repairing. Here a read only reads."""
    row = await rig.to_paid(100_00)
    key = (row.record_id, row.settlement_id)
    rig.clock.advance(timedelta(seconds=31))
    before, asked = await rows(rig), list(rig.till.faults.seen)
    await asyncio.gather(*(actions.get(rig.ctx, *key) for _ in range(40)))
    assert await rows(rig) == before
    assert rig.till.faults.seen == asked, "a reader caused a question to the provider"
    views, _ = await asyncio.gather(
        asyncio.gather(*(actions.get(rig.ctx, *key) for _ in range(40))), rig.work()
    )
    history = await rig.history(row)
    assert {view.settlement.state.value for view in views} <= set(history)
    await assert_posted(rig, await rig.settled(row))
    assert len(history) == len(set(history)), "no state was entered twice"


async def test_stale_repair_outside_the_lock(rig: Rig) -> None:
    """Kill Bill 809: the janitor asked, the payment moved on, and it wrote what it had asked."""
    row = await presettled(rig)
    await rig.pay(row)
    (trade_no,) = rig.till.unpaid()
    ask = rig.till.query

    async def asked_then_paid(number: str) -> Outcome[Payment]:
        """Not paid yet, says the provider; before that answer is here, the notice is."""
        rig.till.query = ask  # type: ignore[method-assign]
        stale = await ask(number)
        rig.till.pay(trade_no)
        told = await ask(number)
        assert isinstance(told, Accepted)
        await payment.apply_payment(rig.ctx, PROVIDER, told.value)
        return stale

    rig.till.query = asked_then_paid  # type: ignore[method-assign]
    (attempt,) = await rig.attempts(row)
    rig.clock.advance(timedelta(seconds=31))
    after = await payment.ask(rig.ctx, attempt.record_id, attempt.attempt_id)
    assert after.state == "PAID"
    await assert_posted(rig, await rig.settled(row))
    assert rig.till.refunds == {}


async def test_a_webhook_that_is_never_sent_because_its_row_exists(fresh_database: str) -> None:
    """Hyperswitch 3408: the row was there, so each retry thought that the event had gone out."""
    async with a_notice_rig(fresh_database) as rig, an_event_server() as server:
        place = await rig.hospital(server)
        await rig.tell(place, 1)
        # Whoever wrote the row died; the outbox hands the same event over once more.
        await rig.tell(place, 1)
        assert server.came == []
        other = notice_jobs.sources(rig.ctx)[0]
        assert await run_once(other, rig.clock, rig.ctx.metrics) == 1
        assert [event["sequence"] for event, _ in server.came] == [1]
        assert [state for _, _, state, _, _ in await rig.states(place)] == ["TAKEN"]


@pytest.mark.parametrize("lost", ["place", "refund", "settle"])
async def test_query_by_own_reference_after_a_time_out(rig: Rig, lost: str) -> None:
    """Hyperswitch 11448: after a time-out there is no number of the provider's to ask by."""
    (rig.bureau if lost == "settle" else rig.till).faults.script(lost, "lose-answer")
    row = await presettled(rig)
    await rig.pay(row)
    (attempt,) = await rig.attempts(row)
    assert attempt.provider_ref is None
    rig.till.pay(attempt.trade_no)
    if lost == "refund":
        rig.bureau.cash_moves_fen = -5_00
    row = await rig.settled(row, 300)
    await assert_posted(rig, row)
    (attempt,) = await rig.attempts(row)
    assert attempt.provider_ref == f"W{attempt.trade_no}"
    assert len(rig.bureau.live) == 1
    assert sum(one.amount_fen for one in rig.till.refunds.values()) == (
        5_00 if lost == "refund" else 0
    )


async def test_double_refund_when_the_network_fails(rig: Rig) -> None:
    """Hospitals' own papers: the answer was lost, the process died, and the money went twice."""
    rig.bureau.faults.script("settle", "refuse")
    row = await rig.to_paid(100_00)
    rig.till.faults.script("refund", "lose-answer")
    deaths = iter([True, True])

    def die(kind: str) -> None:
        if kind in {"refund", "query-refund"} and next(deaths, False):
            raise Crash(kind)

    rig.till.faults.after_call = die
    for _ in range(3):
        try:
            await rig.run_for(timedelta(minutes=2))
        except Crash:
            rig.clock.advance(rig.ctx.policy.lease + timedelta(seconds=1))
    assert next(deaths, None) is None, "both deaths happened"
    await rig.settled(row, 600)
    await assert_undone(rig, row, "insurance-refused")
    assert [one.amount_fen for one in rig.till.refunds.values()] == [40_00]


async def test_readers_who_ask_without_end_reach_no_provider(rig: Rig) -> None:
    """UPI, April 2025: clients' status questions were passed on and felled the provider."""
    row = await presettled(rig)
    await rig.pay(row)
    key = (row.record_id, row.settlement_id)
    (attempt,) = await rig.attempts(row)
    asked = len(rig.till.faults.seen)
    for _ in range(3):
        await asyncio.gather(
            *(actions.get(rig.ctx, *key) for _ in range(20)),
            *(payment.ask(rig.ctx, row.record_id, attempt.attempt_id) for _ in range(20)),
            *(rig.pay(row) for _ in range(3)),
        )
        rig.clock.advance(timedelta(seconds=30))
    assert rig.till.faults.seen[asked:] == ["query"] * 2, "one in 30 s, none in the first"
