"""kill -9 of the API, the worker and PostgreSQL in the middle of a settlement.

``yimatong run`` brings the dead part back by itself, and the settlement ends right: posted, paid
once, and all three books agree to the fen.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from loadtests import books
from tests.support.running import RunningSystem, running_system
from tests.support.traveller import Traveller, a_traveller, patiently

HELD_MS = 1500
KILLED_AFTER_S = 0.6
PACE = {
    "YIMATONG_POLL_EVERY_S": "1",
    "YIMATONG_RETRY_AFTER_S": "1",
    "YIMATONG_LEASE_S": "4",
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    folder: Path = tmp_path_factory.mktemp("killed")
    with running_system(folder, **PACE) as running:
        yield running


async def kill(system: RunningSystem, role: str) -> None:
    """kill -9, from beside the event loop."""
    if role == "postgres":
        await asyncio.to_thread(system.kill_postgres)
    else:
        await asyncio.to_thread(system.kill, role)


async def hold_insurance(system: RunningSystem, infno: str) -> None:
    """The bureau does the next such message, and takes its time to say so."""
    fault = {"fault": "delay", "infno": infno, "delay_ms": HELD_MS}
    async with httpx.AsyncClient(base_url=system.twin_url, trust_env=False) as twins:
        answer = await twins.post("/insurance/sandbox/faults", json=[fault])
        answer.raise_for_status()


async def hold_orders(system: RunningSystem) -> None:
    """The provider takes its time for the next order."""
    path = "POST /v3/pay/transactions/jsapi"
    fault = {"fault": "slow", "path": path, "delay_ms": HELD_MS}
    async with httpx.AsyncClient(base_url=system.twin_url, trust_env=False) as twins:
        answer = await twins.post("/wechatpay/sandbox/faults", json=fault)
        answer.raise_for_status()


async def dsn_of(system: RunningSystem) -> str:
    """The database's address; it may be coming back."""

    async def read() -> str:
        return (system.state_dir / "database-url").read_text("utf-8").strip()

    found: str = await patiently(read)
    return found


async def end_well(system: RunningSystem, traveller: Traveller) -> None:
    """Post it, wait until all is at rest, and compare the books."""
    await traveller.reach("POSTING")
    await traveller.post()
    await traveller.reach("POSTED")
    dsn = await dsn_of(system)

    async def at_rest() -> None:
        left = await books.unfinished(dsn)
        if left:
            raise OSError(str(left))

    await patiently(at_rest)
    found = await books.read(dsn, system.twin_url)
    assert books.differences(found) == []
    assert {row["state"] for row in found.settlements} == {"POSTED"}
    bill_total = {row["total_fen"] for row in found.settlements}
    assert bill_total == {13_610}
    paid = [order for order in found.orders if order["trade_state"] == "SUCCESS"]
    assert len(paid) == len(found.settlements), "each settlement was paid once"
    assert found.returns == []
    assert found.items == []


@pytest.mark.parametrize("role", ["serve", "worker", "postgres"])
async def test_killed_while_the_bureau_divides_the_bill(system: RunningSystem, role: str) -> None:
    async with a_traveller(system) as traveller:
        await traveller.arrive()
        await hold_insurance(system, "2206")
        await traveller.start()
        await asyncio.sleep(KILLED_AFTER_S)
        await kill(system, role)
        await traveller.reach("PRESETTLED")
        await traveller.order()
        await traveller.pay()
        await end_well(system, traveller)


@pytest.mark.parametrize("role", ["serve", "worker", "postgres"])
async def test_killed_while_the_order_is_placed(system: RunningSystem, role: str) -> None:
    async with a_traveller(system) as traveller:
        await traveller.arrive()
        await traveller.start()
        await traveller.reach("PRESETTLED")
        await hold_orders(system)
        ordering = asyncio.create_task(traveller.order())
        await asyncio.sleep(KILLED_AFTER_S)
        await kill(system, role)
        await ordering
        await traveller.pay()
        await end_well(system, traveller)


@pytest.mark.parametrize("role", ["serve", "worker", "postgres"])
async def test_killed_while_the_bureau_settles(system: RunningSystem, role: str) -> None:
    async with a_traveller(system) as traveller:
        await traveller.arrive()
        await traveller.start()
        await traveller.reach("PRESETTLED")
        await traveller.order()
        await hold_insurance(system, "2207")
        await traveller.pay()
        await traveller.reach("SETTLING", "SETTLED", "POSTING")
        await kill(system, role)
        await end_well(system, traveller)
