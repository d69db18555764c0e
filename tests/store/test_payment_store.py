"""Attempts and refunds on a real database, with a provider in memory."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from integrations.ports.outcomes import Outcome, Unknown
from integrations.ports.payments import PaymentOrder, PaymentStatus, PlacedOrder, RefundStatus
from service.kernel.database import transaction
from service.kernel.problems import InvariantBroken, NotFound, RowTampered, StateConflict
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment.actions import attempts
from service.payment.model import ClientCall, RowKey, ShownQr
from service.payment.problems import (
    PaymentInProgress,
    PaymentNotReady,
    PaymentNotRefundable,
    PaymentWayUnknown,
)
from service.payment.states import AttemptState, RefundState
from tests.support.fakes_payments import GOOD
from tests.support.money import ACCOUNT, DECIDED, PROVIDER, House, a_house


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


async def _balances(house: House) -> dict[str, int]:
    return await ledger.balances(house.ctx, house.record_id, 7)


async def _refunds(house: House) -> list[RefundState]:
    async with transaction(house.ctx.pool) as conn:
        rows = await payment.list_refunds(conn, house.ctx, house.record_id, 7)
    return [row.state for row in rows]


async def _notice(house: House, body: bytes, account: str = ACCOUNT) -> int:
    answer = await payment.take_notice(house.ctx, PROVIDER, account, GOOD, body)
    return answer.status


async def test_a_placed_order_is_shown_to_the_payer(house: House) -> None:
    native = await house.place(await house.create())
    assert native.state is AttemptState.AWAITING_PAYER
    shown = await payment.present(house.ctx, house.record_id, native.attempt_id)
    assert shown == ShownQr(f"pay://{native.trade_no}")
    inside = await house.place(await house.create(settlement_id=8, way="jsapi", payer="o-1"))
    shown = await payment.present(house.ctx, house.record_id, inside.attempt_id)
    assert isinstance(shown, ClientCall)
    assert shown.parameters["package"] == f"prepay-{inside.trade_no}"
    assert house.provider.trades[inside.trade_no].order.payer == "o-1"


async def test_nothing_is_shown_before_the_order_stands(house: House) -> None:
    attempt = await house.create()
    with pytest.raises(PaymentNotReady):
        await payment.present(house.ctx, house.record_id, attempt.attempt_id)


async def test_a_settlement_has_one_live_attempt(house: House) -> None:
    first = await house.create()
    with pytest.raises(PaymentInProgress):
        await house.create()
    with pytest.raises(PaymentInProgress):
        await house.create(purpose="DIFFERENCE")
    closed = await payment.close(house.ctx, house.record_id, first.attempt_id)
    assert closed.state is AttemptState.CLOSED
    assert house.provider.calls == [], "what was never sent needs no call to be closed"
    await house.create()


async def test_ways_that_cannot_be(house: House) -> None:
    with pytest.raises(PaymentWayUnknown):
        await house.create(way="jsapi", payer=None)
    with pytest.raises(PaymentWayUnknown):
        await house.create(way="cheque")
    with pytest.raises(PaymentWayUnknown):
        await payment.check_way(house.ctx, house.institution_id, "alipay", "native")
    await payment.check_way(house.ctx, house.institution_id, PROVIDER, "native")


async def test_a_notice_pays_once_however_often_it_comes(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    body = house.provider.payment_notice(attempt.trade_no)
    other = house.provider.payment_notice(attempt.trade_no, notice_id="n-2")
    assert [await _notice(house, text) for text in (body, body, other)] == [200, 200, 200]
    after = await house.read(attempt)
    assert (after.state, after.due_at) == (AttemptState.PAID, None)
    assert await house.topics() == ["payment.paid"]
    assert await _balances(house) == {"provider:wechatpay": 1234, "patient": -1234}


async def test_a_notice_may_be_faster_than_the_answer_to_the_order(house: House) -> None:
    attempt = await house.create()
    house.provider.faults.append("drop")
    assert (await house.place(attempt)).state is AttemptState.CREATED
    house.provider.pay(attempt.trade_no)
    assert await _notice(house, house.provider.payment_notice(attempt.trade_no)) == 200
    assert (await house.read(attempt)).state is AttemptState.PAID


async def test_a_forged_notice_is_refused(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    body = house.provider.payment_notice(attempt.trade_no)
    answer = await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, {"sign": "bad"}, body)
    assert (answer.status, answer.body) == (400, b"FAIL")
    assert (await house.read(attempt)).state is AttemptState.AWAITING_PAYER
    refused = house.ctx.metrics.outcomes.labels(PROVIDER, "notice", "refused")
    assert refused._value.get() == 1
    with pytest.raises(NotFound):
        await payment.take_notice(house.ctx, PROVIDER, "nobody", GOOD, body)


async def test_a_number_that_is_not_ours_is_refused_and_reported_once(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.trades["YMSTRANGER01"] = house.provider.trades.pop(attempt.trade_no)
    house.provider.pay("YMSTRANGER01")
    body = house.provider.payment_notice("YMSTRANGER01")
    before = (await house.reasons(0)).count("unknown-number")
    assert [await _notice(house, body), await _notice(house, body)] == [400, 400]
    assert (await house.reasons(0)).count("unknown-number") == before + 1


async def test_another_account_cannot_tell_of_our_trade(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    house.ctx.partners.gateways[PROVIDER, "other"] = house.provider  # type: ignore[attr-defined]
    body = house.provider.payment_notice(attempt.trade_no)
    assert await _notice(house, body, "other") == 400
    assert (await house.read(attempt)).state is AttemptState.AWAITING_PAYER


async def test_a_wrong_amount_needs_a_person(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    body = house.provider.payment_notice(attempt.trade_no, amount_fen=1)
    assert await _notice(house, body) == 200
    assert (await house.read(attempt)).state is AttemptState.NEEDS_REVIEW
    assert await house.reasons() == ["amount-differs"]
    assert await house.topics() == ["payment.review"]
    assert await _balances(house) == {}
    with pytest.raises(PaymentInProgress):
        await house.create()


async def test_a_late_payment_is_given_back_by_itself(house: House) -> None:
    attempt = await house.place(await house.create())
    closed = await payment.close(house.ctx, house.record_id, attempt.attempt_id)
    assert closed.state is AttemptState.CLOSED
    await house.create()
    assert house.provider.pay(attempt.trade_no, force=True)
    assert await _notice(house, house.provider.payment_notice(attempt.trade_no)) == 200
    after = await house.read(attempt)
    assert (after.state, after.refunding_fen) == (AttemptState.PAID_LATE, 1234)
    assert await house.reasons() == ["late-payment"]
    house.provider.refund_status = RefundStatus.REFUNDED
    await house.work()
    assert (await house.read(attempt)).refunded_fen == 1234
    assert house.provider.returned_fen == house.provider.received_fen == 1234
    assert await house.topics() == ["payment.closed", "refund.done"]
    assert await _balances(house) == {"provider:wechatpay": 0, "patient": 0}


async def test_the_payer_may_be_faster_than_the_close(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    after = await payment.close(house.ctx, house.record_id, attempt.attempt_id)
    assert after.state is AttemptState.PAID
    assert await house.topics() == ["payment.paid"]


async def test_an_order_that_arrives_after_its_close_is_ended_or_given_back(house: House) -> None:
    """A second device gives up while the order is on its way: the provider has none yet."""
    place = house.provider.place
    for number, (is_paid, is_heard) in enumerate([(False, True), (True, True), (True, False)]):
        attempt = await house.create(settlement_id=7 + number)

        async def late(
            order: PaymentOrder,
            key: int = attempt.attempt_id,
            is_paid: bool = is_paid,
            is_heard: bool = is_heard,
        ) -> Outcome[PlacedOrder]:
            closed = await payment.close(house.ctx, house.record_id, key)
            assert closed.state is AttemptState.CLOSED
            placed = await place(order)
            if is_paid:
                assert house.provider.pay(order.trade_no)
            return placed if is_heard else Unknown("lost")

        house.provider.place = late  # type: ignore[method-assign]
        after = await house.place(attempt)
        assert after.state is (AttemptState.PAID_LATE if is_paid else AttemptState.CLOSED)
        assert not house.provider.pay(attempt.trade_no), "nobody can pay it any more"
    house.provider.refund_status = RefundStatus.REFUNDED
    await house.work()
    assert house.provider.returned_fen == house.provider.received_fen == 2 * 1234


async def test_an_unpaid_order_closes_at_its_end(house: House) -> None:
    attempt = await house.place(await house.create())
    await house.work(step=timedelta(minutes=16))
    assert (await house.read(attempt)).state is AttemptState.CLOSED
    assert await house.topics() == ["payment.closed"]


async def test_a_close_without_an_answer_is_taken_up_again(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.faults.extend(["lost", "lost"])
    closing = await payment.close(house.ctx, house.record_id, attempt.attempt_id)
    assert closing.state is AttemptState.CLOSING
    calls = len(house.provider.calls)
    again = await payment.close(house.ctx, house.record_id, attempt.attempt_id)
    assert again.state is AttemptState.CLOSING
    assert len(house.provider.calls) == calls, "a client cannot drive questions"
    await house.work()
    assert (await house.read(attempt)).state is AttemptState.CLOSED


async def test_a_client_causes_one_question_in_thirty_seconds(house: House) -> None:
    attempt = await house.place(await house.create())
    for _ in range(5):
        await payment.ask(house.ctx, house.record_id, attempt.attempt_id)
    assert house.provider.calls == ["place"]
    house.clock.advance(timedelta(seconds=30))
    for _ in range(5):
        await payment.ask(house.ctx, house.record_id, attempt.attempt_id)
    assert house.provider.calls == ["place", "query"]


async def test_a_refused_order_fails_and_another_may_follow(house: House) -> None:
    house.provider.faults.append("reject")
    attempt = await house.place(await house.create())
    assert attempt.state is AttemptState.FAILED
    assert await house.topics() == ["payment.failed"]
    assert (await house.place(await house.create())).state is AttemptState.AWAITING_PAYER


async def test_a_refusal_after_a_lost_answer_is_not_believed_before_a_question(
    house: House,
) -> None:
    house.provider.faults.extend(["drop", "ok", "reject"])
    attempt = await house.place(await house.create())
    await house.work()
    assert house.provider.calls == ["place", "query", "place"]
    assert (await house.read(attempt)).state is AttemptState.CLOSING
    await house.work()
    assert (await house.read(attempt)).state is AttemptState.CLOSED


async def test_a_hospital_without_an_account_fails_without_a_call(house: House) -> None:
    house.ctx.partners.gateways.clear()  # type: ignore[attr-defined]
    attempt = await house.place(await house.create())
    assert attempt.state is AttemptState.FAILED
    assert house.provider.calls == []


async def test_a_provider_that_stays_silent_is_reported_and_asked_on(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.always = "lost"
    await house.work(rounds=20, step=timedelta(minutes=11))
    assert "payment-unresolved" in await house.reasons()
    house.provider.always = "ok"
    await house.work(step=timedelta(minutes=11))
    assert (await house.read(attempt)).state is AttemptState.CLOSED


async def test_a_trade_refunded_elsewhere_needs_a_person(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    house.provider.trades[attempt.trade_no].status = PaymentStatus.REFUNDED
    await house.work()
    assert (await house.read(attempt)).state is AttemptState.NEEDS_REVIEW
    assert await house.reasons() == ["refunded-elsewhere"]


async def test_an_operator_ends_a_review(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    await _notice(house, house.provider.payment_notice(attempt.trade_no, amount_fen=1))

    async def end(*, money_is_back: bool) -> AttemptState:
        ended = await payment.end_review(
            house.ctx,
            house.record_id,
            attempt.attempt_id,
            decided=DECIDED,
            money_is_back=money_is_back,
        )
        return ended.state

    house.provider.faults.append("lost")
    with pytest.raises(StateConflict):
        await end(money_is_back=True)
    assert await end(money_is_back=False) is AttemptState.PAID
    assert await _balances(house) == {"provider:wechatpay": 1234, "patient": -1234}
    assert await house.topics() == ["payment.review", "payment.paid"]
    with pytest.raises(StateConflict):
        await end(money_is_back=False)


async def test_old_notices_are_forgotten_and_their_repeat_changes_nothing(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    body = house.provider.payment_notice(attempt.trade_no)
    assert await _notice(house, body) == 200
    assert await payment.forget_notices(house.ctx) == 0
    house.clock.advance(timedelta(days=7, seconds=1))
    assert await payment.forget_notices(house.ctx) == 1
    assert await _notice(house, body) == 200
    assert await house.topics() == ["payment.paid"]


async def test_a_refund_is_promised_then_sent_then_confirmed(house: House) -> None:
    attempt = await house.paid()
    await house.refund(attempt, 1000)
    await house.refund(attempt, 1000)
    assert (await house.read(attempt)).refunding_fen == 1000
    await house.work()
    assert await _refunds(house) == [RefundState.PROCESSING]
    (number,) = house.provider.refunds
    house.provider.finish(number)
    assert await _notice(house, house.provider.refund_notice(number)) == 200
    assert await _notice(house, house.provider.refund_notice(number, notice_id="r-2")) == 200
    await house.work()
    after = await house.read(attempt)
    assert (after.refunding_fen, after.refunded_fen, after.refundable_fen) == (0, 1000, 234)
    assert await house.topics() == ["payment.paid", "refund.done"]
    assert await _balances(house) == {"provider:wechatpay": 234, "patient": -234}


async def test_what_cannot_be_given_back(house: House) -> None:
    unpaid = await house.place(await house.create(settlement_id=9))
    with pytest.raises(PaymentNotRefundable):
        await house.refund(unpaid, 1)
    attempt = await house.paid()
    await house.refund(attempt, 1000, "one")
    for amount_fen in (235, 0, -1):
        with pytest.raises(PaymentNotRefundable):
            await house.refund(attempt, amount_fen, "two")
    with pytest.raises(InvariantBroken):
        await house.refund(attempt, 999, "one")


async def test_a_stuck_refund_is_reported_and_still_finishes(house: House) -> None:
    attempt = await house.paid()
    house.provider.refund_status = RefundStatus.STUCK
    await house.refund(attempt, 1234)
    await house.work()
    assert await _refunds(house) == [RefundState.NEEDS_REVIEW]
    assert await house.reasons() == ["refund-stuck"]
    (number,) = house.provider.refunds
    house.provider.finish(number)
    await house.work(rounds=2)
    assert await _refunds(house) == [RefundState.REFUNDED]
    assert await house.topics() == ["payment.paid", "refund.stuck", "refund.done"]


async def test_a_refund_that_failed_for_good_goes_again_under_a_new_number(house: House) -> None:
    attempt = await house.paid()
    house.provider.refund_status = RefundStatus.FAILED
    await house.refund(attempt, 1234)
    await house.work()
    assert await _refunds(house) == [RefundState.FAILED]
    assert (await house.read(attempt)).refundable_fen == 0, "it stays promised"
    house.provider.refund_status = RefundStatus.REFUNDED
    async with transaction(house.ctx.pool) as conn:
        (failed,) = await payment.list_refunds(conn, house.ctx, house.record_id, 7)
    await payment.retry_refund(house.ctx, house.record_id, failed.refund_id, DECIDED)
    with pytest.raises(StateConflict, match="it was sent again since"):
        await payment.retry_refund(house.ctx, house.record_id, failed.refund_id, DECIDED)
    await house.work()
    assert sorted(await _refunds(house)) == [RefundState.FAILED, RefundState.REFUNDED]
    assert house.provider.returned_fen == 1234


async def test_a_refused_refund_waits_for_an_operator(house: House) -> None:
    attempt = await house.paid()
    house.provider.faults.append("reject")
    await house.refund(attempt, 1234)
    await house.work()
    assert await house.reasons() == ["refund-refused"]
    async with transaction(house.ctx.pool) as conn:
        (blocked,) = await payment.list_refunds(conn, house.ctx, house.record_id, 7)
    await payment.retry_refund(house.ctx, house.record_id, blocked.refund_id, DECIDED)
    house.provider.refund_status = RefundStatus.REFUNDED
    await house.work()
    assert await _refunds(house) == [RefundState.REFUNDED]
    assert len(house.provider.refunds) == 1


@pytest.mark.parametrize(
    "change",
    [
        "update payment_attempt set amount_fen = amount_fen - 1 where record_id = $1",
        "update payment_attempt set state = 'PAID' where record_id = $1",
        "update payment_attempt set refunded_fen = 1 where record_id = $1",
        "update payment_attempt set provider_ref = 'x' where record_id = $1",
    ],
)
async def test_a_row_changed_by_sql_is_refused(house: House, change: str) -> None:
    attempt = await house.place(await house.create())
    async with transaction(house.ctx.pool) as conn:
        await conn.execute(change, house.record_id)
    with pytest.raises(RowTampered):
        await payment.close(house.ctx, house.record_id, attempt.attempt_id)
    house.provider.pay(attempt.trade_no)
    with pytest.raises(RowTampered):
        await _notice(house, house.provider.payment_notice(attempt.trade_no))


async def test_a_refund_changed_by_sql_is_refused(house: House) -> None:
    attempt = await house.paid()
    await house.refund(attempt, 100)
    async with transaction(house.ctx.pool) as conn:
        await conn.execute(
            "update refund set amount_fen = 1000 where record_id = $1", house.record_id
        )
    await house.work()
    assert house.provider.refunds == {}


async def test_the_payer_is_not_readable_in_the_rows(house: House) -> None:
    await house.place(await house.create(way="jsapi", payer="openid-of-a-person"))
    async with transaction(house.ctx.pool) as conn:
        row: asyncpg.Record = await conn.fetchrow(
            "select * from payment_attempt where record_id = $1", house.record_id
        )
    assert b"openid-of-a-person" not in b"".join(v for v in row.values() if isinstance(v, bytes))
    assert "openid-of-a-person" not in [v for v in row.values() if isinstance(v, str)]


async def test_a_dead_holder_is_replaced_when_its_lease_ends(house: House) -> None:
    attempt = await house.create()
    key = RowKey(house.record_id, attempt.attempt_id)
    house.clock.advance(timedelta(seconds=6))
    now = house.clock.now()
    until = now + timedelta(seconds=30)
    assert key in await attempts.list_due(house.ctx, now, 1000)
    assert await attempts.claim(house.ctx, key, now, until)
    assert not await attempts.claim(house.ctx, key, now, until)
    assert key not in await attempts.list_due(house.ctx, now, 1000)
    assert await attempts.claim(house.ctx, key, until, until + timedelta(seconds=30))
