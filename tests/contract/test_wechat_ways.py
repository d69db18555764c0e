"""H5, shown codes over v3 and V2, sub-merchants, SM, certificates, bills: adapter before twin."""

import gzip
from datetime import UTC, date, datetime
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from crypto import keyfiles, sm2
from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.ports.payments import CodeOrder, Payment, PaymentStatus, RefundStatus
from integrations.sandbox.wechatpay.app import create_wechatpay_twin
from integrations.sandbox.wechatpay.faults import FaultPlan
from integrations.sandbox.wechatpay.model import TwinKeys, TwinMerchant, TwinPace, TwinSub
from integrations.wechatpay.apiv2 import V2Refused, read_xml, write_xml
from integrations.wechatpay.gateway import WechatPayGateway
from integrations.wechatpay.settings import STANDBY_HOST
from integrations.wechatpay.signing import WechatPayKeyRefused
from integrations.wechatpay.statements import open_statement, read_statement, row_fen
from tests.contract import wechat_rig
from tests.contract.wechat_rig import (
    API_V3_KEY,
    APPID,
    MCHID,
    PAYER,
    PUBLIC_KEY_ID,
    SERIAL,
    TWIN,
    Rig,
    a_refund,
    an_order,
    counting_nonce,
    key_pair,
)

SUB, SUB_APP = "1900000209", "wx0000000000000002"
V2_KEY = "fedcba9876543210FEDCBA9876543210"
SM_KEY_ID = "PUB_KEY_ID_0119000001092026SM"
PAYS, CONFIRMS, POOR, EXPIRED = (
    "130000000000000100",
    "130000000000000111",
    "130000000000000122",
    "130000000000000133",
)


def sm_pair() -> tuple[str, str]:
    key = sm2.PrivateKey.generate()
    return keyfiles.write_private_pem(key), keyfiles.write_public_pem(key.public)


def a_certificate(serial: int, since: datetime) -> str:
    key = serialization.load_pem_private_key(key_pair("wechat")[0].encode(), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())  # type: ignore[arg-type]
        .serial_number(serial)
        .not_valid_before(since)
        .not_valid_after(datetime(2031, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


class WayRig(Rig):
    """A rig whose merchant and keys are told."""

    def __init__(
        self,
        *,
        merchant: dict[str, Any] | None = None,
        keys: dict[str, Any] | None = None,
        pace: TwinPace | None = None,
        **changes: Any,
    ) -> None:
        super().__init__()
        fields: dict[str, Any] = {
            "mchid": MCHID,
            "name": "第一医院",
            "appids": (APPID,),
            "serial": SERIAL,
            "public_key_pem": key_pair("merchant")[1],
            "api_v3_key": API_V3_KEY,
        }
        theirs = TwinMerchant(**(fields | (merchant or {})))
        twin: dict[str, Any] = {
            "public_key_id": PUBLIC_KEY_ID,
            "private_key_pem": key_pair("wechat")[0],
            "merchants": (theirs,),
        }
        self.app = create_wechatpay_twin(
            ":memory:",
            self.clock,
            TwinKeys(**(twin | (keys or {}))),
            self._take_notice,
            FaultPlan(),
            pace,
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=TWIN)
        self.gateway = self.gateway_with(**changes)

    def gateway_with(self, **changes: Any) -> WechatPayGateway:
        transport = Transport(self.client, 5.0)
        return WechatPayGateway(
            wechat_rig.settings(**changes), transport, self.clock, counting_nonce(), transport
        )


def provider() -> WayRig:
    """A service provider with one sub-merchant."""
    return WayRig(
        merchant={"subs": (TwinSub(mchid=SUB, appid=SUB_APP),), "api_v2_key": V2_KEY},
        mchid=SUB,
        appid=SUB_APP,
        sp_mchid=MCHID,
        sp_appid=APPID,
    )


def over(api: str, pace: TwinPace | None = None) -> WayRig:
    """A merchant whose shown codes go over this API."""
    return WayRig(merchant={"api_v2_key": V2_KEY}, pace=pace, code_api=api, api_v2_key=V2_KEY)


def a_code(rig: Rig, code: str = PAYS, trade_no: str = "TRADE0001") -> CodeOrder:
    at = rig.clock()
    return CodeOrder(
        trade_no=trade_no,
        amount_fen=12_345,
        description="门诊缴费",
        code=code,
        expires_at=at,
        notice_url="",
    )


def paid(outcome: Outcome[Payment]) -> Payment:
    assert isinstance(outcome, Accepted), outcome
    return outcome.value


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


def sm_rig(**changes: Any) -> WayRig:
    ours, theirs = sm_pair(), sm_pair()
    return WayRig(
        merchant={
            "scheme": "SM",
            "public_key_pem": ours[1],
            "client_public_key_pem": key_pair("merchant")[1],
        },
        keys={"sm_private_key_pem": theirs[0], "sm_public_key_id": SM_KEY_ID},
        scheme="SM",
        merchant_key_pem=ours[0],
        client_key_pem=key_pair("merchant")[0],
        public_key_id=SM_KEY_ID,
        public_key_pem=theirs[1],
        **changes,
    )


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
