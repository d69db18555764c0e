"""Mixed insurance orders: two legs, three equations, a short-lived notice, a refund in steps."""

from typing import Any

import msgspec
import pytest

from integrations.ports.mixed_payments import (
    Adjustment,
    InsuredLeg,
    InsuredRefund,
    Leg,
    MixedOrder,
    MixedPayer,
    MixedPayment,
    MixedStatus,
)
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from integrations.ports.payments import NoticeRefused, PaymentStatus
from integrations.wechatpay.mixed import order_fault
from tests.contract.wechat_rig import APPID, PAYER, a_refund
from tests.contract.wechat_ways_rig import WayRig, sm_rig

CITY = "990100"
TRADE = "TRADE0001"
MIXED_URL = "https://merchant.test/notices/mixed"


class MixedRig(WayRig):
    """A rig whose merchant reads both kinds of notices."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(city_id=CITY, **changes)
        self.mixed_inbox: list[MixedPayment] = []

    async def _take_notice(self, url: str, headers: dict[str, str], body: bytes) -> int:
        if url != MIXED_URL:
            return await super()._take_notice(url, headers, body)
        self.posts.append((dict(headers), body))
        if self.merchant_down:
            raise ConnectionError
        told = self.gateway.mixed.read_mixed_notice(headers, body, self.clock())
        self.mixed_inbox.append(told)
        return 204

    async def order(self, **changes: Any) -> MixedOrder:
        """An order with its cash leg placed, where it has one."""
        order = an_order(self, **changes)
        if order.cash_fen:
            prepay = await self.placed(order.trade_no, amount_fen=order.cash_fen)
            order = msgspec.structs.replace(order, prepay_ref=prepay)
        return order

    async def mixed(self, **changes: Any) -> str:
        """A placed mixed order; gives its number."""
        placed = told(await self.gateway.mixed.place_mixed(await self.order(**changes)))
        assert placed.status is MixedStatus.UNPAID
        assert placed.mixed_ref is not None
        return placed.mixed_ref

    async def ask(self) -> MixedPayment:
        """How it stands."""
        return told(await self.gateway.mixed.query_mixed(TRADE))


def an_insured(rig: WayRig, **changes: Any) -> InsuredLeg:
    leg = InsuredLeg(
        order_id="ORD990001202601050935000000001",
        auth_no="AUTH990001202601050934000000001",
        location="113.000000,30.000000",
        settled_at=rig.clock(),
        fund_fen=198_40,
        account_fen=30_00,
        other_fen=0,
        cash_fen=79_60,
    )
    return msgspec.structs.replace(leg, **changes)


def an_order(rig: WayRig, **changes: Any) -> MixedOrder:
    order = MixedOrder(
        trade_no=TRADE,
        hospital_no="HOS0001",
        scene="outpatient",
        openid=PAYER,
        payer=MixedPayer(name="测试甲", id_no="990001198001010019"),
        relative=None,
        total_fen=308_00,
        cash_fen=79_60,
        insured=an_insured(rig),
        adds=[],
        reduces=[],
        prepay_ref=None,
        institution_name="测试市第一人民医院",
        institution_no="H99000100001",
        notice_url=MIXED_URL,
    )
    return msgspec.structs.replace(order, **changes)


def told(outcome: Outcome[MixedPayment]) -> MixedPayment:
    assert isinstance(outcome, Accepted), outcome
    return outcome.value


def a_told_refund(ref: str, refund_no: str = "REFUND0001") -> InsuredRefund:
    return InsuredRefund(
        mixed_ref=ref,
        refund_no=refund_no,
        fund_fen=198_40,
        account_fen=30_00,
        other_fen=0,
        refunded_at=WayRig().clock(),
    )


async def test_both_legs_are_paid_and_both_notices_come() -> None:
    rig = MixedRig()
    assert (await rig.ask()).status is MixedStatus.ABSENT
    ref = await rig.mixed()
    parameters = rig.gateway.mixed.mixed_parameters(ref, "wx1", rig.clock())
    assert parameters["mixTradeNo"] == ref
    assert parameters["package"] == "prepay_id=wx1"
    await rig.control("mixed/pay", mix_trade_no=ref)
    await rig.deliver()
    [notice] = rig.mixed_inbox
    assert (notice.status, notice.cash, notice.insured) == (MixedStatus.PAID, Leg.PAID, Leg.PAID)
    assert (notice.total_fen, notice.cash_fen, notice.paid_at) == (308_00, 79_60, rig.clock())
    assert len(rig.inbox) == 1
    assert await rig.ask() == notice
    headers, body = next(post for post in rig.posts if b"MEDICAL" in post[1])
    with pytest.raises(NoticeRefused, match="event-unlisted"):
        rig.gateway.read_notice(headers, body, rig.clock())


@pytest.mark.parametrize("is_sm", [False, True])
async def test_insurance_alone_needs_no_cash_order(is_sm: bool) -> None:
    rig = sm_rig(city_id=CITY) if is_sm else MixedRig()
    order = an_order(
        rig, total_fen=228_40, cash_fen=0, insured=an_insured(rig, cash_fen=0), prepay_ref=None
    )
    placed = told(await rig.gateway.mixed.place_mixed(order))
    assert placed.mixed_ref is not None
    assert rig.gateway.mixed.mixed_parameters(placed.mixed_ref, None, rig.clock()) == {
        "mixTradeNo": placed.mixed_ref
    }
    await rig.control("mixed/pay", mix_trade_no=placed.mixed_ref)
    found = told(await rig.gateway.mixed.query_mixed(TRADE))
    assert (found.status, found.cash, found.insured) == (MixedStatus.PAID, Leg.NONE, Leg.PAID)


async def test_what_is_added_and_taken_off_stands_in_the_equations() -> None:
    rig = MixedRig()
    adds = [Adjustment(kind="OTHER_MEDICAL_EXPENSES", amount_fen=10_00)]
    reduces = [Adjustment(kind="DEPOSIT_DEDUCTION", amount_fen=50_00)]
    order = await rig.order(total_fen=318_00, cash_fen=39_60, adds=adds, reduces=reduces)
    assert told(await rig.gateway.mixed.place_mixed(order)).status is MixedStatus.UNPAID


async def test_cash_alone_and_for_a_relative() -> None:
    rig = MixedRig()
    relative = MixedPayer(name="测试丁", id_no="990001201504040046")
    order = await rig.order(total_fen=79_60, insured=None, relative=relative, scene="registration")
    ref = told(await rig.gateway.mixed.place_mixed(order)).mixed_ref
    await rig.control("mixed/pay", mix_trade_no=ref)
    found = await rig.ask()
    assert (found.status, found.cash, found.insured) == (MixedStatus.PAID, Leg.PAID, Leg.NONE)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"total_fen": 308_01}, "total-differs-from-paid"),
        ({"cash_fen": 79_61, "total_fen": 308_01}, "total-differs-from-settled"),
        ({"reduces": [Adjustment(kind="DISCOUNT", amount_fen=1)]}, "total-differs-from-paid"),
        ({"reduces": [Adjustment(kind="GIFT", amount_fen=0)]}, "reduces"),
        ({"adds": [Adjustment(kind="GIFT", amount_fen=0)]}, "adds"),
        ({"prepay_ref": None}, "prepay_ref"),
        ({"scene": "shop"}, "scene"),
        ({"hospital_no": "x" * 21}, "hospital_no"),
        ({"trade_no": "T" * 33}, "trade_no"),
        ({"payer": MixedPayer(name="测试甲", id_no="1")}, "payer"),
    ],
)
async def test_what_does_not_add_up_is_not_sent(changes: dict[str, Any], fault: str) -> None:
    rig = MixedRig()
    order = an_order(rig, **({"prepay_ref": "wx1"} | changes))
    outcome = await rig.gateway.mixed.place_mixed(order)
    assert outcome == Rejected(reason="request-invalid", provider_code="", provider_text=fault)
    assert fault == "payer" or order_fault(order) == fault


async def test_without_a_city_no_mixed_order_is_placed() -> None:
    rig = WayRig()
    outcome = await rig.gateway.mixed.place_mixed(an_order(rig, prepay_ref="wx1"))
    assert isinstance(outcome, Rejected)
    assert outcome.provider_text == "city_id"


async def test_the_twin_refuses_another_cash_order_and_a_second_placing() -> None:
    rig = MixedRig()
    order = await rig.order()
    other = msgspec.structs.replace(order, prepay_ref="wx-of-somebody-else")
    assert isinstance(await rig.gateway.mixed.place_mixed(other), Rejected)
    told(await rig.gateway.mixed.place_mixed(order))
    assert await rig.gateway.mixed.place_mixed(order) == Unknown("number-used")


async def test_a_lost_placing_is_found_by_a_question() -> None:
    rig = MixedRig()
    order = await rig.order()
    await rig.fault("drop-after", path="/v3/med-ins/orders")
    assert isinstance(await rig.gateway.mixed.place_mixed(order), Unknown)
    assert (await rig.ask()).status is MixedStatus.UNPAID


async def test_a_failed_whole_may_hide_a_paid_cash_leg() -> None:
    rig = MixedRig()
    ref = await rig.mixed()
    await rig.fault("mixed-insurance-fails", number=TRADE)
    await rig.control("mixed/pay", mix_trade_no=ref)
    found = await rig.ask()
    assert (found.status, found.cash, found.insured) == (MixedStatus.FAILED, Leg.PAID, Leg.FAILED)
    assert found.why_failed == "医保结算失败"
    cash = await rig.gateway.query(TRADE)
    assert isinstance(cash, Accepted)
    assert cash.value.status is PaymentStatus.PAID
    refund = a_refund(amount_fen=79_60, total_fen=79_60)
    assert isinstance(await rig.gateway.refund(refund), Accepted)
    assert (await rig.ask()).cash is Leg.REFUNDED
    assert rig.mixed_inbox == []


async def test_the_other_half_fails_too() -> None:
    rig = MixedRig()
    ref = await rig.mixed()
    await rig.fault("mixed-cash-fails", number=TRADE)
    await rig.control("mixed/pay", mix_trade_no=ref)
    found = await rig.ask()
    assert (found.status, found.cash, found.insured) == (MixedStatus.FAILED, Leg.FAILED, Leg.PAID)


async def test_the_notice_is_given_up_after_half_a_minute() -> None:
    rig = MixedRig()
    ref = await rig.mixed()
    rig.merchant_down = True
    await rig.control("mixed/pay", mix_trade_no=ref)
    for _ in range(8):
        await rig.deliver()
        rig.clock.forward(seconds=15)
    assert sum(b"MEDICAL_INSURANCE" in body for _, body in rig.posts) == 3
    rig.merchant_down = False
    rig.clock.forward(hours=1)
    await rig.deliver()
    assert rig.mixed_inbox == []
    assert (await rig.ask()).status is MixedStatus.PAID


async def test_a_refund_goes_in_its_order_and_ends_refunded() -> None:
    rig = MixedRig()
    ref = await rig.mixed()
    await rig.control("mixed/pay", mix_trade_no=ref)
    early = await rig.gateway.mixed.tell_insured_refund(a_told_refund(ref))
    assert isinstance(early, Rejected), "the cash refund comes first"
    assert isinstance(
        await rig.gateway.refund(a_refund(amount_fen=79_60, total_fen=79_60)), Accepted
    )
    half = await rig.ask()
    assert (half.status, half.cash, half.insured) == (MixedStatus.PAID, Leg.REFUNDED, Leg.PAID)
    await rig.fault("drop-after", path="/v3/med-ins/refunds/notify")
    assert isinstance(await rig.gateway.mixed.tell_insured_refund(a_told_refund(ref)), Unknown)
    assert await rig.gateway.mixed.tell_insured_refund(a_told_refund(ref)) == Accepted(None)
    assert (await rig.ask()).status is MixedStatus.REFUNDED
    other = await rig.gateway.mixed.tell_insured_refund(a_told_refund(ref, "REFUND0002"))
    assert isinstance(other, Rejected)


ANSWER = {
    "mix_trade_no": "MIX1",
    "out_trade_no": TRADE,
    "appid": APPID,
    "mix_pay_status": "MIX_PAY_SUCCESS",
    "self_pay_status": "SELF_PAY_SUCCESS",
    "med_ins_pay_status": "MED_INS_PAY_SUCCESS",
}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mix_pay_status": "UNKNOWN_MIX_PAY_STATUS"}, "status-unlisted"),
        ({"self_pay_status": "USER_PAYING"}, "status-unlisted"),
        ({"med_ins_pay_status": ""}, "status-unlisted"),
        ({"med_ins_pay_status": "MED_INS_PAY_FAIL"}, "answer-invalid"),
        ({"mix_pay_status": "MIX_PAY_REFUND"}, "answer-invalid"),
        ({"out_trade_no": "OTHER0001"}, "answer-invalid"),
        ({"appid": "wx1"}, "answer-invalid"),
        ({"paid_time": "yesterday"}, "answer-invalid"),
        ({"mix_trade_no": ""}, "answer-invalid"),
    ],
)
async def test_an_answer_that_contradicts_itself_is_not_believed(
    changes: dict[str, str], why: str
) -> None:
    rig = MixedRig()
    rig.app.state.twin.mixed.query = lambda *_: ANSWER | changes
    assert await rig.gateway.mixed.query_mixed(TRADE) == Unknown(why)
