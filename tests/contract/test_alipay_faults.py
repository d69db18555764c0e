"""Every fault of the twin, and what the gateway makes of it: unknown is never failed."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from integrations.alipay.gateway import AlipayGateway
from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from integrations.ports.payments import PaymentNotice, PaymentStatus, RefundStatus
from integrations.sandbox.alipay.courier import RESEND_GAPS_S
from integrations.sandbox.alipay.faults import ANSWER_FAULTS, Fault, FaultPlan, RandomFaults
from tests.contract.alipay_rig import (
    PAYER,
    START,
    Rig,
    a_refund,
    an_order,
    counting_nonce,
    settings,
)


@pytest.fixture(params=["gateway", "v3"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(protocol=request.param)


INVALID = Unknown("answer-invalid")
ANSWERS = {
    Fault.DROP_BEFORE: (Unknown("answer-lost"), False),
    Fault.DROP_AFTER: (Unknown("answer-lost"), True),
    Fault.ERROR_BEFORE: (Unknown("provider-fault"), False),
    Fault.ERROR_AFTER: (Unknown("provider-fault"), True),
    Fault.SYSTEM_ERROR_AFTER: (Unknown("provider-fault"), True),
    Fault.BROKEN_GATEWAY: (Unknown("provider-fault"), False),
    Fault.TOO_OFTEN: (Unknown("too-often"), False),
    Fault.ANSWER_UNSIGNED: (INVALID, True),
    Fault.ANSWER_FORGED: (INVALID, True),
    Fault.ANSWER_GARBLED: (INVALID, True),
    Fault.ANSWER_SWAPPED: (INVALID, True),
    Fault.ANSWER_DOUBLED: (INVALID, True),
}
CHARSET_NEEDS_TEXT = Fault.ANSWER_GBK
"""Only an answer with a text in it shows its charset: a query's."""


def test_each_answer_fault_is_covered() -> None:
    assert ANSWERS.keys() == ANSWER_FAULTS - {Fault.SLOW, CHARSET_NEEDS_TEXT}


@pytest.mark.parametrize(("fault", "expected"), ANSWERS.items())
async def test_a_place_that_goes_wrong_is_unknown_and_recovers_by_query(
    rig: Rig, fault: Fault, expected: tuple[Unknown, bool]
) -> None:
    outcome, worked = expected
    await rig.fault(fault, number="TRADE0001")
    order = an_order("TRADE0001", START)
    assert await rig.gateway.place(order) == outcome
    found = await rig.gateway.query("TRADE0001")
    assert isinstance(found, Accepted)
    assert found.value.status is (PaymentStatus.UNPAID if worked else PaymentStatus.ABSENT)
    assert isinstance(await rig.gateway.place(order), Accepted)
    assert len((await rig.book())["trades"]) == 1


@pytest.mark.parametrize(("fault", "expected"), ANSWERS.items())
async def test_a_refund_that_goes_wrong_is_told_by_query_and_moves_money_once(
    rig: Rig, fault: Fault, expected: tuple[Unknown, bool]
) -> None:
    await rig.paid()
    await rig.fault(fault, path="alipay.trade.refund")
    assert await rig.gateway.refund(a_refund()) == expected[0]
    found = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert isinstance(found, Accepted)
    done = found.value.status is RefundStatus.REFUNDED
    assert done is expected[1]
    repeated = await rig.gateway.refund(a_refund())
    assert (repeated == Unknown("refund-unconfirmed")) if done else isinstance(repeated, Accepted)
    assert [row["refund_fen"] for row in (await rig.book())["refunds"]] == [12_345]


@pytest.mark.parametrize("fault", [*ANSWERS, CHARSET_NEEDS_TEXT])
async def test_a_query_that_goes_wrong_says_nothing(rig: Rig, fault: Fault) -> None:
    await rig.paid()
    await rig.fault(fault, path="alipay.trade.query")
    assert isinstance(await rig.gateway.query("TRADE0001"), Unknown)
    await rig.fault(fault, path="alipay.trade.cancel")
    undone = await rig.gateway.reverse("TRADE0001")
    assert isinstance(undone, Unknown) or fault is CHARSET_NEEDS_TEXT


async def test_an_answer_that_comes_too_late_is_lost_and_was_done(rig: Rig) -> None:
    await rig.fault("slow", number="TRADE0001", delay_ms=400)
    transport = Transport(rig.client, 0.1)
    hasty = AlipayGateway(settings(), transport, transport, rig.clock, counting_nonce())
    assert await hasty.place(an_order("TRADE0001", START)) == Unknown("answer-lost")
    await asyncio.sleep(0)


async def test_a_gateway_that_cannot_be_reached_was_not_told(rig: Rig) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        transport = Transport(client, 2.0)
        away = settings(base_url="http://127.0.0.1:1")
        gateway = AlipayGateway(away, transport, transport, rig.clock, counting_nonce())
        assert isinstance(await gateway.place(an_order("TRADE0001", START)), NotSent)
        assert isinstance(await gateway.fetch_bill(START.date()), NotSent)


async def test_a_payer_may_be_faster_than_the_close(rig: Rig) -> None:
    await rig.placed()
    await rig.fault("paid-before-close", number="TRADE0001")
    refused = await rig.gateway.close("TRADE0001")
    assert isinstance(refused, Rejected)
    found = await rig.gateway.query("TRADE0001")
    assert isinstance(found, Accepted)
    assert found.value.status is PaymentStatus.PAID


async def test_a_notice_may_come_before_the_answer(rig: Rig) -> None:
    await rig.fault("paid-at-once", number="TRADE0001")
    await rig.placed(way="native", payer=None)
    (notice,) = rig.inbox
    assert isinstance(notice, PaymentNotice)
    assert notice.payment is not None
    assert notice.payment.status is PaymentStatus.PAID


async def test_a_short_balance_is_a_refund_to_repeat(rig: Rig) -> None:
    await rig.paid()
    await rig.fault("balance-short", number="REFUND0001")
    assert await rig.gateway.refund(a_refund()) == Unknown("balance-short")
    assert isinstance(await rig.gateway.refund(a_refund()), Accepted)


async def paid_with(rig: Rig, fault: str, **more: Any) -> None:
    await rig.fault(fault, number="TRADE0001", **more)
    await rig.paid()


async def test_a_lost_notice_is_never_sent(rig: Rig) -> None:
    await paid_with(rig, "notice-lost")
    rig.clock.forward(days=2)
    assert await rig.deliver() == 0
    assert rig.inbox == []


async def test_a_doubled_notice_has_one_number(rig: Rig) -> None:
    await paid_with(rig, "notice-doubled")
    assert await rig.deliver() == 2
    first, second = rig.inbox
    assert isinstance(first, PaymentNotice)
    assert first == second


async def test_a_late_notice_comes_later(rig: Rig) -> None:
    await paid_with(rig, "notice-late", delay_ms=60_000)
    assert await rig.deliver() == 0
    rig.clock.forward(seconds=60)
    assert await rig.deliver() == 1


async def test_notices_may_change_their_order(rig: Rig) -> None:
    await paid_with(rig, "notice-reordered", delay_ms=3_600_000)
    assert isinstance(await rig.gateway.refund(a_refund()), Accepted)
    await rig.deliver()
    await rig.deliver()
    told = [one.payment.status for one in rig.inbox if not isinstance(one, str) and one.payment]
    assert told == [PaymentStatus.REFUNDED, PaymentStatus.PAID]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("notice-forged", "signature-wrong"), ("notice-wrong-seller", "other-merchant")],
)
async def test_a_notice_that_is_not_ours_is_refused_and_comes_again(
    rig: Rig, fault: str, reason: str
) -> None:
    await paid_with(rig, fault)
    await rig.deliver()
    assert rig.inbox == [reason]
    rig.clock.forward(minutes=4)
    assert await rig.deliver() == 1


async def test_a_wrong_amount_is_told_as_it_is_for_the_core_to_judge(rig: Rig) -> None:
    await paid_with(rig, "notice-wrong-amount")
    await rig.deliver()
    (notice,) = rig.inbox
    assert isinstance(notice, PaymentNotice)
    assert notice.payment is not None
    assert notice.payment.amount_fen == 12_346


async def test_notices_are_sent_again_by_the_documented_gaps_and_then_given_up(rig: Rig) -> None:
    rig.merchant_down = True
    await rig.paid()
    sent_at = []
    while await rig.deliver():
        sent_at.append(rig.clock() - START)
        gaps = RESEND_GAPS_S[len(sent_at) - 1 :]
        rig.clock.forward(seconds=gaps[0] if gaps else 86_400)
    assert len(sent_at) == 8
    assert sent_at[-1] == timedelta(seconds=sum(RESEND_GAPS_S))
    assert (await rig.book())["notices"][0]["state"] == "GIVEN_UP"


async def test_a_notice_keeps_its_number_and_is_signed_anew(rig: Rig) -> None:
    rig.merchant_down = True
    await rig.paid()
    await rig.deliver()
    rig.merchant_down = False
    rig.clock.forward(minutes=4)
    await rig.deliver()
    (form,) = [dict(parse_qsl(body.decode())) for body in rig.posts]
    assert form["notify_time"] == "2026-11-21 10:04:00"
    assert form["notify_id"] == (await rig.book())["notices"][0]["notify_id"]


def test_seeded_faults_repeat_and_leave_money_alone() -> None:
    def drawn(seed: int) -> Iterator[Fault | None]:
        plan = FaultPlan(RandomFaults(seed=seed, rate_permille=300))
        for number in range(200):
            fault = plan.take(ANSWER_FAULTS, f"place {number % 7}", frozenset())
            yield None if fault is None else fault.fault

    first = list(drawn(1))
    assert first == list(drawn(1))
    assert first != list(drawn(2))
    assert 30 < sum(fault is not None for fault in first) < 90


@pytest.mark.parametrize(("total", "fault"), [(92, "LOST"), (93, "TAKEN")])
async def test_a_magic_amount_scripts_its_own_fault(total: int, fault: str) -> None:
    rig = Rig()
    await rig.paid(amount_fen=total)
    await rig.deliver()
    (notice,) = (await rig.book())["notices"]
    assert notice["state"] == fault
    assert len(rig.inbox) == (0 if fault == "LOST" else 2)
    await rig.paid("TRADE0002", amount_fen=total * 100)
    await rig.deliver()
    assert (await rig.book())["notices"][1]["state"] == "TAKEN"


async def test_the_payer_of_an_order_is_the_one_it_names(rig: Rig) -> None:
    prepay_ref = await rig.placed()
    body = {"trade_no": prepay_ref, "buyer": "074thief"}
    assert (await rig.client.post("/sandbox/pay", json=body)).status_code == 400
    await rig.control("pay", trade_no=prepay_ref, buyer=PAYER)
    assert (await rig.client.post("/sandbox/pay", json=body)).status_code == 400
