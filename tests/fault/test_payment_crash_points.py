"""A process dies around every provider call; the worker's loops bring each case to its end."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from integrations.ports.payments import RefundStatus
from service.kernel.database import transaction
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment.model import PaymentAttempt
from service.payment.states import AttemptState, RefundState
from tests.support.fakes_payments import Killed
from tests.support.money import House, a_house

LONGEST_PAUSE = timedelta(minutes=11)
FAULTS = ["kill-before", "kill-after", "drop", "lost", "not-sent"]
CALLS_OF_A_JOURNEY = 6
"""place, query (paid), refund, query_refund, and two more for repeats."""


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


async def _place(house: House) -> PaymentAttempt:
    attempt = await house.create()
    with suppress(Killed):
        await house.place(attempt)
    return attempt


async def _until_paid(house: House, attempt: PaymentAttempt) -> None:
    """The payer pays as soon as he is shown the order."""
    for _ in range(8):
        if (await house.read(attempt)).state is AttemptState.AWAITING_PAYER:
            house.provider.pay(attempt.trade_no)
        await house.work()
        if (await house.read(attempt)).state is AttemptState.PAID:
            return


async def _until_returned(
    house: House, step: timedelta = timedelta(seconds=31)
) -> list[RefundState]:
    states: list[RefundState] = []
    for _ in range(8):
        await house.work(step=step)
        for number in house.provider.refunds:
            house.provider.finish(number)
        async with transaction(house.ctx.pool) as conn:
            rows = await payment.list_refunds(conn, house.ctx, house.record_id, 7)
        states = [row.state for row in rows]
        if states == [RefundState.REFUNDED]:
            break
    return states


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(CALLS_OF_A_JOURNEY))
async def test_one_payment_and_one_refund_whatever_breaks(
    house: House, call: int, fault: str
) -> None:
    house.provider.faults.extend(["ok"] * call + [fault])
    attempt = await _place(house)
    await _until_paid(house, attempt)
    assert (await house.read(attempt)).state is AttemptState.PAID
    assert (house.provider.received_fen, len(house.provider.trades)) == (1234, 1)
    await house.refund(attempt, 1234)
    assert await _until_returned(house) == [RefundState.REFUNDED]
    assert (house.provider.returned_fen, len(house.provider.refunds)) == (1234, 1)
    assert await house.topics() == ["payment.paid", "refund.done"]
    sums = await ledger.balances(house.ctx, house.record_id, 7)
    assert sums == {"provider:wechatpay": 0, "patient": 0}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(1, 4))
@pytest.mark.parametrize("payer_is_faster", [False, True])
async def test_a_close_ends_closed_or_paid_whatever_breaks(
    house: House, call: int, fault: str, payer_is_faster: bool
) -> None:
    house.provider.faults.extend(["ok"] * call + [fault])
    attempt = await _place(house)
    if payer_is_faster:
        house.provider.pay(attempt.trade_no)
    with suppress(Killed):
        await payment.close(house.ctx, house.record_id, attempt.attempt_id)
    await house.work(rounds=5)
    wanted = AttemptState.PAID if payer_is_faster else AttemptState.CLOSED
    assert (await house.read(attempt)).state is wanted
    assert await house.topics() == [f"payment.{wanted.value.lower()}"]
    assert house.provider.received_fen == (1234 if payer_is_faster else 0)


async def test_many_faults_in_a_row_change_nothing_in_the_end(house: House) -> None:
    house.provider.faults.extend(FAULTS * 2)
    attempt = await _place(house)
    for _ in range(14):
        await house.work(step=LONGEST_PAUSE)
        if (await house.read(attempt)).state is AttemptState.AWAITING_PAYER:
            house.provider.pay(attempt.trade_no)
    after = await house.read(attempt)
    assert after.state in {AttemptState.PAID, AttemptState.CLOSED}
    assert house.provider.received_fen == (1234 if after.state is AttemptState.PAID else 0)


async def test_a_late_payment_is_returned_once_whatever_breaks(house: House) -> None:
    house.provider.refund_status = RefundStatus.PROCESSING
    attempt = await _place(house)
    await payment.close(house.ctx, house.record_id, attempt.attempt_id)
    house.provider.pay(attempt.trade_no, force=True)
    told = (await house.provider.query(attempt.trade_no)).value  # type: ignore[union-attr]
    for _ in range(3):
        await payment.apply_payment(house.ctx, "wechatpay", told)
    house.provider.faults.extend(FAULTS)
    assert await _until_returned(house, LONGEST_PAUSE) == [RefundState.REFUNDED]
    assert house.provider.returned_fen == house.provider.received_fen == 1234
