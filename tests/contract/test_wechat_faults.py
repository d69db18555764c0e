"""Every fault of the twin, and what the gateway makes of it: unknown is never failed."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from integrations.ports.payments import PaymentNotice, PaymentStatus, RefundStatus
from integrations.sandbox.wechatpay.courier import RESEND_GAPS_S
from integrations.sandbox.wechatpay.faults import ANSWER_FAULTS, Fault, FaultPlan, RandomFaults
from integrations.sandbox.wechatpay.model import TwinPace
from integrations.wechatpay.gateway import WechatPayGateway
from tests.contract.wechat_rig import (
    START,
    Rig,
    a_refund,
    an_order,
    counting_nonce,
    key_pair,
    settings,
)


@pytest.fixture
def rig() -> Rig:
    return Rig()


ANSWERS = {
    Fault.DROP_BEFORE: (Unknown("answer-lost"), False),
    Fault.DROP_AFTER: (Unknown("answer-lost"), True),
    Fault.ERROR_BEFORE: (Unknown("provider-fault"), False),
    Fault.ERROR_AFTER: (Unknown("provider-fault"), True),
    Fault.TOO_OFTEN: (Unknown("too-often"), False),
    Fault.ANSWER_UNSIGNED: (Unknown("answer-invalid"), True),
    Fault.ANSWER_FORGED: (Unknown("answer-invalid"), True),
    Fault.ANSWER_STALE: (Unknown("answer-invalid"), True),
    Fault.ANSWER_GARBLED: (Unknown("answer-invalid"), True),
}


def test_each_answer_fault_is_covered() -> None:
    assert ANSWERS.keys() == ANSWER_FAULTS - {Fault.SLOW}


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
    assert len((await rig.book())["orders"]) == 1


@pytest.mark.parametrize(("fault", "expected"), ANSWERS.items())
async def test_a_refund_that_goes_wrong_is_repeated_under_its_number_once_only(
    rig: Rig, fault: Fault, expected: tuple[Unknown, bool]
) -> None:
    await rig.paid()
    await rig.fault(fault, path="POST /v3/refund")
    assert await rig.gateway.refund(a_refund()) == expected[0]
    assert isinstance(await rig.gateway.refund(a_refund()), Accepted)
    assert [row["refund_fen"] for row in (await rig.book())["refunds"]] == [12_345]


@pytest.mark.parametrize(("fault", "expected"), ANSWERS.items())
async def test_queries_and_closes_that_go_wrong_are_unknown(
    rig: Rig, fault: Fault, expected: tuple[Unknown, bool]
) -> None:
    await rig.placed()
    await rig.fault(fault, path="GET /v3/pay")
    assert await rig.gateway.query("TRADE0001") == expected[0]
    await rig.fault(fault, path="/close")
    # A close has no body, so there is nothing to garble but the signature still covers it.
    outcome = await rig.gateway.close("TRADE0001")
    assert outcome in (expected[0], Accepted(None))
    if fault is not Fault.ANSWER_GARBLED:
        assert outcome == expected[0]


async def test_a_slow_answer_beyond_the_deadline_is_lost_though_the_work_is_done(rig: Rig) -> None:
    hasty = WechatPayGateway(settings(), Transport(rig.client, 0.05), rig.clock, counting_nonce())
    await rig.fault("slow", number="TRADE0001", delay_ms=200)
    assert await hasty.place(an_order("TRADE0001", START)) == Unknown("answer-lost")


async def test_a_host_that_cannot_be_reached_is_not_sent() -> None:
    async with httpx.AsyncClient() as client:
        gateway = WechatPayGateway(
            settings(base_url="http://127.0.0.1:9"), Transport(client, 2.0), lambda: START,
            counting_nonce(),
        )  # fmt: skip
        assert await gateway.query("TRADE0001") == NotSent("not-reached")


async def test_the_payer_faster_than_the_close_is_told(rig: Rig) -> None:
    await rig.placed()
    await rig.fault("paid-before-close", number="TRADE0001")
    closed = await rig.gateway.close("TRADE0001")
    assert isinstance(closed, Rejected)
    assert closed.reason == "already-paid"
    found = await rig.gateway.query("TRADE0001")
    assert isinstance(found, Accepted)
    assert found.value.status is PaymentStatus.PAID


async def test_a_close_while_the_payer_pays_is_unknown_then_paid(rig: Rig) -> None:
    await rig.placed()
    await rig.fault("paid-during-close", number="TRADE0001")
    assert await rig.gateway.close("TRADE0001") == Unknown("too-often")
    found = await rig.gateway.query("TRADE0001")
    assert isinstance(found, Accepted)
    assert found.value.status is PaymentStatus.PAID


async def test_a_notice_can_come_before_the_answer_to_the_order(rig: Rig) -> None:
    await rig.fault("paid-at-once", number="TRADE0001")
    await rig.fault("drop-after", number="TRADE0001")
    assert await rig.gateway.place(an_order("TRADE0001", START)) == Unknown("answer-lost")
    (notice,) = rig.inbox
    assert isinstance(notice, PaymentNotice)
    assert notice.payment is not None
    assert notice.payment.status is PaymentStatus.PAID


async def test_a_refund_without_balance_is_repeated_with_its_own_number(rig: Rig) -> None:
    await rig.paid()
    await rig.fault("balance-short", number="REFUND0001")
    assert await rig.gateway.refund(a_refund()) == Unknown("balance-short")
    absent = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert isinstance(absent, Accepted)
    assert absent.value.status is RefundStatus.ABSENT
    assert isinstance(await rig.gateway.refund(a_refund()), Accepted)


async def test_a_lost_notice_is_never_sent(rig: Rig) -> None:
    await rig.fault("notice-lost", number="TRADE0001")
    await rig.paid()
    rig.clock.forward(days=2)
    assert await rig.deliver() == 0


async def test_a_doubled_notice_has_one_id(rig: Rig) -> None:
    await rig.fault("notice-doubled", number="TRADE0001")
    await rig.paid()
    assert await rig.deliver() == 2
    first, second = rig.inbox
    assert first == second
    assert rig.posts[0] != rig.posts[1]


async def test_a_late_notice_comes_late(rig: Rig) -> None:
    await rig.fault("notice-late", number="TRADE0001", delay_ms=60_000)
    await rig.paid()
    assert await rig.deliver() == 0
    rig.clock.forward(seconds=60)
    assert await rig.deliver() == 1


async def test_a_reordered_notice_comes_after_the_next_of_its_trade(rig: Rig) -> None:
    await rig.fault("notice-reordered", number="TRADE0001", delay_ms=3_600_000)
    await rig.paid()
    await rig.gateway.refund(a_refund())
    await rig.deliver()
    await rig.deliver()
    kinds = [note.refund is not None for note in rig.inbox if isinstance(note, PaymentNotice)]
    assert kinds == [True, False]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("notice-forged", "signature-wrong"), ("notice-stale", "timestamp-stale")],
)
async def test_a_bad_notice_is_refused_and_the_next_sending_is_good(
    rig: Rig, fault: str, reason: str
) -> None:
    await rig.fault(fault, number="TRADE0001")
    await rig.paid()
    await rig.deliver()
    rig.clock.forward(seconds=15)
    await rig.deliver()
    assert rig.inbox[0] == reason
    assert isinstance(rig.inbox[1], PaymentNotice)
    assert (await rig.book())["notices"][0]["state"] == "TAKEN"


async def test_a_notice_of_a_wrong_amount_shows_that_amount(rig: Rig) -> None:
    await rig.fault("notice-wrong-amount", number="TRADE0001")
    await rig.paid()
    await rig.deliver()
    (notice,) = rig.inbox
    assert isinstance(notice, PaymentNotice)
    assert notice.payment is not None
    assert notice.payment.amount_fen == 12_346


async def test_notices_are_resent_by_the_documented_gaps_then_given_up(rig: Rig) -> None:
    await rig.paid()
    rig.merchant_down = True
    for gap_s in RESEND_GAPS_S:
        assert await rig.deliver() == 1
        rig.clock.forward(seconds=gap_s - 1)
        assert await rig.deliver() == 0
        rig.clock.forward(seconds=1)
    assert await rig.deliver() == 1
    assert (await rig.book())["notices"][0] == {
        "id": (await rig.book())["notices"][0]["id"],
        "out_trade_no": "TRADE0001",
        "event_type": "TRANSACTION.SUCCESS",
        "tries": 16,
        "state": "GIVEN_UP",
    }
    assert rig.clock.at - START == timedelta(hours=24, minutes=4)


async def test_the_background_sender_delivers_while_the_app_lives() -> None:
    rig = Rig(pace=TwinPace(tick_ms=10))
    async with rig.app.lifespan():
        await rig.paid()
        for _ in range(200):
            if rig.inbox:
                break
            await asyncio.sleep(0.01)
    assert isinstance(rig.inbox[0], PaymentNotice)


async def test_seeded_faults_repeat_and_money_stays_right(rig: Rig) -> None:
    async def run(seed: int) -> list[str]:
        rig = Rig()
        await rig.control("faults/random", seed=seed, rate_permille=500)
        said: list[str] = []
        for number in range(12):
            order = an_order(f"TRADE{number:04d}", START)
            outcome: Any = None
            for _ in range(40):
                outcome = await rig.gateway.place(order)
                said.append(type(outcome).__name__)
                if isinstance(outcome, Accepted):
                    break
            assert isinstance(outcome, Accepted)
        assert len((await rig.book())["orders"]) == 12
        return said

    first = await run(7)
    assert first == await run(7)
    assert first != await run(8)
    assert "Unknown" in first


def test_a_plan_is_used_up_and_bounded() -> None:
    plan = FaultPlan(RandomFaults(seed=1, rate_permille=0))
    assert plan.take(ANSWER_FAULTS, "GET /x", frozenset()) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"merchant_key_pem": "other"}, "SIGN_ERROR"),
        ({"merchant_serial": "00FF"}, "SIGN_ERROR"),
        ({"mchid": "1900000999"}, "SIGN_ERROR"),
        ({"appid": "wx_not_bound"}, "APPID_MCHID_NOT_MATCH"),
    ],
)
async def test_a_misconfigured_account_is_refused_for_certain(
    rig: Rig, changes: dict[str, str], why: str
) -> None:
    if "merchant_key_pem" in changes:
        changes = {"merchant_key_pem": key_pair("stranger")[0]}
    outcome = await rig.gateway_with(**changes).place(an_order("TRADE0001", START))
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.provider_code) == ("account-misconfigured", why)


async def test_a_merchant_clock_five_minutes_off_is_refused(rig: Rig) -> None:
    slow = WechatPayGateway(
        settings(), Transport(rig.client, 5.0), lambda: START - timedelta(seconds=301),
        counting_nonce(),
    )  # fmt: skip
    # The refusal is signed too, and to this clock it is as stale as the request was to WeChat.
    assert await slow.place(an_order("TRADE0001", START)) == Unknown("answer-invalid")
    assert (await rig.book())["orders"] == []


async def test_answers_by_a_key_that_is_not_ours_are_not_believed(rig: Rig) -> None:
    stranger = rig.gateway_with(public_key_pem=key_pair("stranger")[1])
    assert await stranger.place(an_order("TRADE0001", START)) == Unknown("answer-invalid")
