"""The twins as one process, and the secrets that each twin shares with our adapter.

``partners.json`` is our side, ``twins.json`` theirs; both are made once, of random keys.
"""

import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from granian import Granian
from granian.constants import Interfaces, Loops

from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.realname_generic.gateway import RealNameSettings
from integrations.registry import InsuranceLine, PartnerSettings
from integrations.sandbox.hospital.app import HospitalSettings, create_hospital_twin
from integrations.sandbox.hospital.signing import HospitalKeys
from integrations.sandbox.insurance.app import CREDENTIAL_PATH, PREFIX, create_insurance_twin
from integrations.sandbox.realname.app import create_realname_twin
from integrations.sandbox.street import Street
from integrations.sandbox.wechat_login.app import create_wechat_login_twin
from integrations.sandbox.wechatpay.app import create_wechatpay_twin
from integrations.sandbox.wechatpay.faults import FaultPlan
from integrations.sandbox.wechatpay.model import TwinKeys, TwinMerchant, TwinPace
from integrations.wechat_login.gateway import WechatLoginSettings
from integrations.wechatpay.settings import WechatPaySettings
from service.demo_hospital import HOSPITAL_CODE, HOSPITAL_NAME, MERCHANT, REGION, read_demo
from service.installation import write_private
from service.kernel.clock import SystemClock
from service.kernel.logs import set_up_logs
from service.settings import Settings, read_settings

APP_ID = "wx990000000000sandbx"
PARTY = "sandbox_hosp"
PARTY_SECRET = "sandboxtoken0000000000000000001"  # noqa: S105 - the twin's published starting value
REAL_NAME_CLIENT = "yimatong"
NOTICE_TIMEOUT_S = 5.0


class TwinSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What the twins know."""

    wechatpay: TwinKeys
    login_apps: dict[str, str]
    real_name_clients: dict[str, str]


class _Pair(msgspec.Struct, frozen=True):
    private_pem: str
    public_pem: str


def _rsa_pair() -> _Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _Pair(private.decode(), public.decode())


def twins_file(settings: Settings) -> Path:
    """Where the twins' side of the secrets is."""
    return settings.state_dir / "twins.json"


def make_secrets(twin_url: str) -> tuple[PartnerSettings, TwinSecrets]:
    """New keys for both sides. ``twin_url`` is where the twins answer."""
    merchant, platform = _rsa_pair(), _rsa_pair()
    api_v3_key = secrets.token_hex(16)
    serial = secrets.token_hex(20).upper()
    public_key_id = f"PUB_KEY_ID_{secrets.randbelow(10**20):020d}"
    login_secret, real_name_secret = secrets.token_hex(16), secrets.token_hex(32)
    ours = PartnerSettings(
        insurance=[
            InsuranceLine(
                line=NhsaSettings(
                    code=f"nhsa-{REGION}",
                    address=f"{twin_url}/insurance{PREFIX}",
                    credential_url=f"{twin_url}/insurance{CREDENTIAL_PATH}",
                    institution_code=HOSPITAL_CODE,
                    institution_name=HOSPITAL_NAME,
                    area=REGION,
                    operator_no="0001",
                    operator_name="演示收费员",
                    operator_mac="00-00-5E-00-53-01",
                    operator_ip="192.0.2.10",
                ),
                party=PARTY,
                secret=PARTY_SECRET,
            )
        ],
        wechatpay=[
            WechatPaySettings(
                mchid=MERCHANT,
                appid=APP_ID,
                merchant_key_pem=merchant.private_pem,
                merchant_serial=serial,
                api_v3_key=api_v3_key,
                public_key_id=public_key_id,
                public_key_pem=platform.public_pem,
                base_url=f"{twin_url}/wechatpay",
            )
        ],
        wechat_login=WechatLoginSettings(
            appid=APP_ID, secret=login_secret, base_url=f"{twin_url}/wechat-login"
        ),
        real_name=RealNameSettings(
            client=REAL_NAME_CLIENT, secret=real_name_secret, base_url=f"{twin_url}/realname"
        ),
    )
    theirs = TwinSecrets(
        wechatpay=TwinKeys(
            public_key_id=public_key_id,
            private_key_pem=platform.private_pem,
            merchants=(
                TwinMerchant(
                    mchid=MERCHANT,
                    name=HOSPITAL_NAME,
                    appids=(APP_ID,),
                    serial=serial,
                    public_key_pem=merchant.public_pem,
                    api_v3_key=api_v3_key,
                ),
            ),
        ),
        login_apps={APP_ID: login_secret},
        real_name_clients={REAL_NAME_CLIENT: real_name_secret},
    )
    return ours, theirs


def prepare_secrets(settings: Settings) -> None:
    """Write both files if they are not there."""
    if settings.twin_url is None or twins_file(settings).exists():
        return
    ours, theirs = make_secrets(settings.twin_url)
    settings.partners_file.unlink(missing_ok=True)
    write_private(settings.partners_file, msgspec.json.encode(ours))
    write_private(twins_file(settings), msgspec.json.encode(theirs))


def notice_sender(client: httpx.AsyncClient) -> Callable[..., Awaitable[int]]:
    """Posts a twin's notice over ``client``."""

    async def send(url: str, headers: dict[str, str], body: bytes) -> int:
        answer = await client.post(url, headers=headers, content=body)
        return answer.status_code

    return send


def make_street(
    theirs: TwinSecrets,
    *,
    client: httpx.AsyncClient,
    books: Path | None,
    pace: TwinPace | None = None,
    hospital: HospitalSettings | None = None,
) -> Street:
    """All twins; ``books`` is the folder of their books, None keeps them in memory."""
    now = SystemClock().now

    def book(name: str) -> str:
        return ":memory:" if books is None else str(books / f"{name}.sqlite")

    twins = {
        "insurance": create_insurance_twin(book("insurance"), now),
        "wechatpay": create_wechatpay_twin(
            book("wechatpay"), now, theirs.wechatpay, notice_sender(client), FaultPlan(), pace
        ),
        "wechat-login": create_wechat_login_twin(now, theirs.login_apps),
        "realname": create_realname_twin(now, theirs.real_name_clients),
    }
    if hospital is not None:
        twins["hospital"] = create_hospital_twin(hospital, client, now)
    return Street(twins, title="Yimatong sandbox: twins of the partners, nothing here is real")


def hospital_settings(settings: Settings) -> HospitalSettings:
    """The demo hospital's side, from ``demo.json``."""
    demo = read_demo(settings)
    return HospitalSettings(
        base_url=settings.public_url,
        keys=HospitalKeys(
            application_id=demo.application_id,
            private_key=demo.private_key,
            platform_key=demo.platform_key,
        ),
        left_alone=frozenset({demo.kiosk.terminal_id, demo.desk.terminal_id}),
    )


def make_app() -> Any:
    """Granian's factory."""
    set_up_logs("sandbox")
    settings = read_settings(os.environ)
    theirs = msgspec.json.decode(twins_file(settings).read_bytes(), type=TwinSecrets)
    books = settings.state_dir / "twins"
    books.mkdir(mode=0o700, exist_ok=True)
    client = httpx.AsyncClient(timeout=NOTICE_TIMEOUT_S, trust_env=False)
    return make_street(theirs, client=client, books=books, hospital=hospital_settings(settings))


def run_sandbox(settings: Settings) -> int:
    """Serve the twins until told to stop; one process, because their books are one each."""
    Granian(
        "service.sandbox:make_app",
        factory=True,
        address="127.0.0.1",
        port=settings.sandbox_port,
        interface=Interfaces.ASGI,
        workers=1,
        loop=Loops.uvloop,
        websockets=False,
        log_access=False,
        workers_kill_timeout=10,
    ).serve()
    return 0
