"""An Alipay twin and the gateway that talks to it, joined in one process, on one clock."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from litestar import Litestar

from integrations.alipay.gateway import AlipayGateway
from integrations.alipay.settings import AlipaySettings
from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted
from integrations.ports.payments import (
    CodeOrder,
    NoticeRefused,
    PaymentNotice,
    PaymentOrder,
    RefundOrder,
)
from integrations.sandbox.alipay.app import create_alipay_twin
from integrations.sandbox.alipay.faults import FaultPlan
from integrations.sandbox.alipay.model import Merchant, TwinApp, TwinKeys, TwinPace

START = datetime(2026, 11, 21, 2, 0, 0, tzinfo=UTC)
APP_ID, SELLER_ID = "2021990000000001", "2088990000000001"
OTHER_SELLER, TOKEN = "2088990000000002", "202611BB0123456789abcdef"
PAYER = "074testPayer0000000000000001"
NOTICE_URL = "https://merchant.test/notices/alipay"
TWIN = "http://twin.test"
PAYS, WAITS = "289900000000000001", "289900000000000005"


@functools.cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """Made once a run for each name."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def key_pair(name: str) -> tuple[str, str]:
    """Private and public PEM."""
    key = private_key(name)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@functools.cache
def certificate(name: str, serial: int) -> str:
    """A self-signed certificate over the key of that name."""
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Test {name}"),
        ]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(private_key(name).public_key())
        .serial_number(serial)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2031, 1, 1, tzinfo=UTC))
        .sign(private_key(name), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


class HandClock:
    """A clock that moves when told."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


def settings(**changes: Any) -> AlipaySettings:
    fields: dict[str, Any] = {
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "app_key_pem": key_pair("app")[0],
        "alipay_public_key_pem": key_pair("alipay")[1],
        "base_url": TWIN,
    }
    return AlipaySettings(**(fields | changes))


def by_certificates() -> dict[str, Any]:
    return {
        "alipay_public_key_pem": None,
        "app_cert_pem": certificate("app", 0x0A1B),
        "alipay_root_cert_pem": certificate("root", 0x77),
        "alipay_certs_pem": (certificate("alipay", 0x42),),
    }


def counting_nonce() -> Callable[[], str]:
    numbers = iter(range(1, 1_000_000))
    return lambda: f"nonce{next(numbers):027d}"


def twin_keys(**certificate_numbers: str) -> TwinKeys:
    other = Merchant(app_id=APP_ID, seller_id=OTHER_SELLER, name="第二医院")
    app = TwinApp(
        app_id=APP_ID,
        seller_id=SELLER_ID,
        name="第一医院",
        public_key_pem=key_pair("app")[1],
        app_cert_sn=certificate_numbers.get("app", ""),
        root_cert_sn=certificate_numbers.get("root", ""),
        authorised={TOKEN: other},
    )
    return TwinKeys(
        private_key_pem=key_pair("alipay")[0],
        apps=(app,),
        alipay_cert_sn=certificate_numbers.get("alipay", ""),
    )


class Rig:
    """Gateway, twin, clock and the merchant's inbox. ``inbox`` holds what was read, or why not."""

    def __init__(
        self,
        book: str = ":memory:",
        pace: TwinPace | None = None,
        keys: TwinKeys | None = None,
        **changes: Any,
    ) -> None:
        self.clock = HandClock()
        self.inbox: list[PaymentNotice | str] = []
        self.posts: list[bytes] = []
        self.merchant_down = False
        self.app: Litestar = create_alipay_twin(
            book, self.clock, keys or twin_keys(), self._take_notice, FaultPlan(), pace
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=TWIN)
        self.gateway = self.gateway_with(**changes)

    def gateway_with(self, **changes: Any) -> AlipayGateway:
        transport = Transport(self.client, 5.0)
        return AlipayGateway(
            settings(**changes), transport, transport, self.clock, counting_nonce()
        )

    async def _take_notice(self, _url: str, _headers: dict[str, str], body: bytes) -> bytes:
        if self.merchant_down:
            raise ConnectionError
        self.posts.append(body)
        try:
            self.inbox.append(self.gateway.read_notice({}, body, self.clock()))
        except NoticeRefused as refused:
            self.inbox.append(refused.reason)
            return self.gateway.notice_answer(False).body
        return self.gateway.notice_answer(True).body

    async def control(self, path: str, /, **body: Any) -> Any:
        answer = await self.client.post(f"/sandbox/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def fault(self, fault: str, /, **where: Any) -> None:
        await self.control("faults", fault=fault, **where)

    async def deliver(self) -> int:
        return int((await self.control("notices/deliver"))["sent"])

    async def book(self) -> Any:
        return (await self.client.get("/sandbox/book")).json()

    async def placed(self, trade_no: str = "TRADE0001", **changes: Any) -> str:
        placed = await self.gateway.place(an_order(trade_no, self.clock(), **changes))
        assert isinstance(placed, Accepted), placed
        return placed.value.prepay_ref or placed.value.qr_text or ""

    async def paid(self, trade_no: str = "TRADE0001", **changes: Any) -> None:
        prepay_ref = await self.placed(trade_no, **changes)
        await self.control("pay", trade_no=prepay_ref, buyer=PAYER)


def an_order(trade_no: str, at: datetime, **changes: Any) -> PaymentOrder:
    fields: dict[str, Any] = {
        "trade_no": trade_no,
        "amount_fen": 12_345,
        "description": '门诊缴费/内科, "sign"',
        "way": "jsapi",
        "payer": PAYER,
        "expires_at": at + timedelta(minutes=30),
        "notice_url": NOTICE_URL,
    }
    return PaymentOrder(**(fields | changes))


def a_code_order(code: str, at: datetime, **changes: Any) -> CodeOrder:
    fields: dict[str, Any] = {
        "trade_no": "TRADE0001",
        "amount_fen": 12_345,
        "description": "门诊缴费",
        "code": code,
        "expires_at": at + timedelta(minutes=5),
        "notice_url": NOTICE_URL,
    }
    return CodeOrder(**(fields | changes))


def a_refund(trade_no: str = "TRADE0001", **changes: Any) -> RefundOrder:
    fields: dict[str, Any] = {
        "trade_no": trade_no,
        "refund_no": "REFUND0001",
        "amount_fen": 12_345,
        "total_fen": 12_345,
        "reason": "退号",
        "notice_url": NOTICE_URL,
    }
    return RefundOrder(**(fields | changes))
