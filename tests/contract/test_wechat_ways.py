"""H5, sub-merchants, SM, certificates, bills, standby host: adapter before twin."""

import gzip
from datetime import UTC, date, datetime
from typing import Any

import httpx
import msgspec
import pytest

from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from integrations.ports.payments import PaymentStatus, RefundStatus
from integrations.wechatpay.settings import STANDBY_HOST
from integrations.wechatpay.signing import WechatPayKeyRefused
from integrations.wechatpay.statements import open_statement, read_statement, row_fen
from tests.contract.wechat_rig import (
    APPID,
    MCHID,
    PAYER,
    a_refund,
    an_order,
)
from tests.contract.wechat_ways_rig import (
    SM_KEY_ID,
    SUB,
    SUB_APP,
    V2_KEY,
    WayRig,
    a_certificate,
    a_code,
    over,
    paid,
    provider,
    sm_pair,
    sm_rig,
)


async def test_an_h5_order_gives_a_link_for_five_minutes() -> None:
    rig = WayRig()
    order = an_order("TRADE0001", rig.clock(), way="h5", payer=None, payer_ip="192.0.2.7")
    placed = await rig.gateway.place(order)
    assert isinstance(placed, Accepted)
    assert placed.value.link is not None
    assert placed.value.link.startswith("https://wx.tenpay.com/")
    await rig.control("pay", code_url=placed.value.link)
    await rig.deliver()
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.PAID
    late = msgspec.structs.replace(order, trade_no="TRADE0002")
    link = paid(await rig.gateway.place(late)).link  # type: ignore[attr-defined]
    rig.clock.forward(minutes=5)
    refused = await rig.client.post("/sandbox/pay", json={"code_url": link})
    assert refused.status_code == 400


async def test_an_h5_order_without_the_browsers_address_is_not_sent() -> None:
    rig = WayRig()
    outcome = await rig.gateway.place(an_order("TRADE0001", rig.clock(), way="h5", payer=None))
    assert outcome == Rejected(reason="request-invalid", provider_code="", provider_text="payer_ip")


async def test_a_sub_merchant_orders_pays_and_is_refunded() -> None:
    rig = provider()
    prepay = await rig.placed("TRADE0001")
    client = rig.gateway.client_parameters(prepay, rig.clock())
    await rig.control("pay", prepay_id=prepay, client={**client, "appId": SUB_APP})
    await rig.deliver()
    [notice] = rig.inbox
    assert not isinstance(notice, str)
    assert notice.payment is not None
    assert (notice.payment.trade_no, notice.payment.payer) == ("TRADE0001", PAYER)
    found = paid(await rig.gateway.query("TRADE0001"))
    assert (found.status, found.payer) == (PaymentStatus.PAID, PAYER)
    assert isinstance(await rig.gateway.refund(a_refund()), Accepted)
    await rig.deliver()
    told = await rig.gateway.query_refund("REFUND0001", trade_no="TRADE0001")
    assert isinstance(told, Accepted)
    assert told.value.status is RefundStatus.REFUNDED
    assert len(rig.inbox) == 2
    assert not isinstance(rig.inbox[1], str)


@pytest.mark.parametrize("api", ["v3", "v2"])
async def test_a_sub_merchant_takes_shown_codes(api: str) -> None:
    rig = provider()
    gateway = rig.gateway_with(
        mchid=SUB, appid=SUB_APP, sp_mchid=MCHID, sp_appid=APPID, code_api=api, api_v2_key=V2_KEY
    )
    assert paid(await gateway.pay_by_code(a_code(rig))).status is PaymentStatus.PAID
    assert await gateway.reverse("TRADE0001") == Accepted(None)
    await rig.placed("TRADE0002")
    assert await gateway.close("TRADE0002") == Accepted(None)
    assert paid(await gateway.query("TRADE0002")).status is PaymentStatus.CLOSED


async def test_a_sub_merchants_order_is_not_the_providers_nor_anothers() -> None:
    rig = provider()
    await rig.paid("TRADE0001")
    other = rig.gateway_with(mchid="1900000309", appid=SUB_APP, sp_mchid=MCHID, sp_appid=APPID)
    assert isinstance(await other.query("TRADE0001"), Rejected)
    assert isinstance(await other.place(an_order("TRADE0002", rig.clock())), Rejected)
    await rig.deliver()
    [(headers, body)] = rig.posts
    with pytest.raises(Exception, match="other-merchant"):
        other.read_notice(headers, body, rig.clock())
    with pytest.raises(WechatPayKeyRefused):
        rig.gateway_with(sp_mchid=MCHID)


async def test_trade_and_fund_flow_bills_come_down_whole() -> None:
    rig = over("v3")
    await rig.paid("TRADE0001")
    await rig.gateway.refund(a_refund(amount_fen=345))
    paid(await rig.gateway.pay_by_code(a_code(rig, trade_no="TRADE0002")))
    assert await rig.gateway.reverse("TRADE0002") == Accepted(None)
    day = date(2026, 11, 21)
    early = await rig.gateway.fetch_bill(day)
    assert isinstance(early, Rejected)
    assert early.reason == "not-ready"
    rig.clock.forward(days=1)
    fetched = await rig.gateway.fetch_bill(day)
    assert isinstance(fetched, Accepted)
    trades = read_statement(open_statement(fetched.value, zipped=True, sha1_hex=None))
    states = sorted((row["商户订单号"], row["交易状态"]) for row in trades.rows)
    assert states == [
        ("TRADE0001", "REFUND"),
        ("TRADE0001", "SUCCESS"),
        ("TRADE0002", "REVOKED"),
        ("TRADE0002", "SUCCESS"),
    ]
    moved = await rig.gateway.fetch_fund_flow(day)
    assert isinstance(moved, Accepted)
    flow = read_statement(open_statement(moved.value, zipped=True, sha1_hex=None))
    income = sum(row_fen(r, "收支金额(元)") for r in flow.rows if r["收支类型"] == "收入")
    spent = sum(row_fen(r, "收支金额(元)") for r in flow.rows if r["收支类型"] == "支出")
    assert (income, spent) == (2 * 12_345, 345 + 12_345)
    assert row_fen(flow.summary, "收入金额") == income


async def test_a_bill_of_another_hash_or_host_is_not_believed() -> None:
    rig = over("v3")
    await rig.paid("TRADE0001")
    rig.clock.forward(days=1)
    twin = rig.app.state.twin
    link = twin._link

    def damaged(*args: Any) -> Any:
        reply = link(*args)
        token = next(iter(twin.downloads))
        mchid, until, _ = twin.downloads[token]
        twin.downloads[token] = (mchid, until, gzip.compress(b"other"))
        return reply

    twin._link = damaged
    assert await rig.gateway.fetch_bill(date(2026, 11, 21)) == Unknown("answer-invalid")
    for url in ("http://other.test/v3/x", "http://twin.test:1/v3/x", "http://[", "file:///x"):
        outcome = await rig.gateway._line.download(url)
        assert outcome == Unknown("answer-invalid")


async def test_a_merchant_under_sm_orders_and_takes_notices() -> None:
    rig = sm_rig()
    prepay = await rig.placed("TRADE0001")
    client = rig.gateway.client_parameters(prepay, rig.clock())
    assert client["signType"] == "RSA"
    await rig.control("pay", prepay_id=prepay, client={**client, "appId": APPID})
    await rig.deliver()
    [(headers, body)] = rig.posts
    assert headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SM2-WITH-SM3"
    assert b"AEAD_SM4_GCM" in body
    [notice] = rig.inbox
    assert not isinstance(notice, str)
    assert notice.payment is not None
    assert isinstance(await rig.gateway.refund(a_refund()), Accepted)
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.REFUNDED
    for fault in ("answer-forged", "answer-unsigned"):
        await rig.fault(fault)
        assert await rig.gateway.query("TRADE0001") == Unknown("answer-invalid")


async def test_under_sm_without_an_rsa_key_only_jsapi_is_not_possible() -> None:
    ours, theirs = sm_pair(), sm_pair()
    rig = WayRig(
        merchant={"scheme": "SM", "public_key_pem": ours[1]},
        keys={"sm_private_key_pem": theirs[0], "sm_public_key_id": SM_KEY_ID},
        scheme="SM",
        merchant_key_pem=ours[0],
        public_key_id=SM_KEY_ID,
        public_key_pem=theirs[1],
    )
    outcome = await rig.gateway.place(an_order("TRADE0001", rig.clock()))
    assert isinstance(outcome, Rejected)
    native = an_order("TRADE0001", rig.clock(), way="native", payer=None)
    assert isinstance(await rig.gateway.place(native), Accepted)
    with pytest.raises(WechatPayKeyRefused):
        rig.gateway.client_parameters("x", rig.clock())


OLD = a_certificate(0x5157F09EFDC096DE, datetime(2026, 1, 1, tzinfo=UTC))
NEW = a_certificate(0x6157F09EFDC096DE, datetime(2026, 11, 1, tzinfo=UTC))
NO_PUBLIC_KEY = {"public_key_id": None, "public_key_pem": None, "downloads_certificates": True}


async def test_certificates_are_fetched_and_renewed() -> None:
    rig = WayRig(keys={"certificates_pem": (OLD,)}, **NO_PUBLIC_KEY)
    await rig.paid("TRADE0001")
    seal = rig.app.state.twin.seal
    seal._keys = msgspec.structs.replace(seal._keys, certificates_pem=(OLD, NEW))
    seal._serials = ["5157F09EFDC096DE", "6157F09EFDC096DE"]
    rig.clock.forward(minutes=2)
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.PAID
    assert rig.gateway._line.keys.verifier.named == "6157F09EFDC096DE"
    await rig.deliver()
    assert not isinstance(rig.inbox[0], str)


async def test_a_certificate_list_that_nobody_signed_teaches_nothing() -> None:
    rig = WayRig(keys={"certificates_pem": (OLD,)}, **NO_PUBLIC_KEY)
    await rig.fault("answer-forged", path="/v3/certificates")
    assert await rig.gateway.query("TRADE0001") == Unknown("answer-invalid")
    rig.clock.forward(minutes=2)
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.ABSENT


async def test_in_public_key_mode_the_list_is_absent_and_not_needed() -> None:
    rig = WayRig(downloads_certificates=True)
    await rig.paid("TRADE0001")
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.PAID


async def test_the_standby_host_is_asked_only_when_the_main_one_was_not_reached() -> None:
    rig = WayRig(standby_url=STANDBY_HOST)
    seen: list[str] = []
    inner = rig.client._transport

    class Fence(httpx.AsyncBaseTransport):
        fault: type[Exception] = httpx.ConnectError

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request.url.host)
            if request.url.host == "twin.test":
                raise self.fault("fault")
            return await inner.handle_async_request(request)

    fence = Fence()
    rig.client._transport = fence
    rig.client._mounts = {}
    assert paid(await rig.gateway.query("TRADE0001")).status is PaymentStatus.ABSENT
    assert seen == ["twin.test", "api2.mch.weixin.qq.com"]
    fence.fault = httpx.ReadTimeout
    assert await rig.gateway.query("TRADE0001") == Unknown("answer-lost")
    assert seen[2:] == ["twin.test"]
    bare = rig.gateway_with()
    fence.fault = httpx.ConnectError
    assert await bare.query("TRADE0001") == NotSent("not-reached")
