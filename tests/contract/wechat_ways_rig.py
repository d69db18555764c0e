"""Rigs of WeChat Pay merchants of every kind: sub-merchants, V2 for codes, SM, certificates."""

from datetime import UTC, datetime
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from crypto import sm2
from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted, Outcome
from integrations.ports.payments import CodeOrder, Payment
from integrations.sandbox.wechatpay.app import create_wechatpay_twin
from integrations.sandbox.wechatpay.faults import FaultPlan
from integrations.sandbox.wechatpay.model import TwinKeys, TwinMerchant, TwinPace, TwinSub
from integrations.wechatpay.gateway import WechatPayGateway
from tests.contract import wechat_rig
from tests.contract.wechat_rig import (
    API_V3_KEY,
    APPID,
    MCHID,
    PUBLIC_KEY_ID,
    SERIAL,
    TWIN,
    Rig,
    counting_nonce,
    key_pair,
)
from tests.support.key_texts import write_private_pem, write_public_pem

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
    return write_private_pem(key), write_public_pem(key.public)


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
