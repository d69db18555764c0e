"""The gateway against the twin: orders, payment, closing, refunds, notices, without faults."""

import base64
import gzip
import hashlib
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from integrations.ports.outcomes import Accepted, Rejected, Unknown
from integrations.ports.payments import PaymentNotice, PaymentStatus, RefundStatus
from integrations.sandbox.wechatpay.model import TwinPace
from tests.contract.wechat_rig import (
    APPID,
    MCHID,
    NOTICE_URL,
    PAYER,
    PUBLIC_KEY_ID,
    START,
    Rig,
    a_refund,
    an_order,
    key_pair,
)


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_jsapi_order_is_placed_paid_and_told(rig: Rig) -> None:
    prepay_id = await rig.placed()
    unpaid = await rig.gateway.query("TRADE0001")
    assert isinstance(unpaid, Accepted)
    assert (unpaid.value.status, unpaid.value.amount_fen) == (PaymentStatus.UNPAID, None)

    client = {"appId": APPID, **rig.gateway.client_parameters(prepay_id, rig.clock())}
    await rig.control("pay", prepay_id=prepay_id, openid=PAYER, client=client)

    paid = await rig.gateway.query("TRADE0001")
    assert isinstance(paid, Accepted)
    assert (paid.value.status, paid.value.amount_fen, paid.value.payer, paid.value.paid_at) == (
        PaymentStatus.PAID,
        12_345,
        PAYER,
        START,
    )
    assert await rig.deliver() == 1
    (notice,) = rig.inbox
    assert isinstance(notice, PaymentNotice)
    assert notice.payment == paid.value
    assert await rig.deliver() == 0


async def test_a_native_order_gives_a_code_that_pays(rig: Rig) -> None:
    code_url = await rig.placed(way="native", payer=None)
    assert code_url.startswith("weixin://wxpay/bizpayurl?pr=")
    await rig.control("pay", code_url=code_url, openid="oSomebodyElse")
    paid = await rig.gateway.query("TRADE0001")
    assert isinstance(paid, Accepted)
    assert (paid.value.status, paid.value.payer) == (PaymentStatus.PAID, "oSomebodyElse")


async def test_an_unknown_trade_and_refund_are_absent(rig: Rig) -> None:
    trade = await rig.gateway.query("NOSUCHTRADE")
    refund = await rig.gateway.query_refund("NOSUCHREFUND", trade_no="TRADE0001")
    assert isinstance(trade, Accepted)
    assert isinstance(refund, Accepted)
    assert trade.value.status is PaymentStatus.ABSENT
    assert refund.value.status is RefundStatus.ABSENT


async def test_the_same_order_again_is_answered_alike_and_another_is_refused(rig: Rig) -> None:
    order = an_order("TRADE0001", rig.clock())
    first = await rig.gateway.place(order)
    assert await rig.gateway.place(order) == first
    other = await rig.gateway.place(an_order("TRADE0001", rig.clock(), amount_fen=1))
    assert isinstance(other, Rejected)
    assert other.reason == "against-rule"
    assert len((await rig.book())["orders"]) == 1


async def test_placing_again_after_the_prepay_id_ran_out_gives_a_new_one(rig: Rig) -> None:
    order = an_order("TRADE0001", rig.clock(), expires_at=START.replace(hour=12))
    first = await rig.gateway.place(order)
    rig.clock.forward(hours=2, seconds=1)
    second = await rig.gateway.place(order)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.value.prepay_ref != second.value.prepay_ref


async def test_placing_a_paid_order_again_asks_for_a_query(rig: Rig) -> None:
    await rig.paid()
    assert await rig.gateway.place(an_order("TRADE0001", START)) == Unknown("number-used")


async def test_an_order_may_not_be_paid_late_by_another_or_twice(rig: Rig) -> None:
    prepay_id = await rig.placed()
    for change in ({"openid": "oThief"}, {"openid": PAYER, "client": {"signType": "RSA"}}):
        refused = await rig.client.post("/sandbox/pay", json={"prepay_id": prepay_id, **change})
        assert refused.status_code == 400
    rig.clock.forward(minutes=31)
    late = await rig.client.post("/sandbox/pay", json={"prepay_id": prepay_id, "openid": PAYER})
    assert late.status_code == 400
    await rig.paid("TRADE0002")
    assert [o["trade_state"] for o in (await rig.book())["orders"]] == ["NOTPAY", "SUCCESS"]


async def test_a_failed_try_leaves_the_order_open(rig: Rig) -> None:
    prepay_id = await rig.placed()
    await rig.control("pay-fail", prepay_id=prepay_id)
    found = await rig.gateway.query("TRADE0001")
    assert isinstance(found, Accepted)
    assert found.value.status is PaymentStatus.UNPAID
    assert await rig.deliver() == 0


async def test_closing_is_repeatable_and_refused_once_paid(rig: Rig) -> None:
    await rig.placed()
    assert await rig.gateway.close("TRADE0001") == Accepted(None)
    assert await rig.gateway.close("TRADE0001") == Accepted(None)
    closed = await rig.gateway.query("TRADE0001")
    assert isinstance(closed, Accepted)
    assert closed.value.status is PaymentStatus.CLOSED
    again = await rig.gateway.place(an_order("TRADE0001", START))
    assert isinstance(again, Rejected)
    assert again.reason == "order-closed"

    await rig.paid("TRADE0002")
    refused = await rig.gateway.close("TRADE0002")
    assert isinstance(refused, Rejected)
    assert refused.reason == "already-paid"
    absent = await rig.gateway.close("NOSUCHTRADE")
    assert isinstance(absent, Rejected)
    assert absent.reason == "not-found"


async def test_an_unpaid_order_closes_itself_after_seven_days(rig: Rig) -> None:
    await rig.placed()
    rig.clock.forward(days=7)
    found = await rig.gateway.query("TRADE0001")
    assert isinstance(found, Accepted)
    assert found.value.status is PaymentStatus.CLOSED


async def test_a_refund_is_accepted_then_done_and_told(rig: Rig) -> None:
    await rig.paid()
    started = await rig.gateway.refund(a_refund(amount_fen=345))
    assert isinstance(started, Accepted)
    assert started.value.status is RefundStatus.PROCESSING
    assert started.value.refunded_at is None
    assert await rig.gateway.refund(a_refund(amount_fen=345)) == started
    done = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    other = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0002")
    assert other == Unknown("answer-invalid")
    assert isinstance(done, Accepted)
    assert (done.value.status, done.value.amount_fen, done.value.trade_no) == (
        RefundStatus.REFUNDED,
        345,
        "TRADE0001",
    )
    await rig.deliver()
    refunds = [note.refund for note in rig.inbox if isinstance(note, PaymentNotice) and note.refund]
    assert refunds == [done.value]
    trade = await rig.gateway.query("TRADE0001")
    assert isinstance(trade, Accepted)
    assert trade.value.status is PaymentStatus.REFUNDED


async def test_refunds_never_exceed_the_order_nor_change_under_one_number(rig: Rig) -> None:
    await rig.paid()
    assert isinstance(await rig.gateway.refund(a_refund(amount_fen=12_000)), Accepted)
    other_content = await rig.gateway.refund(a_refund(amount_fen=12_001))
    too_much = await rig.gateway.refund(a_refund(refund_no="REFUND0002", amount_fen=346))
    wrong_total = await rig.gateway.refund(
        a_refund(refund_no="REFUND0003", amount_fen=1, total_fen=9)
    )
    for refused in (other_content, too_much, wrong_total):
        assert isinstance(refused, Rejected)
    rest = await rig.gateway.refund(a_refund(refund_no="REFUND0004", amount_fen=345))
    assert isinstance(rest, Accepted)
    assert sum(row["refund_fen"] for row in (await rig.book())["refunds"]) == 12_345


async def test_an_unpaid_trade_cannot_be_refunded(rig: Rig) -> None:
    await rig.placed()
    refused = await rig.gateway.refund(a_refund())
    assert isinstance(refused, Rejected)
    assert refused.reason == "against-rule"


async def test_the_fifty_first_refund_is_refused(rig: Rig) -> None:
    await rig.paid()
    for number in range(50):
        part = a_refund(refund_no=f"REFUND{number:04d}", amount_fen=1)
        assert isinstance(await rig.gateway.refund(part), Accepted)
    last = await rig.gateway.refund(a_refund(refund_no="REFUND0050", amount_fen=1))
    assert isinstance(last, Rejected)
    assert last.reason == "refused-by-rule"


async def test_a_closed_refund_frees_its_sum_for_a_new_number(rig: Rig) -> None:
    await rig.paid()
    await rig.fault("refund-closed", number="REFUND0001")
    assert isinstance(await rig.gateway.refund(a_refund()), Accepted)
    failed = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert isinstance(failed, Accepted)
    assert failed.value.status is RefundStatus.FAILED
    again = await rig.gateway.refund(a_refund(refund_no="REFUND0002"))
    assert isinstance(again, Accepted)


async def test_a_stuck_refund_waits_for_a_person(rig: Rig) -> None:
    await rig.paid()
    await rig.fault("refund-abnormal", number="TRADE0001")
    await rig.gateway.refund(a_refund())
    stuck = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert isinstance(stuck, Accepted)
    assert stuck.value.status is RefundStatus.STUCK
    await rig.control("refunds/end", mchid=MCHID, out_refund_no="REFUND0001", status="SUCCESS")
    done = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert isinstance(done, Accepted)
    assert done.value.status is RefundStatus.REFUNDED
    await rig.deliver()
    told = [n.refund.status for n in rig.inbox if isinstance(n, PaymentNotice) and n.refund]
    assert told == [RefundStatus.STUCK, RefundStatus.REFUNDED]


async def test_probes_are_refused(rig: Rig) -> None:
    answer = await rig.control("probe", url=NOTICE_URL)
    assert answer == {"status": 400, "refused": True}
    assert rig.inbox == ["signature-probe"]


async def test_certificates_do_not_exist_in_public_key_mode(rig: Rig) -> None:
    answer = await signed_get(rig, "/v3/certificates")
    assert (answer.status_code, answer.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")
    assert answer.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID


async def test_the_book_outlives_the_twin(tmp_path: Any) -> None:
    first = Rig(book=str(tmp_path / "twin.db"))
    await first.paid()
    second = Rig(book=str(tmp_path / "twin.db"))
    found = await second.gateway.query("TRADE0001")
    assert isinstance(found, Accepted)
    assert found.value.status is PaymentStatus.PAID
    assert await second.deliver() == 1


async def test_the_bill_lists_the_day_and_its_hash_is_of_the_plain_text() -> None:
    rig = Rig()
    await rig.paid(description="挂号费,内科")
    await rig.gateway.refund(a_refund(amount_fen=45))
    early = await signed_get(rig, "/v3/bill/tradebill?bill_date=2026-11-21")
    assert early.json()["code"] == "STATEMENT_CREATING"
    rig.clock.forward(days=1)
    link = (await signed_get(rig, "/v3/bill/tradebill?bill_date=2026-11-21&tar_type=GZIP")).json()
    file = await signed_get(rig, link["download_url"].removeprefix("http://twin.test"))
    assert "Wechatpay-Signature" not in file.headers
    text = gzip.decompress(file.content)
    assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == link["hash_value"]
    lines = text.decode().split("\r\n")
    assert lines[1].split(",`")[20] == "挂号费,内科"
    assert lines[2].split(",`")[15:17] == ["REFUND0001", "0.45"]
    assert lines[4] == "`2,`123.45,`0.45,`0.00,`0.73800,`123.45,`0.45"
    rig.clock.forward(seconds=31)
    gone = await signed_get(rig, link["download_url"].removeprefix("http://twin.test"))
    assert gone.status_code == 404


async def test_the_gap_between_refunds_can_be_demanded() -> None:
    rig = Rig(pace=TwinPace(refund_gap_s=60))
    await rig.paid()
    assert isinstance(await rig.gateway.refund(a_refund(amount_fen=1)), Accepted)
    second = a_refund(refund_no="REFUND0002", amount_fen=1)
    assert await rig.gateway.refund(second) == Unknown("too-often")
    rig.clock.forward(seconds=60)
    assert isinstance(await rig.gateway.refund(second), Accepted)


async def signed_get(rig: Rig, target: str) -> httpx.Response:
    """A GET signed by hand, for calls that the port does not have."""
    key = serialization.load_pem_private_key(key_pair("merchant")[0].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    seconds = int(rig.clock().timestamp())
    message = f"GET\n{target}\n{seconds}\nN\n\n".encode()
    signature = base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()
    return await rig.client.get(
        target,
        headers={
            "Accept": "application/json",
            "Authorization": (
                f'WECHATPAY2-SHA256-RSA2048 mchid="{MCHID}",serial_no="5F1C72E2A8931B72",'
                f'nonce_str="N",timestamp="{seconds}",signature="{signature}"'
            ),
        },
    )
