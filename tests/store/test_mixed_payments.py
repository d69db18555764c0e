"""Orders of two legs on a real database, a provider in memory: lost answers, crashes, races."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from integrations.ports.outcomes import Accepted, Unknown
from service.kernel.database import transaction
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment.model import ClientCall, InsuredShare, PaymentAttempt, RowKey
from service.payment.states import AttemptEvent, AttemptState
from tests.support.fakes_mixed import FakeMixed, FakeMixedProvider
from tests.support.fakes_payments import GOOD, Killed
from tests.support.money import ACCOUNT, PROVIDER, House, a_house

CASH, FUND = 1234, 5000
AUTH = "AUTH0000000001"


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        made.provider = FakeMixedProvider(made.clock)
        made.ctx.partners.gateways[PROVIDER, ACCOUNT] = made.provider  # type: ignore[attr-defined]
        yield made


def two_legs(house: House) -> FakeMixed:
    assert isinstance(house.provider, FakeMixedProvider)
    return house.provider.mixed


async def created(house: House) -> PaymentAttempt:
    return await house.create(way="mixed", payer="o-1", amount_fen=CASH)


async def hand_in(house: House, row: PaymentAttempt) -> None:
    share = InsuredShare(
        order_ref="ORD1",
        order_no=row.trade_no[:20],
        authorisation=AUTH,
        location="106.71,26.57",
        name="测试甲",
        id_no="990001198001010019",
        scene="outpatient",
        ordered_at=house.clock.now(),
        fund_fen=FUND,
        account_fen=0,
        cash_fen=CASH,
    )
    async with transaction(house.ctx.pool) as conn:
        await payment.hand_in(conn, house.ctx, RowKey(house.record_id, row.attempt_id), share)


async def standing(house: House) -> PaymentAttempt:
    """An order that waits for its payer."""
    row = await created(house)
    await hand_in(house, row)
    await house.work()
    row = await house.read(row)
    assert row.state is AttemptState.AWAITING_PAYER
    return row


async def balances(house: House) -> dict[str, int]:
    found = await ledger.balances(house.ctx, house.record_id, 7)
    return {account: fen for account, fen in found.items() if fen}


async def test_nothing_is_placed_before_the_bureau_s_order_is_handed_in(house: House) -> None:
    row = await created(house)
    await house.place(row)
    await house.work(rounds=3)
    assert house.provider.calls == []
    assert (await house.read(row)).state is AttemptState.CREATED


async def test_the_payer_s_app_gets_what_its_call_takes(house: House) -> None:
    row = await standing(house)
    assert house.provider.calls == ["place", "place_mixed"]
    shown = await payment.present(house.ctx, house.record_id, row.attempt_id)
    assert isinstance(shown, ClientCall)
    assert shown.parameters["mixTradeNo"] == f"MIX{row.trade_no[:8]}"
    assert shown.parameters["package"] == f"prepay-{row.trade_no}"
    order = two_legs(house).orders[row.trade_no]
    assert (order.total_fen, order.cash_fen, order.openid) == (CASH + FUND, CASH, "o-1")
    assert order.insured is not None
    assert order.insured.auth_no == AUTH


async def test_handing_in_again_changes_nothing(house: House) -> None:
    row = await standing(house)
    await hand_in(house, row)
    assert (await house.read(row)).version == row.version


FAULTS = ("kill-before", "kill-after", "lost", "drop", "not-sent")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(2))
async def test_a_fault_at_placing_leaves_one_order_that_can_be_paid(
    house: House, fault: str, call: int
) -> None:
    row = await created(house)
    await hand_in(house, row)
    house.provider.faults.extend(["ok"] * call + [fault])
    await house.work(rounds=6)
    assert (await house.read(row)).state is AttemptState.AWAITING_PAYER
    assert list(two_legs(house).orders) == [row.trade_no]
    two_legs(house).confirm(row.trade_no)
    await house.work(rounds=2)
    assert (await house.read(row)).state is AttemptState.PAID
    assert await balances(house) == {f"provider:{PROVIDER}": CASH, "patient": -CASH}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(2))
async def test_a_fault_at_asking_is_made_up_for(house: House, fault: str, call: int) -> None:
    row = await standing(house)
    two_legs(house).confirm(row.trade_no)
    house.provider.faults.extend(["ok"] * call + [fault])
    await house.work(rounds=4)
    assert (await house.read(row)).state is AttemptState.PAID
    assert (await house.topics()).count("payment.paid") == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(3))
async def test_a_fault_at_closing_ends_in_closed(house: House, fault: str, call: int) -> None:
    row = await standing(house)
    house.provider.faults.extend(["ok"] * call + [fault])
    with suppress(Killed):
        await payment.close(house.ctx, house.record_id, row.attempt_id)
    await house.work(rounds=8)
    after = await house.read(row)
    assert (after.state, after.client_sealed) == (AttemptState.CLOSED, None)
    assert not house.provider.pay(row.trade_no), "the cash leg takes nothing more"


@pytest.mark.parametrize("fault", ["ok", *FAULTS])
async def test_a_paid_cash_leg_of_a_failed_whole_goes_back_once(house: House, fault: str) -> None:
    row = await standing(house)
    two_legs(house).confirm(row.trade_no, insured=False)
    house.provider.faults.append(fault)
    await house.work(rounds=3)
    assert (await house.read(row)).state is AttemptState.PAID_LATE
    for number in house.provider.refunds:
        house.provider.finish(number)
    await house.work(rounds=3)
    assert (house.provider.received_fen, house.provider.returned_fen) == (CASH, CASH)
    assert await balances(house) == {}
    assert await house.reasons() == []
    assert (await house.topics()).count("payment.closed") == 1


async def test_settled_insurance_whose_cash_failed_is_told_as_closed(house: House) -> None:
    row = await standing(house)
    two_legs(house).confirm(row.trade_no, cash=False)
    await house.work(rounds=2)
    assert (await house.read(row)).state is AttemptState.CLOSED
    assert await house.topics() == ["payment.closed"]
    assert not house.provider.pay(row.trade_no)


async def test_a_refused_placing_closes_the_cash_leg_and_says_why(house: House) -> None:
    row = await created(house)
    await hand_in(house, row)
    house.provider.faults.extend(["ok", "reject"])
    await house.work()
    assert (await house.read(row)).state is AttemptState.FAILED
    assert house.provider.calls == ["place", "place_mixed", "close"]
    assert not house.provider.pay(row.trade_no)


async def test_two_workers_place_one_order(house: House) -> None:
    row = await created(house)
    await hand_in(house, row)
    key = RowKey(house.record_id, row.attempt_id)
    await asyncio.gather(*(payment.pursue(house.ctx, key) for _ in range(4)))
    assert house.provider.calls.count("place_mixed") == 1


async def test_the_bureau_s_order_is_over_before_anything_was_sent(house: House) -> None:
    row = await created(house)
    async with transaction(house.ctx.pool) as conn:
        key = RowKey(house.record_id, row.attempt_id)
        await payment.give_up(conn, house.ctx, key, AttemptEvent.REFUSE)
    assert (await house.read(row)).state is AttemptState.FAILED
    assert house.provider.calls == []


async def test_the_bureau_s_order_is_over_while_the_payer_is_waited_for(house: House) -> None:
    row = await standing(house)
    async with transaction(house.ctx.pool) as conn:
        key = RowKey(house.record_id, row.attempt_id)
        await payment.give_up(conn, house.ctx, key, AttemptEvent.CLOSE)
    assert (await house.read(row)).state is AttemptState.CLOSING
    await house.work(rounds=2)
    assert (await house.read(row)).state is AttemptState.CLOSED


async def test_a_paid_whole_with_another_amount_goes_before_a_person(house: House) -> None:
    row = await standing(house)
    two_legs(house).confirm(row.trade_no)
    two_legs(house).cash_told_fen = CASH + 1
    await house.work()
    assert (await house.read(row)).state is AttemptState.NEEDS_REVIEW
    assert await house.reasons() == ["amount-differs"]
    assert await balances(house) == {}


async def test_cash_notice_and_mixed_notice_in_any_order_only_make_it_ask(house: House) -> None:
    row = await standing(house)
    two_legs(house).confirm(row.trade_no)
    asked = len(house.provider.calls)
    cash = house.provider.payment_notice(row.trade_no)
    both = two_legs(house).notice(row.trade_no)
    for _ in range(2):
        await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, cash)
        await payment.take_mixed_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, both)
    assert len(house.provider.calls) == asked
    after = await house.read(row)
    assert (after.state, after.due_at) == (AttemptState.AWAITING_PAYER, house.clock.now())
    await payment.pursue(house.ctx, RowKey(house.record_id, row.attempt_id))
    assert (await house.read(row)).state is AttemptState.PAID


async def test_what_is_told_of_a_refund_names_the_cash_refund(house: House) -> None:
    row = await standing(house)
    two_legs(house).confirm(row.trade_no)
    await house.work()
    key = RowKey(house.record_id, row.attempt_id)
    assert await payment.tell_insured_refund(house.ctx, key) == Unknown("not-ready")
    await house.refund(row, CASH)
    await house.work()
    [number] = house.provider.refunds
    house.provider.finish(number)
    await house.work(rounds=2)
    assert await payment.tell_insured_refund(house.ctx, key) == Accepted(None)
    [told] = two_legs(house).told
    assert (told.refund_no, told.fund_fen, told.mixed_ref) == (
        number,
        FUND,
        f"MIX{row.trade_no[:8]}",
    )
