"""Pay-by-code and reverse, over v3 and over V2: adapter before twin."""

import pytest

from integrations.ports.outcomes import Accepted, Rejected, Unknown
from integrations.ports.payments import PaymentStatus
from integrations.sandbox.wechatpay.model import TwinPace
from integrations.wechatpay.apiv2 import V2Refused, read_xml, write_xml
from integrations.wechatpay.signing import WechatPayKeyRefused
from tests.contract.wechat_rig import (
    MCHID,
)
from tests.contract.wechat_ways_rig import (
    CONFIRMS,
    EXPIRED,
    POOR,
    a_code,
    over,
    paid,
)


@pytest.mark.parametrize("api", ["v3", "v2"])
async def test_a_shown_code_pays_at_once_without_a_notice(api: str) -> None:
    rig = over(api)
    found = paid(await rig.gateway.pay_by_code(a_code(rig)))
    assert (found.status, found.amount_fen) == (PaymentStatus.PAID, 12_345)
    assert found.paid_at == rig.clock()
    assert await rig.deliver() == 0
    asked = paid(await rig.gateway.query("TRADE0001"))
    assert (asked.status, asked.provider_ref) == (PaymentStatus.PAID, found.provider_ref)


@pytest.mark.parametrize("api", ["v3", "v2"])
async def test_a_payer_who_must_confirm_is_waited_for(api: str) -> None:
    rig = over(api)
    waiting = paid(await rig.gateway.pay_by_code(a_code(rig, CONFIRMS)))
    assert waiting.status is PaymentStatus.UNPAID
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.UNPAID
    await rig.control("confirm", mchid=MCHID, out_trade_no="TRADE0001")
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.PAID


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize(("code", "reason"), [(POOR, "balance-short"), (EXPIRED, "code-invalid")])
async def test_a_code_that_cannot_pay_is_refused(api: str, code: str, reason: str) -> None:
    rig = over(api)
    outcome = await rig.gateway.pay_by_code(a_code(rig, code))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == reason


@pytest.mark.parametrize("api", ["v3", "v2"])
async def test_a_code_works_once(api: str) -> None:
    rig = over(api)
    paid(await rig.gateway.pay_by_code(a_code(rig)))
    other = await rig.gateway.pay_by_code(a_code(rig, trade_no="TRADE0002"))
    assert isinstance(other, Rejected)
    assert other.reason == "code-invalid"


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("fault", ["drop-after", "error-after"])
async def test_a_lost_payment_is_reversed_and_given_back(api: str, fault: str) -> None:
    rig = over(api)
    await rig.fault(fault, number="TRADE0001")
    assert isinstance(await rig.gateway.pay_by_code(a_code(rig)), Unknown)
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.PAID
    assert await rig.gateway.reverse("TRADE0001") == Accepted(None)
    assert await rig.gateway.reverse("TRADE0001") == Accepted(None)
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.CLOSED
    again = await rig.gateway.pay_by_code(a_code(rig))
    assert isinstance(again, Unknown), "a number that was reversed may not be used again"


@pytest.mark.parametrize("api", ["v3", "v2"])
async def test_a_reverse_while_the_payer_pays_has_reversed_nothing(api: str) -> None:
    rig = over(api)
    paid(await rig.gateway.pay_by_code(a_code(rig, CONFIRMS)))
    await rig.fault("reverse-busy", number="TRADE0001")
    assert isinstance(await rig.gateway.reverse("TRADE0001"), Unknown)
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.UNPAID
    assert await rig.gateway.reverse("TRADE0001") == Accepted(None)


@pytest.mark.parametrize("api", ["v3", "v2"])
async def test_reverse_keeps_its_times(api: str) -> None:
    rig = over(api, TwinPace(reverse_after_s=15))
    paid(await rig.gateway.pay_by_code(a_code(rig)))
    assert not isinstance(await rig.gateway.reverse("TRADE0001"), Accepted)
    rig.clock.forward(seconds=15)
    assert await rig.gateway.reverse("TRADE0001") == Accepted(None)
    rig.clock.forward(seconds=1)
    other = a_code(rig, "130000000000000200", "TRADE0002")
    paid(await rig.gateway.pay_by_code(other))
    rig.clock.forward(days=7)
    assert not isinstance(await rig.gateway.reverse("TRADE0002"), Accepted)


async def test_an_order_of_another_way_cannot_be_reversed_nor_a_code_closed() -> None:
    rig = over("v3")
    await rig.placed("TRADE0001")
    assert isinstance(await rig.gateway.reverse("TRADE0001"), Rejected)
    paid(await rig.gateway.pay_by_code(a_code(rig, CONFIRMS, "TRADE0002")))
    assert isinstance(await rig.gateway.close("TRADE0002"), Rejected)


@pytest.mark.parametrize("code", ["", "1" * 17, "16" + "0" * 16, "13" + "0" * 15 + "x"])
async def test_what_is_no_payment_code_is_not_sent(code: str) -> None:
    rig = over("v3")
    outcome = await rig.gateway.pay_by_code(a_code(rig, code))
    assert outcome == Rejected(reason="request-invalid", provider_code="", provider_text="code")


@pytest.mark.parametrize("fault", ["answer-forged", "answer-garbled", "answer-unsigned"])
async def test_an_answer_of_v2_that_nobody_signed_is_not_believed(fault: str) -> None:
    rig = over("v2")
    await rig.fault(fault, number="TRADE0001")
    assert isinstance(await rig.gateway.pay_by_code(a_code(rig)), Unknown)


async def test_a_wrong_v2_key_moves_nothing() -> None:
    rig = over("v2")
    stranger = rig.gateway_with(code_api="v2", api_v2_key="0" * 32)
    assert await stranger.pay_by_code(a_code(rig)) == Unknown("answer-unsigned")
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.ABSENT
    with pytest.raises(WechatPayKeyRefused):
        rig.gateway_with(code_api="v2")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"<xml>",
        b"<xml><a>1</a>",
        b"<xml><a>1</b></xml>",
        b"<xml><a>1</a><a>2</a></xml>",
        b"<xml><a>&lol;</a></xml>",
        b'<!DOCTYPE x [<!ENTITY lol "x">]><xml><a>1</a></xml>',
        b"<xml><a><b>1</b></a></xml>",
        b"<xml>" + b"<a>" * 30_000 + b"</xml>",
    ],
)
def test_other_xml_is_refused(body: bytes) -> None:
    with pytest.raises(V2Refused):
        read_xml(body)


def test_flat_xml_comes_back() -> None:
    fields = {"a": "1", "b_2": "<&>", "c": ""}
    assert read_xml(write_xml(fields)) == fields
    assert read_xml(b"<xml>\n <a>1</a>\n <b><![CDATA[2]]></b>\n</xml>\n") == {"a": "1", "b": "2"}
    with pytest.raises(V2Refused):
        write_xml({"a": "]]>"})
