"""The hospital twin as an ASGI application: a loop over the platform's API, and its book."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from litestar import Litestar, get, post
from litestar.datastructures import State

from integrations.sandbox.hospital.signing import HospitalKeys, Signer
from integrations.sandbox.hospital.visits import a_bill

BILL_PREFIX = "HT"
LOOP_S = 0.5
KEYS_EVERY = timedelta(seconds=30)
"""A real hospital asks once a day: the platform's next key is told two weeks ahead."""


class HospitalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the platform is, whose keys these are, and which terminals to leave alone."""

    base_url: str
    keys: HospitalKeys
    left_alone: frozenset[str] = frozenset()
    """Terminals at which somebody else plays the hospital (the demo, load tests)."""


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
            body = a_bill(bill_no, patient, self._clock(), self._turn)
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
            reference = "HIS" + settled["bill_no"]
            await self.call(
                "POST",
                f"/v1/institution/settlements/{settlement}/posting",
                {"hospital_ref": reference},
                key=reference,
            )
            self.posted[settlement] = reference
            self.billed = {k: v for k, v in self.billed.items() if v != settled["bill_no"]}

    async def work_forever(self) -> None:
        """Until cancelled; a platform that is away is tried again."""
        while True:
            try:
                await self.learn_platform_keys()
                await self.charge_new_patients()
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
def switch_posting(state: State, on: str) -> dict[str, bool]:
    """Stop or go on acknowledging settlements: ``/sandbox/posting/off`` or ``…/on``."""
    hospital: Hospital = state["hospital"]
    hospital.posting = on == "on"
    return {"posting": hospital.posting}


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
        route_handlers=[book, switch_posting],
        state=State({"hospital": hospital}, deep_copy=False),
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
