"""One resident's journey against a running system that may be broken at any moment.

Every step is repeated until it succeeds, as people and programs at a counter do.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import httpx
import msgspec

from service.sandbox.hospital import DemoHospital
from service.sandbox.journey import Journey
from service.sandbox.speaker import StepWrong
from tests.support.running import RunningSystem

WITHIN_S = 60.0


class Traveller:
    """A journey with patience. ``journey`` holds the people and what they have learnt."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self._keys: dict[str, str] = {}

    async def arrive(self) -> None:
        """Up to the bill that waits to be paid."""
        steps = self.journey
        for step in (steps.born, steps.logged_in, steps.registered, steps.code_shown):
            await step()
        await steps.scanned()
        await steps.billed()

    async def start(self, *, use_account: bool = True) -> None:
        """Begin the settlement by phone."""
        body = {"use_account": use_account, "insured": True}
        target = f"/v1/me/bills/{self.journey.bill_id}/settlements"
        self.journey.settlement = await self._ask("POST", target, body)

    @property
    def target(self) -> str:
        """The settlement's address."""
        return f"/v1/me/settlements/{self.journey.settlement['settlement_id']}"

    async def order(self) -> None:
        """Choose WeChat Pay and wait for the order's parameters.

        An answer that is lost is looked up, as a page does; the same key is asked again only while
        there is no order.
        """
        body = {"provider": "wechatpay", "way": "jsapi"}
        key = secrets.token_hex(8)
        resident = self.journey.resident

        async def ordered() -> None:
            with suppress(StepWrong, httpx.HTTPError):
                await resident.ask("POST", f"{self.target}/payment", body, key=key)
            self.journey.settlement = await resident.ask("GET", self.target)
            if not (self.journey.settlement.get("payment") or {}).get("client_parameters"):
                raise StepWrong("no order yet")

        await patiently(ordered)

    async def pay(self) -> None:
        """Type the password in WeChat."""
        package = self.journey.settlement["payment"]["client_parameters"]["package"]
        body = {"prepay_id": package.removeprefix("prepay_id="), "openid": self.journey.subject}
        answer = await self.journey.twins.post("/wechatpay/sandbox/pay", json=body)
        answer.raise_for_status()

    async def reach(self, *states: str) -> None:
        """Look until the settlement is in one of these states."""
        await self._until(lambda seen: seen["state"] in states)

    async def post(self) -> None:
        """The hospital acknowledges."""
        settlement_id = self.journey.settlement["settlement_id"]
        target = f"/v1/institution/settlements/{settlement_id}/posting"
        body = {"hospital_ref": f"HIS{self.journey.bill_no}"}
        hospital = self.journey.hospital
        key = secrets.token_hex(8)
        await patiently(lambda: hospital.ask("POST", target, body, key=key))

    async def _ask(self, method: str, target: str, body: Any) -> Any:
        key = self._keys.setdefault(target, secrets.token_hex(8))
        resident = self.journey.resident
        return await patiently(lambda: resident.ask(method, target, body, key=key))

    async def _until(self, fits: Callable[[dict[str, Any]], bool]) -> None:
        resident = self.journey.resident

        async def look() -> None:
            self.journey.settlement = await resident.ask("GET", self.target)
            if not fits(self.journey.settlement):
                raise StepWrong(f"still {self.journey.settlement['state']}")

        await patiently(look)


async def patiently(action: Callable[[], Awaitable[Any]], within_s: float = WITHIN_S) -> Any:
    """Repeat until it succeeds. Raises the last fault when the time is over."""
    end = time.monotonic() + within_s
    while True:
        try:
            return await action()
        except (StepWrong, httpx.HTTPError, OSError, asyncpg.PostgresError):
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)


@asynccontextmanager
async def a_traveller(system: RunningSystem) -> AsyncIterator[Traveller]:
    """A new person before a running system."""
    demo = msgspec.json.decode((system.state_dir / "demo.json").read_bytes(), type=DemoHospital)
    async with (
        httpx.AsyncClient(base_url=system.base_url, timeout=20.0, trust_env=False) as client,
        httpx.AsyncClient(base_url=system.twin_url, timeout=20.0, trust_env=False) as twins,
    ):
        yield Traveller(Journey(client, twins, demo))
