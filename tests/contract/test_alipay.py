"""The gateway against the twin by both protocols: orders, payment, closing, refunds, notices."""

from typing import Any

import httpx
import pytest

from integrations.alipay.signing import certificate_sn, load_certificate, root_certificate_sn
from integrations.ports.outcomes import Accepted, Rejected, Unknown
from integrations.ports.payments import (
    CodePaymentGateway,
    PaymentNotice,
    PaymentStatus,
    RefundStatus,
)
from integrations.sandbox.alipay.model import TwinPace
from tests.contract.alipay_rig import (
    NOTICE_URL,
    OTHER_SELLER,
    PAYER,
    PAYS,
    START,
    TOKEN,
    TWIN,
    WAITS,
    Rig,
    a_code_order,
    a_refund,
    an_order,
    by_certificates,
    twin_keys,
)


@pytest.fixture(params=["gateway", "v3"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(protocol=request.param)


async def status(rig: Rig, trade_no: str = "TRADE0001") -> PaymentStatus:
    found = await rig.gateway.query(trade_no)
    assert isinstance(found, Accepted), found
    return found.value.status


async def test_a_jsapi_order_is_placed_paid_and_told(rig: Rig) -> None:
    prepay_ref = await rig.placed()
    assert await status(rig) is PaymentStatus.UNPAID
    assert rig.gateway.client_parameters(prepay_ref, START) == {"tradeNO": prepay_ref}
    await rig.control("pay", trade_no=prepay_ref, buyer=PAYER)

    paid = await rig.gateway.query("TRADE0001")
    assert isinstance(paid, Accepted)
    assert (
        paid.value.status,
        paid.value.amount_fen,
        paid.value.payer,
        paid.value.paid_at,
        paid.value.provider_ref,
    ) == (PaymentStatus.PAID, 12_345, PAYER, START, prepay_ref)
    assert await rig.deliver() == 1
    (notice,) = rig.inbox
    assert isinstance(notice, PaymentNotice)
    assert notice.payment == paid.value
    assert await rig.deliver() == 0


async def test_a_shown_code_is_no_trade_until_somebody_scans_it(rig: Rig) -> None:
    qr_code = await rig.placed(way="native", payer=None)
    assert qr_code.startswith("https://qr.alipay.com/")
    assert await status(rig) is PaymentStatus.ABSENT
    closed = await rig.gateway.close("TRADE0001")
    assert isinstance(closed, Rejected)
    assert closed.reason == "not-found"
    assert await rig.placed(way="native", payer=None) == qr_code

    await rig.control("scan", qr_code=qr_code)
    assert await status(rig) is PaymentStatus.UNPAID
    await rig.control("pay", qr_code=qr_code, buyer="074SomebodyElse")
    assert await status(rig) is PaymentStatus.PAID


async def test_the_same_order_again_is_answered_alike_and_another_asks_for_a_query(
    rig: Rig,
) -> None:
    order = an_order("TRADE0001", rig.clock())
    first = await rig.gateway.place(order)
    assert await rig.gateway.place(order) == first
    other = await rig.gateway.place(an_order("TRADE0001", rig.clock(), amount_fen=1))
    assert other == Unknown("number-used")
    assert len((await rig.book())["trades"]) == 1


async def test_placing_again_tells_paid_from_closed(rig: Rig) -> None:
    await rig.paid()
    assert await rig.gateway.place(an_order("TRADE0001", START)) == Unknown("already-paid")
    await rig.placed("TRADE0002")
    assert await rig.gateway.close("TRADE0002") == Accepted(None)
    again = await rig.gateway.place(an_order("TRADE0002", START))
    assert isinstance(again, Rejected)
    assert again.reason == "order-closed"


async def test_closing_asks_for_a_query_and_never_undoes_a_payment(rig: Rig) -> None:
    await rig.placed()
    assert await rig.gateway.close("TRADE0001") == Accepted(None)
    assert await status(rig) is PaymentStatus.CLOSED
    await rig.paid("TRADE0002")
    refused = await rig.gateway.close("TRADE0002")
    assert isinstance(refused, Rejected)
    assert refused.reason == "not-unpaid"
    assert await status(rig, "TRADE0002") is PaymentStatus.PAID


async def test_an_unpaid_trade_closes_at_its_time_and_cannot_be_paid_late(rig: Rig) -> None:
    prepay_ref = await rig.placed()
    rig.clock.forward(minutes=30)
    late = await rig.client.post("/sandbox/pay", json={"trade_no": prepay_ref, "buyer": PAYER})
    assert late.status_code == 400
    assert await status(rig) is PaymentStatus.CLOSED


async def test_a_refund_moves_money_once_a_number(rig: Rig) -> None:
    await rig.paid()
    first = await rig.gateway.refund(a_refund(amount_fen=345))
    assert isinstance(first, Accepted)
    assert (first.value.status, first.value.amount_fen) == (RefundStatus.REFUNDED, 345)
    assert await rig.gateway.refund(a_refund(amount_fen=345)) == Unknown("refund-unconfirmed")
    found = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert found == first
    assert await status(rig) is PaymentStatus.PAID

    other = await rig.gateway.refund(a_refund(amount_fen=346))
    assert other == Unknown("status-unlisted")
    too_much = await rig.gateway.refund(a_refund(refund_no="REFUND0002"))
    assert isinstance(too_much, Rejected)
    assert too_much.reason == "amount-wrong"
    assert [row["refund_fen"] for row in (await rig.book())["refunds"]] == [345]


async def test_a_trade_refunded_whole_is_closed_and_still_known_as_paid_once(rig: Rig) -> None:
    await rig.paid()
    await rig.deliver()
    for number, amount_fen in (("REFUND0001", 345), ("REFUND0002", 12_000)):
        done = await rig.gateway.refund(a_refund(refund_no=number, amount_fen=amount_fen))
        assert isinstance(done, Accepted), done
        assert done.value.amount_fen == amount_fen
    assert await status(rig) is PaymentStatus.REFUNDED
    await rig.deliver()
    told = [notice.payment for notice in rig.inbox if isinstance(notice, PaymentNotice)]
    assert [one.status for one in told if one is not None] == [
        PaymentStatus.PAID,
        PaymentStatus.REFUNDED,
        PaymentStatus.REFUNDED,
    ]


async def test_a_refund_done_later_is_asked_for_and_never_sent_twice() -> None:
    rig = Rig(pace=TwinPace(refund_takes_s=60))
    await rig.paid()
    assert await rig.gateway.refund(a_refund()) == Unknown("refund-unconfirmed")
    pending = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert isinstance(pending, Accepted)
    assert pending.value.status is RefundStatus.ABSENT
    assert await rig.gateway.refund(a_refund()) == Unknown("refund-unconfirmed")
    rig.clock.forward(seconds=60)
    done = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert isinstance(done, Accepted)
    assert (done.value.status, done.value.amount_fen) == (RefundStatus.REFUNDED, 12_345)
    assert [row["refund_fen"] for row in (await rig.book())["refunds"]] == [12_345]


async def test_a_finished_trade_gives_nothing_back(rig: Rig) -> None:
    await rig.paid()
    rig.clock.forward(days=366)
    assert await status(rig) is PaymentStatus.PAID
    refused = await rig.gateway.refund(a_refund())
    assert isinstance(refused, Rejected)
    assert refused.reason == "too-late"


async def test_unknown_numbers_are_absent_and_cannot_be_refunded(rig: Rig) -> None:
    assert await status(rig, "NOSUCHTRADE") is PaymentStatus.ABSENT
    refund = await rig.gateway.query_refund("NOSUCHREFUND", trade_no="NOSUCHTRADE")
    assert isinstance(refund, Accepted)
    assert refund.value.status is RefundStatus.ABSENT
    refused = await rig.gateway.refund(a_refund("NOSUCHTRADE"))
    assert isinstance(refused, Rejected)
    assert refused.reason == "not-found"


async def test_a_code_pays_at_once_and_only_once(rig: Rig) -> None:
    gateway: CodePaymentGateway = rig.gateway
    paid = await gateway.pay_by_code(a_code_order(PAYS, START))
    assert isinstance(paid, Accepted), paid
    assert (paid.value.status, paid.value.amount_fen, paid.value.paid_at) == (
        PaymentStatus.PAID,
        12_345,
        START,
    )
    again = await gateway.pay_by_code(a_code_order(PAYS, START, trade_no="TRADE0002"))
    assert isinstance(again, Rejected)
    assert again.reason == "code-invalid"


async def test_a_payer_who_must_confirm_is_waited_for_or_the_trade_is_reversed() -> None:
    rig = Rig()
    waits = await rig.gateway.pay_by_code(a_code_order(WAITS, START))
    assert isinstance(waits, Accepted)
    assert waits.value.status is PaymentStatus.UNPAID
    assert waits.value.provider_ref is not None
    await rig.control("pay", trade_no=waits.value.provider_ref)
    assert await status(rig) is PaymentStatus.PAID

    second = a_code_order("289900000000000015", START, trade_no="TRADE0002")
    assert isinstance(await rig.gateway.pay_by_code(second), Accepted)
    await rig.fault("cancel-again", number="TRADE0002", times=2)
    assert await rig.gateway.reverse("TRADE0002") == Unknown("reverse-again")
    assert await rig.gateway.reverse("TRADE0002") == Unknown("reverse-again")
    assert await rig.gateway.reverse("TRADE0002") == Accepted(None)
    assert await status(rig, "TRADE0002") is PaymentStatus.CLOSED


async def test_under_v3_a_waiting_payer_is_unknown_until_asked() -> None:
    rig = Rig(protocol="v3")
    assert await rig.gateway.pay_by_code(a_code_order(WAITS, START)) == Unknown("status-unlisted")
    assert await status(rig) is PaymentStatus.UNPAID


@pytest.mark.parametrize(
    ("last", "settled"), [("8", PaymentStatus.PAID), ("9", PaymentStatus.UNPAID)]
)
async def test_an_unclear_code_payment_is_unknown_and_reversible(
    rig: Rig, last: str, settled: PaymentStatus
) -> None:
    order = a_code_order(f"28990000000000000{last}", START)
    assert await rig.gateway.pay_by_code(order) == Unknown("provider-fault")
    assert await status(rig) is settled
    assert await rig.gateway.reverse("TRADE0001") == Accepted(None)
    undone = await status(rig)
    assert undone in {PaymentStatus.REFUNDED, PaymentStatus.CLOSED}
    assert (undone is PaymentStatus.REFUNDED) is (settled is PaymentStatus.PAID)
    assert await rig.gateway.reverse("TRADE0001") == Accepted(None)
    refunded = [row["refund_fen"] for row in (await rig.book())["refunds"]]
    assert refunded == ([12_345] if settled is PaymentStatus.PAID else [])


async def test_a_reversal_has_24_hours_and_nothing_to_do_for_an_unknown_trade(rig: Rig) -> None:
    assert await rig.gateway.reverse("NOSUCHTRADE") == Accepted(None)
    await rig.paid()
    rig.clock.forward(hours=24)
    late = await rig.gateway.reverse("TRADE0001")
    assert isinstance(late, Rejected)
    assert late.reason == "too-late"
    assert await status(rig) is PaymentStatus.PAID


@pytest.mark.parametrize("protocol", ["gateway", "v3"])
async def test_an_authorised_merchant_has_trades_of_its_own(protocol: str) -> None:
    rig = Rig(protocol=protocol, app_auth_token=TOKEN, seller_id=OTHER_SELLER)
    await rig.paid()
    await rig.deliver()
    (notice,) = rig.inbox
    assert isinstance(notice, PaymentNotice)
    (trade,) = (await rig.book())["trades"]
    assert trade["seller_id"] == OTHER_SELLER
    own = rig.gateway_with(protocol=protocol)
    found = await own.query("TRADE0001")
    assert isinstance(found, Accepted)
    assert found.value.status is PaymentStatus.ABSENT
    wrong = await rig.gateway_with(protocol=protocol, app_auth_token="other").query("TRADE0001")
    assert not isinstance(wrong, Accepted)


@pytest.mark.parametrize("protocol", ["gateway", "v3"])
async def test_certificate_mode_names_certificates_both_ways(protocol: str) -> None:
    pems = by_certificates()
    numbers = {
        "app": certificate_sn(load_certificate(pems["app_cert_pem"])),
        "root": root_certificate_sn(pems["alipay_root_cert_pem"]),
        "alipay": certificate_sn(load_certificate(pems["alipay_certs_pem"][0])),
    }
    rig = Rig(keys=twin_keys(**numbers), protocol=protocol, **pems)
    await rig.paid()
    assert await status(rig) is PaymentStatus.PAID
    await rig.deliver()
    assert isinstance(rig.inbox[0], PaymentNotice)
    plain = await rig.gateway_with(protocol=protocol).query("TRADE0001")
    assert isinstance(plain, Rejected | Unknown)

    renamed = Rig(keys=twin_keys(**{**numbers, "alipay": "00"}), protocol=protocol, **pems)
    assert await renamed.gateway.query("TRADE0001") == Unknown("answer-invalid")


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_the_twin_refuses_what_is_not_signed_or_not_now() -> None:
    rig = Rig()
    sent: list[bytes] = []

    class Keeping(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            sent.append(await request.aread())
            return httpx.Response(500)

    kept, rig.client = rig.client, httpx.AsyncClient(transport=Keeping(), base_url=TWIN)
    assert await rig.gateway_with().query("TRADE0001") == Unknown("provider-fault")
    rig.client = kept
    good = sent[0].decode()
    answers: dict[str, str] = {}
    for name, body in {
        "good": good,
        "tampered": good.replace("TRADE0001", "TRADE0002"),
        "doubled": f"{good}&version=1.0",
        "nobody": good.replace("2021990000000001", "2021990000000009"),
        "empty": "",
    }.items():
        answer = await kept.post("/gateway.do", content=body, headers=FORM)
        answers[name] = answer.text
    assert "ACQ.TRADE_NOT_EXIST" in answers.pop("good")
    assert all(text.startswith('{"error_response"') for text in answers.values())
    rig.clock.forward(minutes=11)
    late = await kept.post("/gateway.do", content=good, headers=FORM)
    assert "isv.invalid-timestamp" in late.text
    wrong = await kept.get("/v3/alipay/data/dataservice/bill/downloadurl/query")
    assert wrong.status_code == 400
    assert wrong.json()["code"] == "isv.invalid-signature"


@pytest.mark.parametrize(
    "change",
    [
        {"trade_no": "short"},
        {"trade_no": "TRADE-0001"},
        {"amount_fen": 0},
        {"description": ""},
        {"way": "cheque"},
        {"payer": None},
        {"notice_url": ""},
    ],
)
async def test_what_the_field_table_excludes_is_not_sent(rig: Rig, change: dict[str, Any]) -> None:
    refused = await rig.gateway.place(an_order(**({"trade_no": "TRADE0001", "at": START} | change)))
    assert isinstance(refused, Rejected)
    assert (refused.reason, refused.provider_text) == ("request-invalid", next(iter(change)))
    assert (await rig.book())["trades"] == []


async def test_business_time_jumps_and_signatures_go_by_the_wall(rig: Rig) -> None:
    await rig.placed(notice_url=NOTICE_URL)
    await rig.control("clock", forward_s=3600)
    assert await status(rig) is PaymentStatus.CLOSED
    assert (await rig.book())["now"] == "2026-11-21T03:00:00+00:00"


async def test_too_many_calls_a_second_are_unknown() -> None:
    rig = Rig(pace=TwinPace(calls_per_second=2))
    assert await status(rig, "NOSUCHTRADE") is PaymentStatus.ABSENT
    assert await status(rig, "NOSUCHTRADE") is PaymentStatus.ABSENT
    assert await rig.gateway.query("NOSUCHTRADE") == Unknown("too-often")
    rig.clock.forward(seconds=1)
    assert await status(rig, "NOSUCHTRADE") is PaymentStatus.ABSENT
