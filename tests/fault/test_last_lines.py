"""Each guard has a scenario in which it is the last line: without it, that very harm is done.

Every scenario runs twice: with the guard it ends well; with the guard taken out it must fail, so
that no guard is kept that nobody needs and none goes missing unseen.
"""

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from integrations.ports.outcomes import Outcome
from integrations.ports.payments import Payment, Refund, RefundOrder, RefundStatus
from service import worker
from service.bill import actions as bill
from service.bill import store as bill_store
from service.bill.model import AmendBill, Bill
from service.bill.states import BillState
from service.kernel import idempotency, idempotent_http, outbox
from service.kernel.claims import run_once
from service.kernel.database import connection
from service.kernel.problems import StateConflict
from service.ledger import actions as ledger
from service.ledger import store as ledger_store
from service.payment import actions as payment
from service.payment import rules as payment_rules
from service.payment import store as payment_store
from service.payment.actions import refunds, tries
from service.payment.model import PaymentAttempt
from service.payment.states import AttemptState
from service.receipt import actions as receipt
from service.receipt import orders
from service.receipt import store as receipt_store
from service.settlement import rules as settlement_rules
from service.settlement import store as settlement_store
from service.settlement import tender
from service.settlement.model import CallKind, Channel
from service.settlement.states import SettlementState
from service.settlement.steps import settling
from tests.support.fakes_payments import GOOD
from tests.support.guards import Guard, both_runs
from tests.support.last_lines import (
    Gullible,
    Harm,
    Kept,
    at_once,
    drop_unique_keys,
    posted,
    without,
    without_conflict,
)
from tests.support.money import ACCOUNT, PROVIDER, House, a_content, a_house, a_line, a_push
from tests.support.settlement_rig import a_rig
from tests.support.settlement_street import a_street

KIOSK: dict[str, Any] = {"channel": Channel.KIOSK, "terminal_id": 7, "account_id": None}


# --- unique keys -----------------------------------------------------------------------------


async def a_restored_attempt_is_paid_again(dsn: str) -> None:
    """The attempt's row is put back to before the payment; the poller finds it paid once more."""
    async with a_house(dsn) as house:
        attempt = await house.place(await house.create())
        rows = Kept(dsn, "payment_attempt")
        await rows.keep()
        house.provider.pay(attempt.trade_no)
        await _notice(house, attempt)
        await rows.put_back()
        house.clock.advance(timedelta(seconds=31))
        asked = await payment.ask(house.ctx, house.record_id, attempt.attempt_id)
        assert asked.state is AttemptState.PAID
        booked = await ledger.balances(house.ctx, house.record_id, 7)
        if booked[f"provider:{PROVIDER}"] != house.provider.received_fen:
            raise Harm("one payment is in the books twice")


async def one_posting_a_cause(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, ledger_store, "INSERT_POSTING")
    await drop_unique_keys(dsn, "posting")


async def two_orders_at_the_same_moment(dsn: str) -> None:
    """Two devices saw that nobody is paying, and each orders the whole."""
    async with a_house(dsn) as house:
        got = await at_once(dsn, "payment_attempt", house.create(), house.create())
        for attempt in got:
            if isinstance(attempt, PaymentAttempt):
                await house.place(attempt)
                house.provider.pay(attempt.trade_no)
        if house.provider.received_fen != 1234:
            raise Harm("the payer paid twice")


async def one_live_order(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, payment_store, "INSERT_ATTEMPT")
    await drop_unique_keys(dsn, "payment_attempt")


async def a_restored_bill_is_settled_again(dsn: str) -> None:
    """The bill's row is put back to OPEN while the phone settles it; the kiosk begins too."""
    async with a_rig(dsn) as rig:
        charged = await rig.push_bill(100_00)
        rows = Kept(dsn, "bill")
        await rows.keep()
        begun = [await rig.start(charged, insured=False)]
        await rows.put_back()
        with suppress(StateConflict):
            begun.append(await rig.start(charged, insured=False, **KIOSK))
        for row in begun:
            await rig.pay(row)
        for trade_no in rig.till.unpaid():
            rig.till.pay(trade_no)
        if rig.till.kept_fen != charged.total_fen:
            raise Harm("one bill was paid twice")


async def one_settlement_a_bill(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, settlement_store, "INSERT_SETTLEMENT")
    await drop_unique_keys(dsn, "settlement")


async def two_relays_tell_of_one_posting(dsn: str) -> None:
    """The first relay was taken for dead; both find no receipt and issue one."""
    async with a_rig(dsn) as rig:
        row, facts = await posted(rig)
        settled = await orders.read_settled(rig.ctx, facts)
        key = (row.record_id, row.settlement_id)
        issue = [receipt.issue(rig.ctx, *key, facts, settled) for _ in "12"]
        got = await at_once(dsn, "receipt", *issue)
        if len({one.receipt_no for one in got}) != 1:
            raise Harm("one payment has two receipts")


async def one_receipt(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, receipt_store, "INSERT_RECEIPT")
    await drop_unique_keys(dsn, "receipt")


# --- compare-and-set -------------------------------------------------------------------------


async def a_worker_that_slept_settles(dsn: str) -> None:
    """It read SETTLING, slept while another settled, and goes on with what it read."""
    async with a_rig(dsn, bureau=Gullible()) as rig:
        row = await rig.to_paid(100_00)
        (attempt,) = await rig.attempts(row)
        rig.clock.advance(timedelta(seconds=31))
        await payment.ask(rig.ctx, row.record_id, attempt.attempt_id)
        row = await tender.sync_now(rig.ctx, (row.record_id, row.settlement_id))
        await settling.begin(rig.ctx, row)
        stale = await rig.read(row)
        assert stale.state is SettlementState.SETTLING
        assert (await rig.settled(row)).state is SettlementState.POSTING
        with suppress(Exception):
            await settling.step(rig.ctx, stale)
        await rig.settled(row)
        if len(rig.bureau.live) != 1:
            raise Harm("the insurance paid twice")


async def version_of_a_settlement(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, settlement_store, "SAVE_SETTLEMENT", "version = $3\n", "$3::int > 0\n")


async def a_worker_that_slept_closes(dsn: str) -> None:
    """It read CLOSING; meanwhile the payer's money came and went back; it closes what it read."""
    async with a_house(dsn) as house:
        attempt = await house.place(await house.create())
        house.provider.faults.extend(["lost", "lost"])
        stale = await payment.close(house.ctx, house.record_id, attempt.attempt_id)
        assert stale.state is AttemptState.CLOSING
        house.provider.pay(attempt.trade_no)
        await _notice(house, attempt)
        house.provider.refund_status = RefundStatus.REFUNDED
        await house.refund(attempt, attempt.amount_fen)
        await house.work()
        await tries.try_close(house.ctx, stale)
        after = await house.read(attempt)
        if (after.state, after.refunded_fen) != (AttemptState.PAID, house.provider.returned_fen):
            raise Harm("what the payer paid and got back is forgotten")


async def version_of_an_attempt(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, payment_store, "SAVE_ATTEMPT", " and version = $13 - 1")


async def an_amendment_and_a_lock_at_once(dsn: str) -> None:
    """The hospital replaces the bill in the moment in which the payer begins to settle it."""
    async with a_house(dsn) as house:
        charged = await bill.push(house.ctx, a_push(house, "B1"))
        wider = a_push(house, "B1", a_content(a_line("1"), a_line("2")))
        amendment = AmendBill(**msgspec.structs.asdict(wider), replaces=charged.version)
        locked, amended = await at_once(
            dsn, "bill", _lock(house, charged), bill.amend(house.ctx, amendment)
        )
        now = await bill.read(house.ctx, charged.record_id, charged.bill_id)
        is_held = (now.state, now.version) == (BillState.LOCKED, 1)
        is_new = (now.state, now.version) == (BillState.OPEN, 2)
        if (isinstance(locked, Bill), isinstance(amended, Bill)) != (is_held, is_new):
            raise Harm("the payer and the hospital speak of different bills")


async def row_of_a_bill(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, bill_store, "SAVE_BILL", "row_mac = $3", "$3::bytea is not null")


# --- query before retry, amount check, outbox, lease, idempotency key ------------------------


async def the_answer_to_2207_is_lost(dsn: str) -> None:
    """The bureau settled and could not say so."""
    async with a_rig(dsn, bureau=Gullible()) as rig:
        rig.bureau.faults.script("settle", "lose-answer")
        row = await rig.settled(await rig.to_paid(100_00))
        assert row.state is SettlementState.POSTING
        if len(rig.bureau.live) != 1:
            raise Harm("the insurance paid twice")


async def look_before_settling_again(patch: pytest.MonkeyPatch, dsn: str) -> None:
    patch.setattr(settlement_rules, "next_settle_call", lambda _progress: CallKind.SETTLE)


async def the_answer_to_a_refund_is_lost(dsn: str) -> None:
    """The provider gave the money back and could not say so; it pays as often as it is told to."""
    async with a_house(dsn) as house:
        attempt = await house.paid()
        honest, given = house.provider.refund, []

        async def pay_out(order: RefundOrder) -> Outcome[Refund]:
            house.provider.refunds.pop(order.refund_no, None)
            given.append(order.amount_fen)
            return await honest(order)

        house.provider.refund = pay_out  # type: ignore[method-assign]
        house.provider.refund_status = RefundStatus.REFUNDED
        house.provider.faults.append("drop")
        await house.refund(attempt, attempt.amount_fen)
        await house.work(rounds=3)
        if sum(given) != attempt.amount_fen:
            raise Harm("the payer got his money back twice")


async def ask_before_refunding_again(patch: pytest.MonkeyPatch, dsn: str) -> None:
    attempt_once = refunds._try

    async def as_if_unsent(ctx: Any, gateway: Any, attempt: Any, row: Any) -> bool:
        return await attempt_once(ctx, gateway, attempt, msgspec.structs.replace(row, tries=0))

    patch.setattr(refunds, "_try", as_if_unsent)


async def a_fen_is_paid_for_a_bill(dsn: str) -> None:
    """The provider says PAID, of another amount than was ordered."""
    async with a_house(dsn) as house:
        attempt = await house.place(await house.create())
        house.provider.pay(attempt.trade_no)
        house.provider.trades[attempt.trade_no].paid_fen = 1
        await _notice(house, attempt)
        if (await house.read(attempt)).state is AttemptState.PAID:
            raise Harm("the books hold money that nobody has")


async def the_amount_of_a_payment(patch: pytest.MonkeyPatch, dsn: str) -> None:
    judge = payment_rules.judge_payment

    def trusting(
        row: PaymentAttempt, told: Payment, *, sure: bool = False
    ) -> payment_rules.AttemptJudgement:
        return judge(row, msgspec.structs.replace(told, amount_fen=row.amount_fen), sure=sure)

    patch.setattr(payment_rules, "judge_payment", trusting)


async def the_process_dies_after_posting(dsn: str) -> None:
    """The hospital acknowledged; whoever heard it is gone before telling anybody."""
    async with a_rig(dsn) as rig:
        row, _ = await posted(rig)
        await run_once(worker.outbox_source(rig.ctx), rig.clock, rig.ctx.metrics)
        if await receipt.find(rig.ctx, row.record_id, row.settlement_id) is None:
            raise Harm("paid and posted, and nobody has a receipt")


async def events_with_the_change(patch: pytest.MonkeyPatch, dsn: str) -> None:
    append = outbox.append

    async def tell(*place: Any, topic: str, **event: Any) -> None:
        """Of the posting only this process would know, and it dies."""
        if topic != "settlement.posted":
            await append(*place, topic=topic, **event)

    patch.setattr(outbox, "append", tell)


async def another_worker_looks_in(dsn: str) -> None:
    """The bureau takes its time with 2207; another worker comes by, again and again."""
    async with a_rig(dsn, bureau=Gullible()) as rig:

        async def look_in() -> None:
            await rig.run_for(timedelta(seconds=20))

        rig.bureau.during["settle"] = look_in
        row = await rig.settled(await rig.to_paid(100_00))
        assert row.state is SettlementState.POSTING
        if len(rig.bureau.live) != 1:
            raise Harm("the insurance paid twice")


async def lease_of_a_settlement(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch,
        settlement_store,
        "CLAIM_SETTLEMENT",
        "\n  and (lease_until is null or lease_until < $4)",
    )
    without(patch, settlement_store, "LIST_DUE", " and (lease_until is null or lease_until < $1)")


async def a_request_arrives_once_more(dsn: str) -> None:
    """The network repeats a request of before, after the payer had given up."""
    async with a_street(dsn) as street:
        bill_id = await street.push_bill()
        headers = {
            "authorization": f"Bearer {street.phone.token}",
            "idempotency-key": secrets.token_hex(8),
        }

        async def send() -> httpx.Response:
            body = {"use_account": False, "insured": False}
            path = f"/v1/me/bills/{bill_id}/settlements"
            return await street.client.post(path, json=body, headers=headers)

        first = (await send()).json()
        path = f"/v1/me/settlements/{first['settlement_id']}"
        await street.mine("POST", f"{path}/abandonment", {})
        await street.work()
        assert (await street.mine("GET", path))["state"] == "REVERSED"
        assert (await send()).status_code == 202
        if (await street.mine("GET", f"/v1/me/bills/{bill_id}"))["state"] != "OPEN":
            raise Harm("a bill is held by a request of long ago")


async def key_of_a_request(patch: pytest.MonkeyPatch, dsn: str) -> None:
    async def again(*_: Any, run: Callable[[], Awaitable[Any]], **_given: Any) -> Any:
        return await run()

    assert idempotent_http.answer_once is idempotency.answer_once
    patch.setattr(idempotent_http, "answer_once", again)


# --- what they share -------------------------------------------------------------------------


async def _notice(house: House, attempt: PaymentAttempt) -> None:
    body = house.provider.payment_notice(attempt.trade_no)
    answer = await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, body)
    assert answer.status == 200


async def _lock(house: House, charged: Bill) -> Bill:
    async with connection(house.ctx.pool) as conn:
        key = (charged.record_id, charged.bill_id)
        return await bill.lock(conn, house.ctx, *key, 7, charged.version)


GUARDS = [
    Guard(
        name="unique key: a cause posts once",
        holds=frozenset({"posting_once", "ledger.store.INSERT_POSTING"}),
        harm="one payment is in the books twice",
        scenario=a_restored_attempt_is_paid_again,
        take_out=one_posting_a_cause,
    ),
    Guard(
        name="unique key: one live order",
        holds=frozenset({"payment_attempt_one_live", "payment.store.INSERT_ATTEMPT"}),
        harm="the payer paid twice",
        scenario=two_orders_at_the_same_moment,
        take_out=one_live_order,
    ),
    Guard(
        name="unique key: one settlement a bill",
        holds=frozenset({"settlement_one_a_bill", "settlement.store.INSERT_SETTLEMENT"}),
        harm="one bill was paid twice",
        scenario=a_restored_bill_is_settled_again,
        take_out=one_settlement_a_bill,
    ),
    Guard(
        name="unique key: one receipt",
        holds=frozenset({"receipt_once_a_round", "receipt.store.INSERT_RECEIPT"}),
        harm="one payment has two receipts",
        scenario=two_relays_tell_of_one_posting,
        take_out=one_receipt,
    ),
    Guard(
        name="compare-and-set: settlement",
        holds=frozenset({"settlement.store.SAVE_SETTLEMENT"}),
        harm="the insurance paid twice",
        scenario=a_worker_that_slept_settles,
        take_out=version_of_a_settlement,
    ),
    Guard(
        name="compare-and-set: attempt",
        holds=frozenset({"payment.store.SAVE_ATTEMPT"}),
        harm="what the payer paid and got back is forgotten",
        scenario=a_worker_that_slept_closes,
        take_out=version_of_an_attempt,
    ),
    Guard(
        name="compare-and-set: bill",
        holds=frozenset({"bill.store.SAVE_BILL"}),
        harm="the payer and the hospital speak of different bills",
        scenario=an_amendment_and_a_lock_at_once,
        take_out=row_of_a_bill,
    ),
    Guard(
        name="query before retry: settlement",
        holds=frozenset(),
        harm="the insurance paid twice",
        scenario=the_answer_to_2207_is_lost,
        take_out=look_before_settling_again,
    ),
    Guard(
        name="query before retry: refund",
        holds=frozenset(),
        harm="the payer got his money back twice",
        scenario=the_answer_to_a_refund_is_lost,
        take_out=ask_before_refunding_again,
    ),
    Guard(
        name="amount check",
        holds=frozenset(),
        harm="the books hold money that nobody has",
        scenario=a_fen_is_paid_for_a_bill,
        take_out=the_amount_of_a_payment,
    ),
    Guard(
        name="outbox",
        holds=frozenset(),
        harm="paid and posted, and nobody has a receipt",
        scenario=the_process_dies_after_posting,
        take_out=events_with_the_change,
    ),
    Guard(
        name="lease",
        holds=frozenset({"settlement.store.CLAIM_SETTLEMENT"}),
        harm="the insurance paid twice",
        scenario=another_worker_looks_in,
        take_out=lease_of_a_settlement,
    ),
    Guard(
        name="idempotency key",
        holds=frozenset({"kernel.idempotency.INSERT_CLAIM"}),
        harm="a bill is held by a request of long ago",
        scenario=a_request_arrives_once_more,
        take_out=key_of_a_request,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
