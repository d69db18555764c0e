"""The settlement's rig before a hospital that speaks with its bureau itself: the machine's twin
asks the real application over signed HTTP, beside the worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import httpx
from msgspec.structs import replace

from crypto.sm2 import PrivateKey
from integrations.sandbox.hospital.app import Hospital, HospitalSettings
from integrations.sandbox.hospital.insurance_machine import (
    Booked,
    InsuranceMachine,
    MachineFault,
)
from integrations.sandbox.hospital.signing import HospitalKeys
from service.app import create_app
from service.institution import actions as institution
from service.institution.model import MovedAmounts
from service.kernel.database import connection
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.support.app import a_client
from tests.support.callers import ApplicationCaller
from tests.support.fakes_identity import POLICY
from tests.support.identity_rig import CIPHER, PAGES
from tests.support.settlement_rig import PROVIDER, Rig, a_rig

PATIENT_S = 60
"""Long enough for any machine that answers."""
HASTY_S = 0.3
"""For one that is silent on purpose."""
STEP = timedelta(seconds=10)
ROUNDS_MAX = 200
ENDS = frozenset(
    {
        SettlementState.POSTED,
        SettlementState.REVERSED,
        SettlementState.COLLECTING,
        SettlementState.NEEDS_REVIEW,
    }
)


class MachineRig:
    """The rig, the hospital's machine, and a caller with the hospital's key."""

    def __init__(self, rig: Rig, client: httpx.AsyncClient) -> None:
        self.rig = rig
        self.client = client
        self.machine: InsuranceMachine
        self.caller: ApplicationCaller
        self.key = PrivateKey.generate()

    async def set_up(self) -> None:
        """Enrol the machine's application."""
        self.caller = await self.an_application(self.rig.place.institution_id, self.key)
        keys = HospitalKeys(
            application_id=self.caller.caller_id,
            private_key=self.key.to_bytes().hex(),
            platform_keys=[self.caller.platform.to_bytes().hex()],
        )
        settings = HospitalSettings(base_url="http://yimatong.test", keys=keys)
        hospital = Hospital(settings, self.client, self.rig.clock.now, lambda _: None)
        self.machine = hospital.insurance

    async def an_application(
        self, institution_id: int, key: PrivateKey, scope: str = "insurance"
    ) -> ApplicationCaller:
        """An application of an institution, and how it calls."""
        ctx = self.rig.ctx
        row = await institution.enrol_application(
            ctx,
            institution_id,
            name="前置机",
            public_key=key.public.to_bytes(),
            scopes=frozenset({scope}),
        )
        caller_id = ctx.public_ids.text(institution_id, row.application_id)
        platform = institution.platform_key(ctx)
        return ApplicationCaller(self.client, ctx.clock, caller_id, key, platform)

    async def work_on(self) -> None:
        """The machine's loop, until cancelled."""
        while True:
            await self.machine.work()
            await asyncio.sleep(0.04)

    def wait_at_most(self, seconds: float) -> None:
        """How long the worker waits for the machine from now on."""
        policy = replace(self.rig.ctx.policy, ask_within=timedelta(seconds=seconds))
        self.rig.ctx = replace(self.rig.ctx, policy=policy)

    async def commit(self, ask: str, *faults: MachineFault) -> None:
        """Work, hardly waiting, until the machine has done wrong in all these ways."""
        self.machine.plan(ask, *faults)
        self.wait_at_most(HASTY_S)
        for _ in range(ROUNDS_MAX):
            await self.rig.run_for(STEP, STEP)
            if not self.machine.faults:
                break
        assert self.machine.faults == []
        self.wait_at_most(PATIENT_S)

    async def ended(self, row: Settlement) -> Settlement:
        """The settlement once nothing more happens by itself, and the hospital has posted it."""
        step = STEP
        for _ in range(ROUNDS_MAX):
            found = await self.rig.read(row)
            if found.state is SettlementState.POSTING:
                await self.rig.post(found, f"HIS-{found.settlement_id}")
                return await self.rig.read(row)
            if found.state in ENDS:
                return found
            await self.rig.run_for(step, step)
            step = min(step * 1.5, timedelta(minutes=10))
        raise AssertionError(f"{found.state} never ends")

    def booked(self, row: Settlement) -> list[Booked]:
        """What the hospital's book holds of a settlement, undone or not."""
        text = self.rig.ctx.public_ids.text(row.record_id, row.settlement_id)
        return [one for one in self.machine.settlements if one.settlement_id == text]

    async def assert_posted(self, row: Settlement) -> None:
        """The hospital's book, our row, the till and the ledger say the same, once."""
        assert row.state is SettlementState.POSTED, (row.state, row.reason)
        expected = {
            f"provider:{PROVIDER}": row.cash_fen or 0,
            "insurer": (row.fund_fen or 0) + (row.account_fen or 0),
            "hospital": -row.total_fen,
        }
        found = await self.rig.balances(row)
        assert found == {name: fen for name, fen in expected.items() if fen}
        assert row.paid_fen - row.refunded_fen == row.cash_fen
        (live,) = [one for one in self.booked(row) if one.live]
        assert (live.ref, live.split["fund_fen"]) == (row.settlement_ref, row.fund_fen)

    async def assert_undone(self, row: Settlement) -> None:
        """Nobody has anything of anybody, nor does a division stand."""
        assert row.state is SettlementState.REVERSED, (row.state, row.reason)
        assert await self.rig.balances(row) == {}
        assert not any(one.live for one in self.booked(row))
        text = self.rig.ctx.public_ids.text(row.record_id, row.settlement_id)
        assert text not in self.machine.divided
        assert row.paid_fen == row.refunded_fen

    async def items(self, row: Settlement) -> set[str]:
        """Reasons of the settlement's open work items."""
        async with connection(self.rig.ctx.pool) as conn:
            rows = await conn.fetch(
                "select reason from work_item where subject_id = $1 and closed_at is null",
                row.settlement_id,
            )
        return {one["reason"] for one in rows}


@asynccontextmanager
async def a_machine_rig(
    dsn: str,
    *,
    moved: MovedAmounts = MovedAmounts.ADJUST,
    working: bool = True,
) -> AsyncIterator[MachineRig]:
    """A hospital whose machine takes and answers, unless not ``working``."""
    policy = replace(
        POLICY, ask_within=timedelta(seconds=PATIENT_S), lease=timedelta(seconds=3 * PATIENT_S)
    )
    async with a_rig(dsn, moved=moved, policy=policy) as rig:
        rig.partners.hospital_insures = True
        async with a_client(create_app(rig.ctx, CIPHER, PAGES)) as client:
            made = MachineRig(rig, client)
            await made.set_up()
            work = asyncio.create_task(made.work_on() if working else asyncio.sleep(0))
            try:
                yield made
            finally:
                work.cancel()
                with suppress(asyncio.CancelledError):
                    await work
