"""A WeChat Pay twin and the gateway that talks to it, joined in one process, on one clock."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from litestar import Litestar

from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted
from integrations.ports.payments import (
    NoticeRefused,
    PaymentNotice,
    PaymentOrder,
    RefundOrder,
)
from integrations.sandbox.wechatpay.app import create_wechatpay_twin
from integrations.sandbox.wechatpay.faults import FaultPlan
from integrations.sandbox.wechatpay.model import TwinKeys, TwinMerchant, TwinPace
from integrations.wechatpay.gateway import WechatPayGateway
from integrations.wechatpay.settings import WechatPaySettings

START = datetime(2026, 11, 21, 2, 0, 0, tzinfo=UTC)
MCHID, APPID, SERIAL = "1900000109", "wx0000000000000001", "5F1C72E2A8931B72"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000001092026"
API_V3_KEY = "0123456789abcdef0123456789ABCDEF"
PAYER = "oTestPayer0000000000000001"
NOTICE_URL = "https://merchant.test/notices/wechatpay"
TWIN = "http://twin.test"


@functools.cache
def key_pair(name: str) -> tuple[str, str]:
    """Private and public PEM, made once a run for each name."""
    del name
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class HandClock:
    """A clock that moves when told."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


def settings(**changes: Any) -> WechatPaySettings:
    fields: dict[str, Any] = {
        "mchid": MCHID,
        "appid": APPID,
        "merchant_key_pem": key_pair("merchant")[0],
        "merchant_serial": SERIAL,
        "api_v3_key": API_V3_KEY,
        "public_key_id": PUBLIC_KEY_ID,
        "public_key_pem": key_pair("wechat")[1],
        "base_url": TWIN,
    }
    return WechatPaySettings(**(fields | changes))


def counting_nonce() -> Callable[[], str]:
    numbers = iter(range(1, 1_000_000))
    return lambda: f"nonce{next(numbers):027d}"


class Rig:
    """Gateway, twin, clock and the merchant's inbox. ``inbox`` holds what was read, or why not."""

    def __init__(self, book: str = ":memory:", pace: TwinPace | None = None) -> None:
        self.clock = HandClock()
        self.inbox: list[PaymentNotice | str] = []
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.merchant_down = False
        self.app: Litestar = create_wechatpay_twin(
            book,
            self.clock,
            TwinKeys(
                public_key_id=PUBLIC_KEY_ID,
                private_key_pem=key_pair("wechat")[0],
                merchants=(
                    TwinMerchant(
                        mchid=MCHID,
                        name="第一医院",
                        appids=(APPID,),
                        serial=SERIAL,
                        public_key_pem=key_pair("merchant")[1],
                        api_v3_key=API_V3_KEY,
                    ),
                ),
            ),
            self._take_notice,
            FaultPlan(),
            pace,
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=TWIN)
        self.gateway = self.gateway_with()

    def gateway_with(self, **changes: Any) -> WechatPayGateway:
        return WechatPayGateway(
            settings(**changes), Transport(self.client, 5.0), self.clock, counting_nonce()
        )

    async def _take_notice(self, _url: str, headers: dict[str, str], body: bytes) -> int:
        if self.merchant_down:
            raise ConnectionError
        self.posts.append((dict(headers), body))
        try:
            self.inbox.append(self.gateway.read_notice(headers, body, self.clock()))
        except NoticeRefused as refused:
            self.inbox.append(refused.reason)
            return self.gateway.notice_answer(False).status
        return self.gateway.notice_answer(True).status

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
        prepay_id = await self.placed(trade_no, **changes)
        await self.control("pay", prepay_id=prepay_id, openid=PAYER)


def an_order(trade_no: str, at: datetime, **changes: Any) -> PaymentOrder:
    fields: dict[str, Any] = {
        "trade_no": trade_no,
        "amount_fen": 12_345,
        "description": "门诊缴费",
        "way": "jsapi",
        "payer": PAYER,
        "expires_at": at + timedelta(minutes=30),
        "notice_url": NOTICE_URL,
    }
    return PaymentOrder(**(fields | changes))


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
