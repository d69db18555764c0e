"""Pay-by-code in the rows: one call with the code, then questions, then the reversal.

Whatever breaks, in the end the attempt is PAID exactly where the provider has the money.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from integrations.ports.payments import CodeOrder, PaymentStatus
from service.kernel.masked import Masked
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment.model import PayerConfirms, PaymentAttempt, Refusal
from service.payment.problems import PaymentInProgress, PaymentWayUnknown
from service.payment.states import AttemptState
from tests.support.fakes_payments import GOOD, Killed
from tests.support.money import ACCOUNT, PROVIDER, House, a_house

PAYS, WAITS, REFUSED = "130000000000000001", "130000000000000005", "130000000000000007"
STEP = timedelta(seconds=5)
FAULTS = ["kill-before", "kill-after", "drop", "lost", "reject"]
ENDED = frozenset({AttemptState.PAID, AttemptState.CLOSED, AttemptState.FAILED})


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


async def take(house: House, code: str, **changes: object) -> PaymentAttempt:
    """An attempt by a shown code, right after the call."""
    attempt = await house.create(way="code", **changes)  # type: ignore[arg-type]
    with suppress(Killed):
        await payment.place(house.ctx, house.record_id, attempt.attempt_id, Masked(code))
    return await house.read(attempt)


async def until_ended(house: House, attempt: PaymentAttempt) -> PaymentAttempt:
    for _ in range(60):
        await house.work(step=STEP)
        after = await house.read(attempt)
        if after.state in ENDED:
            return after
    return after


async def told(house: House, attempt: PaymentAttempt, notice_id: str) -> int:
    body = house.provider.payment_notice(attempt.trade_no, notice_id=notice_id)
    return (await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, body)).status


async def test_a_good_code_is_paid_by_its_one_call(house: House) -> None:
    paid = await take(house, PAYS)
    assert (paid.state, paid.provider_ref is not None) == (AttemptState.PAID, True)
    assert house.provider.calls == ["pay_by_code"]
    assert await ledger.balances(house.ctx, house.record_id, 7) == {
        "provider:wechatpay": 1234,
        "patient": -1234,
    }


async def test_a_refused_code_says_why_and_lets_the_next_be_shown(house: House) -> None:
    refused = await take(house, REFUSED)
    assert refused.state is AttemptState.FAILED
    shown = await payment.present(house.ctx, house.record_id, refused.attempt_id)
    assert shown == Refusal("code-invalid")
    house.provider.faults.append("not-sent")
    unsent = await take(house, PAYS)
    shown = await payment.present(house.ctx, house.record_id, unsent.attempt_id)
    assert (unsent.state, shown) == (AttemptState.FAILED, Refusal("not-reached"))
    assert (await take(house, PAYS)).state is AttemptState.PAID


async def test_a_payer_who_must_confirm_is_asked_about_every_five_seconds(house: House) -> None:
    waiting = await take(house, WAITS)
    assert waiting.state is AttemptState.AWAITING_PAYER
    shown = await payment.present(house.ctx, house.record_id, waiting.attempt_id)
    assert shown == PayerConfirms()
    await house.work(rounds=3, step=STEP)
    assert house.provider.calls.count("query") == 3
    assert house.provider.pay(waiting.trade_no)
    await house.work(step=STEP)
    assert (await house.read(waiting)).state is AttemptState.PAID


async def test_a_payer_who_never_confirms_is_reversed_in_time(house: House) -> None:
    waiting = await take(house, WAITS)
    await house.work(rounds=9, step=STEP)
    assert (await house.read(waiting)).state is AttemptState.CLOSED
    assert not house.provider.pay(waiting.trade_no), "nobody can pay it any more"
    assert await house.topics() == ["payment.closed"]


async def test_no_second_attempt_while_the_first_is_not_known(house: House) -> None:
    house.provider.faults.append("drop")
    unclear = await take(house, PAYS)
    assert unclear.state is AttemptState.CREATED
    with pytest.raises(PaymentInProgress):
        await house.create(way="code")
    house.provider.always = "lost"
    await house.work(rounds=40, step=STEP)
    assert (await house.read(unclear)).state is AttemptState.CLOSING
    with pytest.raises(PaymentInProgress):
        await house.create(way="native")
    house.provider.always = "ok"
    await house.work(rounds=1, step=timedelta(minutes=11))
    assert (await house.read(unclear)).state is AttemptState.CLOSED
    assert house.provider.received_fen == 0, "paid after all, and given back by the reversal"
    assert house.provider.calls.count("pay_by_code") == 1
    await house.create(way="native")


@pytest.mark.parametrize(
    ("call", "code"), [(0, PAYS), (0, WAITS), (1, WAITS), (2, PAYS), (3, PAYS)]
)
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_row_and_the_provider_agree_whatever_breaks(
    house: House, fault: str, call: int, code: str
) -> None:
    # Ten questions fill the time; the second to last faults meet the last of them and the reversal.
    before = ["ok"] * call if call < 2 else ["drop"] + ["lost"] * 9 + ["ok"] * (call - 2)
    house.provider.faults.extend([*before, fault])
    ended = await until_ended(house, await take(house, code))
    assert ended.state in ENDED
    assert house.provider.calls.count("pay_by_code") <= 1
    kept_fen = house.provider.received_fen
    assert kept_fen == (1234 if ended.state is AttemptState.PAID else 0)
    sums = await ledger.balances(house.ctx, house.record_id, 7)
    assert sums.get("provider:wechatpay", 0) == kept_fen
    if (trade := house.provider.trades.get(ended.trade_no)) and not kept_fen:
        assert trade.status is PaymentStatus.CLOSED


async def test_a_reversal_that_comes_too_late_leaves_it_paid(house: House) -> None:
    house.provider.faults.extend(["drop", *["lost"] * 10])
    house.provider.reversal_refused = True
    unclear = await take(house, PAYS)
    ended = await until_ended(house, unclear)
    assert (ended.state, house.provider.received_fen) == (AttemptState.PAID, 1234)


async def test_no_reversal_sooner_than_the_provider_allows(house: House) -> None:
    waiting = await take(house, WAITS)
    closing = await payment.close(house.ctx, house.record_id, waiting.attempt_id)
    assert closing.state is AttemptState.CLOSING
    await house.work(rounds=2, step=STEP)
    assert "reverse" not in house.provider.calls
    await house.work(step=STEP)
    assert house.provider.calls[-3:] == ["query", "reverse", "query"]
    assert (await house.read(waiting)).state is AttemptState.CLOSED


async def test_a_notice_older_than_the_reversal_moves_nothing(house: House) -> None:
    house.provider.faults.extend(["drop", *["lost"] * 10])
    unclear = await take(house, PAYS)
    body = house.provider.payment_notice(unclear.trade_no)
    await payment.close(house.ctx, house.record_id, unclear.attempt_id)
    assert (await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, body)).status == 200
    assert (await house.read(unclear)).state is AttemptState.CLOSING
    house.provider.faults.clear()
    house.provider.faults.append("lost")
    await house.work(rounds=4, step=STEP)
    assert (await house.read(unclear)).state is AttemptState.CLOSED
    stale = body.replace(b'"n-1"', b'"n-2"')
    assert (await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, stale)).status == 200
    assert (await house.read(unclear)).state is AttemptState.CLOSED
    assert await ledger.balances(house.ctx, house.record_id, 7) == {}
    house.provider.faults.append("lost")
    unclear_again = body.replace(b'"n-1"', b'"n-3"')
    answer = await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, unclear_again)
    assert answer.status == 400, "not certain now: the provider shall send it again"


async def test_a_payment_that_stands_after_all_goes_back(house: House) -> None:
    house.provider.faults.append("lost")
    unclear = await take(house, WAITS)
    await house.work(rounds=10, step=STEP)
    assert (await house.read(unclear)).state is AttemptState.CLOSED
    # The lost call arrived at last, behind everything that was asked.
    await payment.place(house.ctx, house.record_id, unclear.attempt_id, Masked(PAYS))
    assert unclear.trade_no not in house.provider.trades
    other = await take(house, WAITS, settlement_id=8)
    await house.work(rounds=10, step=STEP)
    assert (await house.read(other)).state is AttemptState.CLOSED
    house.provider.pay(other.trade_no, force=True)
    assert await told(house, other, "late") == 200
    await house.work()
    for number in house.provider.refunds:
        house.provider.finish(number)
    await house.work(rounds=2)
    assert (await house.read(other)).refunded_fen == 1234
    assert await house.reasons() == ["late-payment"]


async def test_what_was_never_sent_is_closed_without_a_call(house: House) -> None:
    attempt = await house.create(way="code")
    await house.work(rounds=2, step=STEP)
    assert (await house.read(attempt)).state is AttemptState.CLOSED
    assert house.provider.calls == []


async def test_a_code_is_kept_nowhere(house: House) -> None:
    await take(house, WAITS)
    async with house.ctx.pool.acquire() as conn:
        row = await conn.fetchrow(
            "select payer_sealed, client_sealed from payment_attempt where way = 'code'"
        )
    assert tuple(row) == (None, None)


async def test_only_opened_ways_are_offered(house: House) -> None:
    house.provider.ways = frozenset({"native"})
    offered = await payment.list_ways(house.ctx, house.institution_id)
    assert [(one.provider, one.way) for one in offered] == [(PROVIDER, "native")]
    with pytest.raises(PaymentWayUnknown):
        await payment.check_way(house.ctx, house.institution_id, PROVIDER, "code")


@pytest.mark.parametrize("code", [PAYS, WAITS])
async def test_a_call_that_arrives_after_its_reversal_charges_nobody(
    house: House, code: str
) -> None:
    """Nothing was there to be reversed; the payer has long paid by another code."""
    house.provider.faults.append("lost")
    late = await take(house, code)
    assert (await until_ended(house, late)).state is AttemptState.CLOSED
    other = await take(house, PAYS[:-1] + "2")
    assert other.state is AttemptState.PAID
    await house.provider.pay_by_code(
        CodeOrder(
            trade_no=late.trade_no,
            amount_fen=late.amount_fen,
            description="x",
            code=code,
            expires_at=late.expires_at,
            notice_url="https://hospital.test/x",
        )
    )
    await house.work(rounds=40, step=STEP)
    back_fen = sum(
        one.order.amount_fen
        for one in house.provider.refunds.values()
        if one.order.trade_no == late.trade_no
    )
    assert house.provider.trades[late.trade_no].paid_fen == back_fen
    assert (await house.read(other)).refundable_fen == other.amount_fen
    assert not house.provider.pay(late.trade_no), "nobody can pay it any more"
