"""The pages on a system that is not there: the real web router over an in-memory stand-in.

``python -m tests.support.page_backend`` serves it for a look in a browser. Terminal requests pass
through the kernel's own SignedExchange, so signatures are exactly the system's.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlencode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, MediaType, Request, delete, get, post, put
from litestar.config.cors import CORSConfig
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Redirect

from service.kernel.clock import SystemClock
from service.kernel.entry import App, Entry, Proved, SignedExchange
from service.kernel.http_problems import HANDLERS
from service.kernel.limits import BoundedQueue, RateLimit
from service.kernel.metrics import Metrics
from service.kernel.principals import Terminal
from service.kernel.problems import IdempotencyKeyMissing, NotAuthenticated
from service.kernel.signed_requests import Claimed
from service.web.assets import FOLDERS, load_assets
from service.web.routes import PageSettings, web_router
from tests.support.page_phones import PhoneDesk, phone_handlers
from tests.support.page_printed import PrintingDesk, printed_handlers
from tests.support.page_tills import TillDesk, till_handlers
from tests.support.page_world import CodeMalformed, Json, PurposeMismatch, World

Ask = Request[Any, Any, Any]
Body = JSONBody[dict[str, Any]]
Act = Callable[[], Json]

CASHIER_PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>模拟收银台</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><h1>模拟微信支付</h1>
<form method="post">
<button name="outcome" value="pay" style="font-size:24px">支付</button></form></html>"""


class PageBackend(Protocol):
    """What the pages' tests need of a system, stand-in or real."""

    base_url: str

    def new_activation_code(self) -> str:
        """Activates one kiosk."""

    def bill_the_newest_person(self, lines: list[tuple[str, int, int]]) -> None:
        """A hospital bills the person registered last: (name, quantity, price in fen)."""

    def pay_qr(self, qr_text: str) -> None:
        """The payer's app scans a payment code and pays."""


def sm3_mac(key: bytes, text: bytes) -> hmac.HMAC:
    """HMAC-SM3 by the library, independent of the page's own."""
    mac = hmac.HMAC(key, hashes.SM3())
    mac.update(text)
    return mac


def _keyed(world: World, request: Ask, run: Act) -> Json:
    key = request.headers.get("idempotency-key")
    if not key:
        raise IdempotencyKeyMissing
    slot = f"{request.url.path} {key}"
    if slot not in world.kept:
        world.kept[slot] = run()
        world.posts.append((request.url.path.rsplit("/", 1)[-1], key))
    return world.kept[slot]


def _whose(world: World, request: Ask) -> str:
    return world.subject(request.headers.get("authorization", ""))


def resident_handlers(world: World) -> list[Any]:
    """``/v1/login`` and who one is."""

    @post("/v1/login/wechat", status_code=200, sync_to_thread=False)
    def login(data: Body) -> Json:
        return world.login(data["code"])

    @get("/v1/me", sync_to_thread=False)
    def me(request: Ask) -> Json:
        return world.me(_whose(world, request))

    @put("/v1/me/registration", sync_to_thread=False)
    def register(request: Ask, data: Body) -> Json:
        world.people[_whose(world, request)] = data
        return world.me(_whose(world, request))

    @post("/v1/me/codes", sync_to_thread=False)
    def code(request: Ask, data: Body) -> Json:
        return world.new_code(_whose(world, request), data["purpose"])

    @delete("/v1/me/session", status_code=204, sync_to_thread=False)
    def log_out(request: Ask) -> None:
        _whose(world, request)
        del world.tokens[request.headers["authorization"].removeprefix("Bearer ")]

    return [login, me, register, code, log_out]


def resident_money_handlers(world: World) -> list[Any]:
    """Bills and settlements under ``/v1/me``."""

    @get("/v1/me/bills", sync_to_thread=False)
    def bills(request: Ask) -> Json:
        return {"bills": world.payable(_whose(world, request))}

    @get("/v1/me/bills/{bill_id:str}", sync_to_thread=False)
    def bill(request: Ask, bill_id: FromPath[str]) -> Json:
        found = world.bill(_whose(world, request), bill_id)
        return {key: value for key, value in found.items() if key != "subject"}

    @post("/v1/me/bills/{bill_id:str}/settlements", status_code=202, sync_to_thread=False)
    def start(request: Ask, bill_id: FromPath[str], data: Body) -> Json:
        person = _whose(world, request)
        return _keyed(world, request, lambda: world.start(person, bill_id, **data))

    @get("/v1/me/settlements/{settlement_id:str}", sync_to_thread=False)
    def read(request: Ask, settlement_id: FromPath[str]) -> Json:
        return world.read(_whose(world, request), settlement_id)

    @post(
        "/v1/me/settlements/{settlement_id:str}/{verb:str}", status_code=200, sync_to_thread=False
    )
    def act(request: Ask, settlement_id: FromPath[str], verb: FromPath[str], data: Body) -> Json:
        return _act(world, request, _whose(world, request), settlement_id, verb, data)

    @get("/v1/me/settlements/{settlement_id:str}/receipt", sync_to_thread=False)
    def receipt(request: Ask, settlement_id: FromPath[str]) -> Json:
        return world.receipt(_whose(world, request), settlement_id)

    @get("/v1/me/settlements/{settlement_id:str}/ways", sync_to_thread=False)
    def ways(request: Ask, settlement_id: FromPath[str]) -> Json:
        world.find(_whose(world, request), settlement_id)
        return world.offered(("h5", "jsapi"))

    return [bills, bill, start, read, act, receipt, ways]


def _act(
    world: World, request: Ask, person: str, settlement_id: str, verb: str, data: Body
) -> Json:
    acts: dict[str, Act] = {
        "payment": lambda: world.pay(person, settlement_id, data),
        "confirmation": lambda: world.confirm(person, settlement_id),
        "abandonment": lambda: world.abandon(person, settlement_id),
    }
    return _keyed(world, request, acts[verb])


def _scan(
    world: World, tills: TillDesk | None, text: str, purpose: str, offer: str | None = None
) -> Json:
    if not text.startswith("YM1:"):
        raise CodeMalformed
    if tills is None or text in world.codes:
        if offer is not None:
            raise PurposeMismatch(wanted=purpose)
        shown = world.show(text, purpose)
    else:
        shown = tills.read(text, purpose, offer)
    return world.scan(shown, purpose)


def terminal_handlers(world: World, tills: TillDesk | None) -> list[Any]:
    """``/v1/terminal-activation`` and ``/v1/terminal``."""

    @post("/v1/terminal-activation", status_code=200, sync_to_thread=False)
    def activate(data: Body) -> Json:
        return world.activate(data["activation_code"])

    @post("/v1/terminal/scans", status_code=200, sync_to_thread=False)
    def scan(request: Ask, data: Body) -> Json:
        return _keyed(world, request, lambda: _scan(world, tills, **data))

    @get("/v1/terminal/scans/{scan_id:str}/bills", sync_to_thread=False)
    def bills(scan_id: FromPath[str]) -> Json:
        age = world.clock.now() - world.scans[scan_id]["at"]
        waiting = age.total_seconds() < world.bills_wait_s
        return {"bills": [] if waiting else world.payable(world.scan_subject(scan_id))}

    @post("/v1/terminal/scans/{scan_id:str}/settlements", status_code=202, sync_to_thread=False)
    def start(request: Ask, scan_id: FromPath[str], data: Body) -> Json:
        person = world.paying_subject(scan_id, data["bill_id"])
        return _keyed(world, request, lambda: world.start(person, **data))

    @get("/v1/terminal/scans/{scan_id:str}/settlements/{settlement_id:str}", sync_to_thread=False)
    def read(scan_id: FromPath[str], settlement_id: FromPath[str]) -> Json:
        return world.read(world.scan_subject(scan_id), settlement_id)

    @post(
        "/v1/terminal/scans/{scan_id:str}/settlements/{settlement_id:str}/{verb:str}",
        status_code=200,
        sync_to_thread=False,
    )
    def act(
        request: Ask,
        scan_id: FromPath[str],
        settlement_id: FromPath[str],
        verb: FromPath[str],
        data: Body,
    ) -> Json:
        return _act(world, request, world.scan_subject(scan_id), settlement_id, verb, data)

    @get(
        "/v1/terminal/scans/{scan_id:str}/settlements/{settlement_id:str}/receipt",
        sync_to_thread=False,
    )
    def receipt(scan_id: FromPath[str], settlement_id: FromPath[str]) -> Json:
        return world.receipt(world.scan_subject(scan_id), settlement_id)

    @get(
        "/v1/terminal/scans/{scan_id:str}/settlements/{settlement_id:str}/ways",
        sync_to_thread=False,
    )
    def ways(scan_id: FromPath[str], settlement_id: FromPath[str]) -> Json:
        world.find(world.scan_subject(scan_id), settlement_id)
        return world.offered(("code", "native"))

    return [activate, scan, bills, start, read, act, receipt, ways]


def twin_app(world: World) -> Litestar:
    """The login and payment twins on an origin of their own."""

    @post("/sandbox/codes", status_code=200, sync_to_thread=False)
    def login_code(data: Body) -> Json:
        code = f"code-{len(world.login_codes)}-{data['subject'][:8]}"
        world.login_codes[code] = data["subject"]
        return {"code": code}

    @get("/cashier", media_type=MediaType.HTML, sync_to_thread=False)
    def cashier() -> str:
        return CASHIER_PAGE

    @post("/cashier", status_code=303, sync_to_thread=False)
    def pay(prepay_id: FromQuery[str], return_url: FromQuery[str]) -> Redirect:
        world.take_payment(prepay_id.removeprefix("wx"))
        return Redirect(return_url, status_code=303)

    return Litestar(
        [login_code, cashier, pay], cors_config=CORSConfig(allow_origins=["*"]), openapi_config=None
    )


def page_app(
    world: World,
    settings: PageSettings,
    desk: PhoneDesk | None,
    printing: PrintingDesk,
    tills: TillDesk | None,
) -> App:
    """The pages and the stand-in, behind the kernel's signature layer.

    Without a desk the pages are those of a system whose phone module is not built.
    """
    clock = world.clock
    folders = {name: at for name, at in FOLDERS.items() if desk is not None or name != "built"}

    async def prove(claimed: Claimed, text: bytes, changing: bool) -> Proved:
        key = world.terminals.get(claimed.caller_id)
        if key is None:
            raise NotAuthenticated
        try:
            sm3_mac(key, text).verify(claimed.signature)
        except InvalidSignature:
            raise NotAuthenticated from None

        async def sign(answer: bytes) -> tuple[str, bytes]:
            return claimed.caller_id, sm3_mac(key, answer).finalize()

        return Proved(Terminal(institution_id=1, terminal_id=1, public_place=True), sign)

    handlers = [
        web_router(settings, load_assets(folders=folders)),
        *([] if desk is None else phone_handlers(world, desk)),
        *printed_handlers(world, printing),
        *resident_handlers(world),
        *resident_money_handlers(world),
        *terminal_handlers(world, tills),
        *([] if tills is None else till_handlers(tills)),
    ]
    app: Any = Litestar(handlers, exception_handlers=HANDLERS, openapi_config=None)
    signed = SignedExchange(app, prove=prove, clock=clock, limit=RateLimit(per_s=100, burst=200))
    queue = BoundedQueue(running=64, waiting=64, patience_s=5)
    return Entry(signed, queue=queue, metrics=Metrics())


class StandIn:
    """Serves both apps in a thread until ``stop``. Implements ``PageBackend``."""

    def __init__(
        self, *, port: int, twin_port: int, code_life_s: int = 60, phones: bool = False
    ) -> None:
        self.world = World(SystemClock(), code_life_s=code_life_s)
        self.desk = PhoneDesk(self.world.clock) if phones else None
        self.printing = PrintingDesk(self.world)
        self.tills = TillDesk(self.desk) if self.desk else None
        self.base_url = f"http://127.0.0.1:{port}"
        twin_url = f"http://127.0.0.1:{twin_port}"
        self.world.cashier_url = f"{twin_url}/cashier"
        settings = PageSettings(sandbox=True, login_twin_url=twin_url, cashier_url=None)
        self._ports = {
            port: page_app(self.world, settings, self.desk, self.printing, self.tills),
            twin_port: twin_app(self.world),
        }
        self._loop = asyncio.new_event_loop()
        self._servers: list[Server] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End the servers and their thread."""
        for server in self._servers:
            self._loop.call_soon_threadsafe(server.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._servers = [
            Server(
                app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False
            )
            for port, app in self._ports.items()
        ]
        await asyncio.gather(*(server.serve() for server in self._servers))

    def new_activation_code(self) -> str:
        return self.world.new_activation_code()

    def bill_the_newest_person(self, lines: list[tuple[str, int, int]]) -> None:
        self.world.add_bill(list(self.world.people)[-1], lines)

    def pay_qr(self, qr_text: str) -> None:
        self.world.take_payment(qr_text.partition("pr=")[2])


def main() -> None:
    """Serve until interrupted, with an activation code printed."""
    standing = StandIn(port=8700, twin_port=8701, phones=True)
    standing.start()
    more = urlencode({"activation": standing.new_activation_code()})
    print(f"{standing.base_url}/  {standing.base_url}/kiosk  {more}")
    try:
        threading.Event().wait()
    finally:
        standing.stop()


if __name__ == "__main__":
    main()
