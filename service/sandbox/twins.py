"""The twins as one process behind one address."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
from granian import Granian
from granian.constants import Interfaces, Loops

from integrations.registry import read_partners
from integrations.sandbox.alipay.app import create_alipay_twin
from integrations.sandbox.alipay.faults import FaultPlan as AlipayFaultPlan
from integrations.sandbox.cover.app import create_cover_twin
from integrations.sandbox.fiscal.app import create_fiscal_twin
from integrations.sandbox.hospital.app import HospitalSettings, create_hospital_twin
from integrations.sandbox.hospital.signing import HospitalKeys
from integrations.sandbox.insurance.app import create_insurance_twin
from integrations.sandbox.realname.app import create_realname_twin
from integrations.sandbox.street import Street
from integrations.sandbox.wechat_login.app import create_wechat_login_twin
from integrations.sandbox.wechatpay.app import create_wechatpay_twin
from integrations.sandbox.wechatpay.faults import FaultPlan
from integrations.sandbox.wechatpay.model import TwinPace
from service.kernel.clock import SystemClock
from service.kernel.logs import set_up_logs
from service.sandbox.hospital import keep_platform_keys, read_demo
from service.sandbox.keys import TwinSecrets, twins_file
from service.settings import Settings, read_settings

NOTICE_TIMEOUT_S = 5.0


def notice_sender(client: httpx.AsyncClient) -> Callable[..., Awaitable[int]]:
    """Posts a twin's notice over ``client``."""

    async def send(url: str, headers: dict[str, str], body: bytes) -> int:
        answer = await client.post(url, headers=headers, content=body)
        return answer.status_code

    return send


def notice_teller(client: httpx.AsyncClient) -> Callable[..., Awaitable[bytes]]:
    """Posts a twin's notice over ``client`` and gives what was answered, which Alipay reads."""

    async def send(url: str, headers: dict[str, str], body: bytes) -> bytes:
        answer = await client.post(url, headers=headers, content=body)
        return answer.content

    return send


def make_street(
    theirs: TwinSecrets,
    *,
    client: httpx.AsyncClient,
    books: Path | None,
    pace: TwinPace | None = None,
    hospital: HospitalSettings | None = None,
    keep_keys: Callable[[list[str]], None] = lambda _keys: None,
) -> Street:
    """All twins; ``books`` is the folder of their books, None keeps them in memory.

    ``keep_keys`` is given the platform's keys that the hospital learnt.
    """
    now = SystemClock().now

    def book(name: str) -> str:
        return ":memory:" if books is None else str(books / f"{name}.sqlite")

    twins = {
        "insurance": create_insurance_twin(book("insurance"), now, mobile=theirs.mobile),
        "wechatpay": create_wechatpay_twin(
            book("wechatpay"), now, theirs.wechatpay, notice_sender(client), FaultPlan(), pace
        ),
        "fiscal": create_fiscal_twin(book("fiscal"), now, theirs.fiscal),
        "cover": create_cover_twin(book("cover"), now, theirs.cover),
        "alipay": create_alipay_twin(
            book("alipay"), now, theirs.alipay, notice_teller(client), AlipayFaultPlan()
        ),
        "wechat-login": create_wechat_login_twin(now, theirs.login_apps),
        "realname": create_realname_twin(now, theirs.real_name_clients),
    }
    # One world: who confirms a mixed order at WeChat settles the bureau's order.
    twins["wechatpay"].state.twin.mixed.insurer = twins["insurance"].state.centre.carry_out
    if hospital is not None:
        twins["hospital"] = create_hospital_twin(hospital, client, now, keep_keys)
    return Street(twins, title="Yimatong sandbox: twins of the partners, nothing here is real")


def hospital_settings(settings: Settings) -> HospitalSettings:
    """The demo hospital's side, from ``demo.json``."""
    demo = read_demo(settings)
    own = {one.institution_code for one in read_partners(settings.partners_file).own_insurance}
    return HospitalSettings(
        base_url=settings.public_url,
        keys=HospitalKeys(
            application_id=demo.application_id,
            private_key=demo.private_key,
            platform_keys=demo.platform_keys,
        ),
        left_alone=frozenset({demo.kiosk.terminal_id, demo.desk.terminal_id}),
        events_url=f"{settings.twin_url}/hospital/events" if settings.twin_url else None,
        insures_itself=demo.code in own,
    )


def make_app() -> Any:
    """Granian's factory."""
    set_up_logs("sandbox")
    settings = read_settings(os.environ)
    theirs = msgspec.json.decode(twins_file(settings).read_bytes(), type=TwinSecrets)
    books = settings.state_dir / "twins"
    books.mkdir(mode=0o700, exist_ok=True)
    client = httpx.AsyncClient(timeout=NOTICE_TIMEOUT_S, trust_env=False)
    return make_street(
        theirs,
        client=client,
        books=books,
        hospital=hospital_settings(settings),
        keep_keys=lambda keys: keep_platform_keys(settings, keys),
    )


def run_sandbox(settings: Settings) -> int:
    """Serve the twins until told to stop; one process, because their books are one each."""
    Granian(
        "service.sandbox.twins:make_app",
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
