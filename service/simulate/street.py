"""The partners' twins in this program, behind the adapters that production opens.

``TwinWire`` is the network: an HTTP transport that hands each request to a twin in one step, with
a point before and after it, and spoils what the weather says.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

import httpx

from integrations.registry import OpenPartners
from integrations.sandbox.alipay.app import create_alipay_twin
from integrations.sandbox.alipay.faults import Fault as AlipayFault
from integrations.sandbox.alipay.faults import FaultPlan as AlipayPlan
from integrations.sandbox.alipay.faults import ScriptedFault as AlipayScripted
from integrations.sandbox.alipay.twin import Twin as AlipayTwin
from integrations.sandbox.cover.app import CoverTwin, create_cover_twin
from integrations.sandbox.cover.faults import Fault as CoverFault
from integrations.sandbox.fault_plan import ScriptedFault
from integrations.sandbox.fiscal.app import FiscalTwin, create_fiscal_twin
from integrations.sandbox.fiscal.faults import Fault as FiscalFault
from integrations.sandbox.insurance.app import create_insurance_twin, open_centre, open_twin
from integrations.sandbox.insurance.faults import Fault as BureauFault
from integrations.sandbox.insurance.faults import ScriptedFault as BureauScripted
from integrations.sandbox.insurance.mobile_centre import MobileCentre
from integrations.sandbox.insurance.twin import Twin as BureauTwin
from integrations.sandbox.insured_orders import InsuredOrder
from integrations.sandbox.street import Street
from integrations.sandbox.wechatpay.app import create_wechatpay_twin
from integrations.sandbox.wechatpay.faults import Fault as WechatFault
from integrations.sandbox.wechatpay.faults import FaultPlan as WechatPlan
from integrations.sandbox.wechatpay.faults import ScriptedFault as WechatScripted
from integrations.sandbox.wechatpay.model import TwinPace
from integrations.sandbox.wechatpay.twin import Twin as WechatTwin
from service.sandbox.keys import TwinSecrets
from service.simulate.stage import TWINS, Stage
from service.simulate.weather import NOTICES, Sky, WireFault

TWINS_URL = "http://twins.test"
OWES_MORE = {"op.pool": 3_000_00, "balance": -1_000_00}
OWES_LESS = {"op.dedc": 500_00}
"""What another institution's settlement moves: the year's cap is used up, or the deductible."""
DELAY_MS = 45_000
PATIENCE_S = 8
"""Of a caller, in simulated time."""

Post = Callable[[str, dict[str, str], bytes], Awaitable[bytes]]
"""Takes a notice for the merchant and gives the answer's body; any exception: nobody answered."""


class Twins:
    """The five twins. They serve all worlds of a run, one after another, for keys cost time."""

    def __init__(self, theirs: TwinSecrets) -> None:
        self._clock: Callable[[], datetime] = _no_clock
        self._post: Post = _no_post
        self._upwards = False
        """Whether counters moved last so that payers owe more."""
        pace = TwinPace(refund_takes_s=2)
        self._apps = {
            "insurance": create_insurance_twin(":memory:", self.now, mobile=theirs.mobile),
            "wechatpay": create_wechatpay_twin(
                ":memory:", self.now, theirs.wechatpay, self._tell_status, WechatPlan(), pace
            ),
            "alipay": create_alipay_twin(
                ":memory:", self.now, theirs.alipay, self._tell, AlipayPlan()
            ),
            "fiscal": create_fiscal_twin(":memory:", self.now, theirs.fiscal),
            "cover": create_cover_twin(":memory:", self.now, theirs.cover),
        }
        self.street = Street(self._apps, title="simulated")
        self.wechatpay: WechatTwin = self._apps["wechatpay"].state.twin
        self.alipay: AlipayTwin = self._apps["alipay"].state.twin
        self.fiscal: FiscalTwin = self._apps["fiscal"].state.twin
        self.cover: CoverTwin = self._apps["cover"].state.twin
        self.insurance: BureauTwin = self._apps["insurance"].state.twin
        self.centre: MobileCentre = self._apps["insurance"].state.centre
        self.wechatpay.mixed.insurer = self._carry_out
        self._mobile = theirs.mobile

    def _carry_out(self, told: InsuredOrder) -> str | None:
        return self.centre.carry_out(told)

    def now(self) -> datetime:
        """The time of the world that is open."""
        return self._clock()

    async def _tell(self, url: str, headers: dict[str, str], body: bytes) -> bytes:
        return await self._post(url, headers, body)

    async def _tell_status(self, url: str, headers: dict[str, str], body: bytes) -> int:
        return 200 if await self._post(url, headers, body) else 500

    def open(self, clock: Callable[[], datetime], post: Post) -> None:
        """Empty books and no faults, on this clock; notices go to ``post``."""
        self._clock, self._post, self._upwards = clock, post, False
        for twin in (self.wechatpay, self.alipay, self.cover, self.fiscal):
            twin.book.forget()
        self.insurance.book.close()
        self.insurance = open_twin(":memory:", self.now)
        self._apps["insurance"].state.twin = self.insurance
        self.centre = open_centre(self.insurance, self._mobile)
        self._apps["insurance"].state.centre = self.centre
        self.forget_faults()

    def script(self, partner: str, fault: StrEnum, *, number: str | None = None) -> None:
        """Have a twin commit a fault once, at its next occasion."""
        match fault:
            case BureauFault():
                self._upwards = not self._upwards
                moves = OWES_MORE if self._upwards else OWES_LESS
                planned = BureauScripted(fault=fault, moves=moves)
                self.insurance.faults.scripted.append(planned)
            case WechatFault():
                scripted = WechatScripted(fault=fault, number=number, delay_ms=DELAY_MS)
                self.wechatpay.faults.add(scripted)
            case AlipayFault():
                self.alipay.faults.add(
                    AlipayScripted(fault=fault, number=number, delay_ms=DELAY_MS)
                )
            case FiscalFault():
                self.fiscal.faults.add(ScriptedFault(fault=fault, delay_ms=DELAY_MS))
            case CoverFault():
                self.cover.faults.add(ScriptedFault(fault=fault, delay_ms=DELAY_MS))
            case _:
                raise ValueError(f"{partner} knows no fault {fault}")

    def forget_faults(self) -> None:
        """Nothing more is scripted."""
        for twin in (self.wechatpay, self.alipay, self.insurance, self.fiscal, self.cover):
            twin.faults.clear()


def _no_clock() -> datetime:
    raise RuntimeError("no world is open")


async def _no_post(_url: str, _headers: dict[str, str], _body: bytes) -> bytes:
    raise RuntimeError("no world is open")


class WorldPartners:
    """Adapters over one network: the bureau's anew in each world, for it remembers a sign-in."""

    def __init__(self, bureau: OpenPartners, providers: OpenPartners) -> None:
        self.insurance = bureau.insurance
        self.inpatient = bureau.inpatient
        self.mobile_insurance = bureau.mobile_insurance
        self.payment = providers.payment
        self.invoice = providers.invoice
        self.cover = providers.cover
        self.insurers = providers.insurers
        self.login = providers.login
        self.real_name = providers.real_name


class TwinWire(httpx.AsyncBaseTransport):
    """The network between adapters and twins."""

    def __init__(self, twins: Twins) -> None:
        self._twins = twins
        self._stage: Stage
        self._sky: Sky
        self.away: dict[str, datetime] = {}
        """Until when a partner cannot be reached."""

    def open(self, stage: Stage, sky: Sky) -> None:
        """Serve this world from now on."""
        self._stage, self._sky = stage, sky
        self.away.clear()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange. Raises what httpx raises for a broken network."""
        content = await request.aread()
        partner, operation = _named(request, content)
        if operation == "9001":
            # One sign-in at a time holds a lock in the adapter: nobody may wait behind it.
            async with self._stage.unbroken():
                return await self._exchange(request, content)
        call = f"{partner} {operation}"
        await self._stage.pause(f"call {call}")
        self._stage.hit(f"before call {call}")
        fault = self._fault(partner, operation)
        if fault is not None:
            self._stage.note(f"fault {call}: {fault.value}")
        if fault is WireFault.NOT_REACHED:
            raise httpx.ConnectError("refused")
        if fault is WireFault.LOST_REQUEST or fault is WireFault.LATE_REQUEST:
            if fault is WireFault.LATE_REQUEST:
                self._later(request, content, call)
            await self._stage.rest(timedelta(seconds=PATIENCE_S), f"no answer of {call}")
            raise httpx.ReadTimeout("no answer")
        try:
            answer = await self._exchange(request, content)
        finally:
            self._stage.changes[TWINS] += 1
            self._stage.hit(f"after call {call}")
        if fault is WireFault.DOUBLED_REQUEST:
            self._later(request, content, call)
        if fault is WireFault.SLOW:
            await self._stage.rest(self._sky.seconds(1, PATIENCE_S - 1), f"slow answer of {call}")
        if fault is WireFault.LOST_ANSWER:
            await self._stage.rest(timedelta(seconds=PATIENCE_S), f"no answer of {call}")
            raise httpx.ReadTimeout("no answer")
        await self._stage.pause(f"answer of {call}")
        return answer

    def _fault(self, partner: str, operation: str) -> StrEnum | None:
        now = self._stage.clock.now()
        if self.away.get(partner, now) > now:
            return WireFault.NOT_REACHED
        if self._sky.happens(self._sky.weather.outage):
            self.away[partner] = now + self._sky.seconds(30, 400)
        if partner in NOTICES and operation in {"place", "refund"}:
            self._spoil_notice(partner)
        fault = self._sky.fault_of_call(partner, operation)
        if fault is not None and not isinstance(fault, WireFault):
            self._twins.script(partner, fault)
        return fault

    def _spoil_notice(self, provider: str) -> None:
        fault = self._sky.fault_of_notice(provider)
        if fault is not None:
            self._stage.note(f"fault {provider} notice: {fault.value}")
            self._twins.script(provider, fault)

    def _later(self, request: httpx.Request, content: bytes, call: str) -> None:
        span = self._sky.seconds(1, 90)

        async def arrive() -> None:
            await self._stage.rest(span, f"late {call}")
            async with self._stage.unbroken():
                try:
                    await self._exchange(request, content)
                except httpx.HTTPError:
                    return
                finally:
                    self._stage.changes[TWINS] += 1

        self._stage.play(f"late {call}", None, arrive)

    async def _exchange(self, request: httpx.Request, content: bytes) -> httpx.Response:
        status, headers, body = 0, [], b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, headers, body
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
            elif message["type"] == "http.response.body":
                body += message.get("body", b"")

        raw_path, _, query = request.url.raw_path.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.url.path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 1),
            "server": ("twins.test", 80),
        }
        try:
            async with self._stage.unbroken():
                await self._twins.street(scope, receive, send)
        except ConnectionError:
            raise httpx.ReadError("broken off") from None
        return httpx.Response(status, headers=headers, content=body, request=request)


def _named(request: httpx.Request, content: bytes) -> tuple[str, str]:
    """Partner and operation of a request, in the words of the payment port or the bureau's."""
    partner, _, rest = request.url.path.lstrip("/").partition("/")
    if partner in {"insurance", "fiscal", "cover"}:
        return partner, rest.rsplit("/", 1)[-1]
    if partner == "alipay":
        fields = parse_qs((content or request.url.query).decode("utf-8", "replace"))
        named = parse_qs(request.url.query.decode()) | fields
        return partner, _ALIPAY.get(named.get("method", [""])[0], rest)
    return partner, _wechat(request.method, rest)


def _wechat(method: str, rest: str) -> str:
    asks = method == "GET"
    if rest.startswith("v3/refund"):
        return "query-refund" if asks else "refund"
    if rest.startswith("v3/med-ins/refunds"):
        return "tell-refund"
    legs = "-mixed" if rest.startswith("v3/med-ins") else ""
    if asks or legs:
        return f"query{legs}" if asks else f"place{legs}"
    return "close" if rest.endswith(("/close", "/reverse")) else "place"


_ALIPAY = {
    "alipay.trade.create": "place",
    "alipay.trade.precreate": "place",
    "alipay.trade.pay": "place",
    "alipay.trade.query": "query",
    "alipay.trade.close": "close",
    "alipay.trade.cancel": "close",
    "alipay.trade.refund": "refund",
    "alipay.trade.fastpay.refund.query": "query-refund",
}
