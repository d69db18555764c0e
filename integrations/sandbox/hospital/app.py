"""The hospital twin as an ASGI application: a loop over the platform's API, and its book."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from integrations.sandbox import book_page
from integrations.sandbox.book_page import Jump
from integrations.sandbox.hospital import pages
from integrations.sandbox.hospital.events import Arrived, EventDesk, EventFault, EventForged
from integrations.sandbox.hospital.insurance_machine import InsuranceMachine, Planned
from integrations.sandbox.hospital.signing import HospitalKeys, Signer
from integrations.sandbox.hospital.visits import a_bill

BILL_PREFIX = "HT"
LOOP_S = 0.5
TOO_LATE_S = 6.0
"""Longer than the platform waits for the answer to an event."""
KEYS_EVERY = timedelta(seconds=30)
"""A real hospital asks once a day: the platform's next key is told two weeks ahead."""


class HospitalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the platform is, whose keys these are, and which terminals to leave alone."""

    base_url: str
    keys: HospitalKeys
    left_alone: frozenset[str] = frozenset()
    """Terminals at which somebody else plays the hospital (the demo, load tests)."""
    events_url: str | None = None
    """Where this twin takes events; None: it asks for none."""
    insures_itself: bool = False
    """Whether the platform asks this hospital's own machine instead of a bureau."""


class AnswerForged(Exception):
    """The platform's answer is not signed, or not to this request."""


class Hospital:
    """What the hospital remembers, and the calls it makes."""

    def __init__(
        self,
        settings: HospitalSettings,
        client: httpx.AsyncClient,
        clock: Callable[[], datetime],
        keep_keys: Callable[[list[str]], None],
    ) -> None:
        self._settings = settings
        self._keep_keys = keep_keys
        self._keys = settings.keys.platform_keys
        self._keys_due = clock()
        self._client = client
        self._clock = clock
        self._signer = Signer(settings.keys)
        self._host = urlsplit(settings.base_url).netloc
        self._cursor = ""
        self._told: set[str] = set()
        self._turn = 0
        self.posting = True
        self.billed: dict[str, str] = {}
        self.posted: dict[str, str] = {}
        self.faults: list[str] = []
        self.jumped = timedelta()
        self.events = EventDesk(self._signer, clock)
        self._events_url = settings.events_url
        self.insurance = InsuranceMachine(self.call, self.clock)

    def clock(self) -> datetime:
        """The hospital's business time; signatures go by the wall's."""
        return self._clock() + self.jumped

    async def call(self, method: str, target: str, body: Any = None, *, key: str = "") -> Any:
        """A signed call; the answer's signature is checked. Raises ``httpx.HTTPError``."""
        content = b"" if body is None else msgspec.json.encode(body)
        signed = self._signer.sign(method, self._host, target, content, key=key, at=self._clock())
        answer = await self._client.request(
            method, self._settings.base_url + target, content=content, headers=signed.headers
        )
        signature = answer.headers.get("yimatong-signature", "")
        if not self._signer.answer_holds(
            answer.status_code, signed.nonce, answer.content, signature
        ):
            raise AnswerForged(target)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content)

    async def learn_platform_keys(self) -> None:
        """Ask now and then which keys sign the platform's answers, and keep them."""
        if self._clock() < self._keys_due:
            return
        told = await self.call("GET", "/v1/institution/platform-keys")
        self._keys_due = self._clock() + KEYS_EVERY
        keys = [key["public_key"] for key in told["keys"]]
        if keys != self._keys:
            self._signer.believe(keys)
            self._keep_keys(keys)
            self._keys = keys

    async def ask_for_events(self) -> None:
        """Tell the platform once where events are taken. A refusal is noted, not repeated."""
        if self._events_url is None:
            return
        try:
            await self.call("PUT", "/v1/institution/notice-endpoint", {"url": self._events_url})
        except httpx.HTTPStatusError as refused:
            self.faults = [*self.faults[-19:], f"events refused: {refused.response.status_code}"]
        self._events_url = None

    async def charge_new_patients(self) -> None:
        """Push a bill for each new scan, one open bill a patient; a scan is told more than once."""
        after = f"&after={quote(self._cursor)}" if self._cursor else ""
        page = await self.call("GET", f"/v1/institution/scans?limit=50{after}")
        for scan in page["scans"]:
            patient = scan["patient_id"]
            if scan["scan_id"] in self._told or patient in self.billed:
                continue
            if scan["terminal_id"] in self._settings.left_alone:
                continue
            bill_no = BILL_PREFIX + scan["scan_id"][-20:]
            self._turn += 1
            body = a_bill(bill_no, patient, self.clock(), self._turn)
            await self.call("POST", "/v1/institution/bills", body, key=bill_no)
            self.billed[patient] = bill_no
        self._told = {scan["scan_id"] for scan in page["scans"]}
        self._cursor = page.get("next") or self._cursor

    async def post_settled(self) -> None:
        """Acknowledge what was settled for bills of ours."""
        page = await self.call("GET", "/v1/institution/settlements?to_post=true&limit=50")
        for settled in page["settlements"]:
            if not settled["bill_no"].startswith(BILL_PREFIX):
                continue
            settlement = settled["settlement_id"]
            version = settled["bill_version"]
            reference = f"HIS{settled['bill_no']}-{version}"
            await self.call(
                "POST",
                f"/v1/institution/settlements/{settlement}/posting",
                {"hospital_ref": reference, "bill_version": version},
                key=f"{settlement}-{version}",
            )
            self.posted[settlement] = reference
            self.billed = {k: v for k, v in self.billed.items() if v != settled["bill_no"]}

    async def work_forever(self) -> None:
        """Until cancelled; a platform that is away is tried again."""
        while True:
            try:
                await self.learn_platform_keys()
                await self.ask_for_events()
                await self.charge_new_patients()
                if self._settings.insures_itself:
                    await self.insurance.work()
                if self.posting:
                    await self.post_settled()
            except (httpx.HTTPError, AnswerForged, KeyError, msgspec.DecodeError) as fault:
                self.faults = [*self.faults[-19:], f"{type(fault).__name__}"]
                await asyncio.sleep(LOOP_S)
            await asyncio.sleep(LOOP_S)


@get("/sandbox/book", sync_to_thread=False)
def book(state: State) -> dict[str, Any]:
    """What was billed and posted."""
    hospital: Hospital = state["hospital"]
    return {
        "billed": hospital.billed,
        "posted": hospital.posted,
        "posting": hospital.posting,
        "faults": hospital.faults,
    }


@post("/sandbox/posting/{on:str}", status_code=200, sync_to_thread=False)
def switch_posting(state: State, on: FromPath[str]) -> dict[str, bool]:
    """Stop or go on acknowledging settlements: ``/sandbox/posting/off`` or ``…/on``."""
    hospital: Hospital = state["hospital"]
    hospital.posting = on == "on"
    return {"posting": hospital.posting}


@post("/events", status_code=200)
async def take_event(request: Request[Any, Any, Any], state: State) -> Response[None]:
    """The door for events: 200 when taken, 401 when forged."""
    desk: EventDesk = state["hospital"].events
    fault = desk.faults.pop(0) if desk.faults else None
    if fault is EventFault.REFUSE:
        return Response(None, status_code=500)
    query = request.scope.get("query_string", b"")
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    arrived = Arrived(
        host=request.headers.get("host", ""),
        target=(path.split(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1"),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.body(),
    )
    try:
        if fault is not EventFault.SLOW:
            desk.take(arrived)
    except (EventForged, msgspec.DecodeError, KeyError) as forged:
        desk.refused = [*desk.refused[-19:], str(forged)]
        return Response(None, status_code=401)
    if fault is not None:
        await asyncio.sleep(TOO_LATE_S)
    return Response(None, status_code=200)


@get("/sandbox/events", sync_to_thread=False)
def event_book(state: State) -> dict[str, Any]:
    """The events that were taken, in their order, and what was refused."""
    desk: EventDesk = state["hospital"].events
    return {
        "taken": list(desk.taken.values()),
        "repeats": desk.repeats,
        "refused": desk.refused,
    }


@post("/sandbox/events/faults", status_code=200, sync_to_thread=False)
def plan_event_faults(state: State, data: JSONBody[list[EventFault]]) -> dict[str, int]:
    """What is done to the next events, one fault each."""
    desk: EventDesk = state["hospital"].events
    desk.faults.extend(data[:100])
    return {"planned": len(desk.faults)}


@get("/sandbox/insurance", sync_to_thread=False)
def insurance_book(state: State) -> dict[str, Any]:
    """What the hospital's own machine settled, did, and was refused."""
    machine: InsuranceMachine = state["hospital"].insurance
    return {
        "settlements": [msgspec.to_builtins(one) for one in machine.settlements],
        "performed": machine.performed[-100:],
        "refused": machine.refused,
    }


@post("/sandbox/insurance/faults", status_code=200, sync_to_thread=False)
def plan_insurance_faults(state: State, data: JSONBody[list[Planned]]) -> dict[str, int]:
    """What the machine does wrong with the next calls of a kind, one fault each."""
    machine: InsuranceMachine = state["hospital"].insurance
    machine.faults.extend(data[:100])
    return {"planned": len(machine.faults)}


@get("/sandbox/", sync_to_thread=False)
def show_page(state: State) -> Response[Any]:
    """The book for people, with forms for faults and the clock."""
    hospital: Hospital = state["hospital"]
    page = pages.book(
        now=hospital.clock(),
        posting=hospital.posting,
        billed=hospital.billed,
        posted=hospital.posted,
        events=hospital.events,
        machine=hospital.insurance,
    )
    return book_page.show(page)


@post("/sandbox/clock", status_code=200, sync_to_thread=False)
def jump(state: State, data: JSONBody[Jump]) -> dict[str, str]:
    """Let business time jump: the times of bills and of the machine's settlements."""
    hospital: Hospital = state["hospital"]
    hospital.jumped += timedelta(seconds=data.forward_s)
    return {"now": hospital.clock().isoformat(timespec="seconds")}


def create_hospital_twin(
    settings: HospitalSettings,
    client: httpx.AsyncClient,
    clock: Callable[[], datetime],
    keep_keys: Callable[[list[str]], None] = lambda _keys: None,
) -> Litestar:
    """The application; its loop runs while its lifespan does.

    ``keep_keys`` is given the platform's public keys, in hexadecimal, whenever they changed.
    """
    hospital = Hospital(settings, client, clock, keep_keys)

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        working = asyncio.create_task(hospital.work_forever())
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    return Litestar(
        route_handlers=[
            book,
            switch_posting,
            take_event,
            event_book,
            plan_event_faults,
            insurance_book,
            plan_insurance_faults,
            show_page,
            jump,
        ],
        state=State({"hospital": hospital}, deep_copy=False),
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
