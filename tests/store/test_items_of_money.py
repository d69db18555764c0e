"""Work items about money end with their cause, and an operator's verbs reach every one of them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from integrations.ports.payments import PaymentStatus, RefundStatus
from service.commands import stuck
from service.kernel.database import transaction
from service.kernel.problems import NotFound, StateConflict
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment.model import PaymentAttempt, Refund
from service.payment.states import AttemptState, RefundState
from service.receipt.states import InvoiceState
from tests.support.audited import closings, entries_of
from tests.support.fakes_payments import GOOD
from tests.support.invoice_desk import Desk, a_desk
from tests.support.money import ACCOUNT, DECIDED, PROVIDER, House, a_house

ISSUE, WRITE_OFF = "invoiceEBillOutpatient", "writeOffEBill"
TEN_MINUTES = timedelta(minutes=11)


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[Desk]:
    async with a_desk(fresh_database) as made:
        yield made


async def newest(house: House) -> Refund:
    """The refund that was promised last."""
    async with transaction(house.ctx.pool) as conn:
        return (await payment.list_refunds(conn, house.ctx, house.record_id, 7))[0]


async def noticed(house: House, trade_no: str, amount_fen: int) -> None:
    """A notice of another amount than was asked."""
    body = house.provider.payment_notice(trade_no, amount_fen=amount_fen)
    await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, body)


async def test_a_notice_one_fen_too_high_is_reviewed_from_the_command_line(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    await noticed(house, attempt.trade_no, 1235)
    assert (await house.read(attempt)).state is AttemptState.NEEDS_REVIEW
    number = house.ctx.public_ids.text(house.record_id, attempt.attempt_id)
    assert await closings(house.ctx, house.record_id) == {"amount-differs": None}
    assert (
        await stuck.review(house.ctx, number, DECIDED, money_is_back=False) == f"{number} is PAID"
    )
    assert await closings(house.ctx, house.record_id) == {"amount-differs": "paid"}
    assert await ledger.balances(house.ctx, house.record_id, 7) == {
        "provider:wechatpay": 1234,
        "patient": -1234,
    }
    (entry,) = await entries_of(house.ctx, house.record_id, "payment.reviewed")
    assert entry["actor_kind"] == "operator"
    assert (entry["by"], entry["because"]) == (DECIDED.by, DECIDED.because)
    with pytest.raises(StateConflict, match="the order is PAID"):
        await stuck.review(house.ctx, number, DECIDED, money_is_back=False)
    with pytest.raises(NotFound):
        await stuck.review(house.ctx, "nothing", DECIDED, money_is_back=False)


async def test_a_review_ends_only_as_the_provider_says(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    house.provider.trades[attempt.trade_no].status = PaymentStatus.REFUNDED
    await house.work()
    number = house.ctx.public_ids.text(house.record_id, attempt.attempt_id)
    with pytest.raises(StateConflict, match=f"the provider says {PaymentStatus.REFUNDED.value}"):
        await stuck.review(house.ctx, number, DECIDED, money_is_back=False)
    said = await stuck.review(house.ctx, number, DECIDED, money_is_back=True)
    assert said == f"{number} is CLOSED"
    assert await closings(house.ctx, house.record_id) == {"refunded-elsewhere": "closed"}
    assert await ledger.balances(house.ctx, house.record_id, 7) == {}


async def test_an_unresolved_order_ends_its_item_when_it_is_clear(house: House) -> None:
    attempt = await house.place(await house.create())
    house.provider.always = "lost"
    await house.work(rounds=20, step=TEN_MINUTES)
    assert (await closings(house.ctx, house.record_id))["payment-unresolved"] is None
    house.provider.always = "ok"
    await house.work(step=TEN_MINUTES)
    assert (await house.read(attempt)).state is AttemptState.CLOSED
    assert await closings(house.ctx, house.record_id) == {"payment-unresolved": "closed"}


async def test_a_late_payment_is_over_when_it_is_back(house: House) -> None:
    attempt = await house.place(await house.create())
    closed = await payment.close(house.ctx, house.record_id, attempt.attempt_id)
    assert closed.state is AttemptState.CLOSED
    house.provider.pay(attempt.trade_no, force=True)
    await noticed(house, attempt.trade_no, 1234)
    assert await closings(house.ctx, house.record_id) == {"late-payment": None}
    house.provider.refund_status = RefundStatus.REFUNDED
    await house.work()
    assert await closings(house.ctx, house.record_id) == {"late-payment": "refunded"}


async def test_a_refused_refund_is_sent_again_and_its_item_ends(house: House) -> None:
    attempt = await house.paid()
    house.provider.faults.append("reject")
    await house.refund(attempt, 1234)
    await house.work()
    blocked = await newest(house)
    number = house.ctx.public_ids.text(house.record_id, blocked.refund_id)
    said = await stuck.retry(house.ctx, number, DECIDED)
    assert said == f"{number} goes to the provider as {blocked.refund_no}; the worker sends it"
    assert await closings(house.ctx, house.record_id) == {"refund-refused": "sent-again"}
    (entry,) = await entries_of(house.ctx, house.record_id, "refund.retried")
    assert (entry["actor_kind"], entry["because"]) == ("operator", DECIDED.because)
    house.provider.refund_status = RefundStatus.REFUNDED
    await house.work()
    assert (await newest(house)).state is RefundState.REFUNDED
    with pytest.raises(StateConflict, match="the refund is REFUNDED"):
        await stuck.retry(house.ctx, number, DECIDED)
    assert house.provider.returned_fen == 1234
    assert len(await entries_of(house.ctx, house.record_id, "refund.retried")) == 1


async def test_a_stuck_refund_that_arrives_after_all_ends_its_item(house: House) -> None:
    attempt = await house.paid()
    house.provider.refund_status = RefundStatus.STUCK
    await house.refund(attempt, 1234)
    await house.work()
    house.provider.finish((await newest(house)).refund_no)
    await house.work(rounds=2)
    assert await closings(house.ctx, house.record_id) == {"refund-stuck": "refunded"}


async def test_a_failed_refund_that_was_given_after_all_is_not_given_twice(house: House) -> None:
    attempt = await house.paid()
    house.provider.refund_status = RefundStatus.FAILED
    await house.refund(attempt, 1234)
    await house.work()
    failed = await newest(house)
    number = house.ctx.public_ids.text(house.record_id, failed.refund_id)
    house.provider.finish(failed.refund_no)
    told = house.provider.refund_notice(failed.refund_no)
    await payment.take_notice(house.ctx, PROVIDER, ACCOUNT, GOOD, told)
    with pytest.raises(StateConflict, match="given back after all"):
        await stuck.retry(house.ctx, number, DECIDED)
    assert await closings(house.ctx, house.record_id) == {
        "refund-failed": None,
        "refunded-after-failure": None,
    }
    assert len(house.provider.refunds) == 1
    house.provider.faults.append("lost")
    with pytest.raises(StateConflict, match="no clear answer"):
        await stuck.confirm(house.ctx, number, DECIDED)
    assert await stuck.confirm(house.ctx, number, DECIDED) == f"{number} is REFUNDED"
    after = await house.read(attempt)
    assert (after.refunding_fen, after.refunded_fen, after.refundable_fen) == (0, 1234, 0)
    booked = {"provider:wechatpay": 0, "patient": 0}
    assert await ledger.balances(house.ctx, house.record_id, 7) == booked
    assert (await house.topics())[-1] == "refund.done"
    assert await closings(house.ctx, house.record_id) == {
        "refund-failed": "refunded",
        "refunded-after-failure": "refunded",
    }
    (entry,) = await entries_of(house.ctx, house.record_id, "refund.confirmed")
    assert (entry["actor_kind"], entry["by"]) == ("operator", DECIDED.by)
    with pytest.raises(StateConflict, match="only a failed one"):
        await stuck.confirm(house.ctx, number, DECIDED)


async def test_a_failed_refund_is_confirmed_only_by_the_provider_and_before_a_retry(
    house: House,
) -> None:
    attempt = await house.paid()
    house.provider.refund_status = RefundStatus.FAILED
    await house.refund(attempt, 1000)
    await house.work()
    failed = await newest(house)
    number = house.ctx.public_ids.text(house.record_id, failed.refund_id)
    with pytest.raises(StateConflict, match=f"the provider says {RefundStatus.FAILED.value}"):
        await stuck.confirm(house.ctx, number, DECIDED)
    house.provider.refund_status = RefundStatus.PROCESSING
    await stuck.retry(house.ctx, number, DECIDED)
    await house.work()
    house.provider.finish(failed.refund_no)
    with pytest.raises(StateConflict, match="it was sent again since"):
        await stuck.confirm(house.ctx, number, DECIDED)
    assert (await house.read(attempt)).refunding_fen == 1000
    assert await entries_of(house.ctx, house.record_id, "refund.confirmed") == []


async def failed_refund(house: House, amount_fen: int) -> tuple[PaymentAttempt, Refund]:
    attempt = await house.paid()
    house.provider.refund_status = RefundStatus.FAILED
    await house.refund(attempt, amount_fen)
    await house.work()
    return attempt, await newest(house)


async def test_what_was_given_outside_is_booked_once_and_never_given_again(house: House) -> None:
    attempt, failed = await failed_refund(house, 1000)
    number = house.ctx.public_ids.text(house.record_id, failed.refund_id)
    said = await stuck.give_outside(house.ctx, number, "ICBC 20260105-77", DECIDED)
    assert said == f"{number} was given outside by ICBC 20260105-77: 1000 fen"
    after = await house.read(attempt)
    assert (after.refunding_fen, after.refunded_fen, after.refundable_fen) == (0, 1000, 234)
    given = await newest(house)
    assert (given.provider, given.provider_ref) == ("outside", "ICBC 20260105-77")
    assert given.state is RefundState.REFUNDED
    assert await ledger.balances(house.ctx, house.record_id, 7) == {
        "provider:wechatpay": 1234,
        "outside": -1000,
        "patient": -234,
    }
    assert (await house.topics())[-1] == "refund.done"
    assert await closings(house.ctx, house.record_id) == {"refund-failed": "given-outside"}
    (entry,) = await entries_of(house.ctx, house.record_id, "refund.given-outside")
    assert (entry["actor_kind"], entry["by"]) == ("operator", DECIDED.by)
    with pytest.raises(StateConflict, match="it was given outside since"):
        await stuck.give_outside(house.ctx, number, "ICBC 20260105-77", DECIDED)
    with pytest.raises(StateConflict, match="it was given outside since"):
        await stuck.retry(house.ctx, number, DECIDED)
    house.provider.finish(failed.refund_no)
    with pytest.raises(StateConflict, match="it was given outside since"):
        await stuck.confirm(house.ctx, number, DECIDED)
    await house.work()
    assert len(house.provider.refunds) == 1


async def test_nothing_is_booked_outside_that_the_provider_may_have_given(house: House) -> None:
    attempt, failed = await failed_refund(house, 1000)
    number = house.ctx.public_ids.text(house.record_id, failed.refund_id)
    house.provider.faults.append("lost")
    with pytest.raises(StateConflict, match="no clear answer"):
        await stuck.give_outside(house.ctx, number, "slip 9", DECIDED)
    house.provider.refund_status = RefundStatus.PROCESSING
    await stuck.retry(house.ctx, number, DECIDED)
    with pytest.raises(StateConflict, match="it was sent again since"):
        await stuck.give_outside(house.ctx, number, "slip 9", DECIDED)
    house.provider.finish(failed.refund_no)
    with pytest.raises(StateConflict, match=f"the provider says {RefundStatus.REFUNDED.value}"):
        await stuck.give_outside(house.ctx, number, "slip 9", DECIDED)
    waiting = house.ctx.public_ids.text(house.record_id, (await newest(house)).refund_id)
    with pytest.raises(StateConflict, match="only for a failed one"):
        await stuck.give_outside(house.ctx, waiting, "slip 9", DECIDED)
    assert (await house.read(attempt)).refunded_fen == 0
    assert await entries_of(house.ctx, house.record_id, "refund.given-outside") == []


@pytest.mark.parametrize(
    ("fault", "reason"), [(ISSUE, "invoice-refused"), (WRITE_OFF, "invoice-write-off-refused")]
)
async def test_an_invoice_is_sent_again_and_its_item_ends(
    desk: Desk, fault: str, reason: str
) -> None:
    await desk.platform.fault("refuse", method=fault)
    await desk.posted()
    await desk.work(rounds=2)
    if fault == WRITE_OFF:
        await desk.refunded()
        await desk.work(rounds=2)
    record_id, refused = desk.house.record_id, await desk.invoice()
    number = desk.ctx.public_ids.text(record_id, refused.invoice_id)
    assert await closings(desk.ctx, record_id) == {reason: None}
    said = await stuck.send_again(desk.ctx, number, DECIDED)
    assert said == f"{number} goes to the platform again; the worker sends it"
    await desk.work()
    ends = InvoiceState.WRITTEN_OFF if fault == WRITE_OFF else InvoiceState.ISSUED
    assert (await desk.invoice()).state is ends
    assert await closings(desk.ctx, record_id) == {reason: "send-again"}
    (entry,) = await entries_of(desk.ctx, record_id, "invoice.sent-again")
    assert (entry["actor_kind"], entry["by"]) == ("operator", DECIDED.by)
    with pytest.raises(StateConflict, match="nothing was refused"):
        await stuck.send_again(desk.ctx, number, DECIDED)


async def test_an_unresolved_invoice_ends_its_item_with_the_answer(desk: Desk) -> None:
    await desk.platform.fault("error-before", times=100)
    await desk.posted()
    await desk.work(rounds=13, step=TEN_MINUTES)
    assert await closings(desk.ctx, desk.house.record_id) == {"invoice-unresolved": None}
    await desk.platform.client.post("/sandbox/faults/clear")
    await desk.work()
    assert await closings(desk.ctx, desk.house.record_id) == {"invoice-unresolved": "issue"}
