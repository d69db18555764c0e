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
from integrations.sandbox.hospital.insurance_machine import InsuranceMachine
from integrations.sandbox.hospital.signing import HospitalKeys
from service.app import create_app
from service.bill import actions as bill
from service.bill.states import BillState
from service.institution import actions as institution
from service.institution.model import MovedAmounts
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.support.app import a_client
from tests.support.callers import ApplicationCaller
from tests.support.fakes_identity import POLICY
from tests.support.identity_rig import CIPHER, PAGES
from tests.support.settlement_rig import PROVIDER, Rig, a_rig

PATIENT_S = 60
"""Long enough for any machine that answers."""
HASTY_S = 0.2
"""For one that is silent on purpose."""


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
            await asyncio.sleep(0.01)

    async def posted(self, row: Settlement) -> None:
        """The hospital acknowledges; its book, our row and the ledger say the same."""
        rig = self.rig
        row = await rig.post(await rig.read(row))
        await rig.work()
        row = await rig.read(row)
        assert row.state is SettlementState.POSTED
        expected = {
            f"provider:{PROVIDER}": row.cash_fen or 0,
            "insurer": (row.fund_fen or 0) + (row.account_fen or 0),
            "hospital": -row.total_fen,
        }
        assert await rig.balances(row) == {name: fen for name, fen in expected.items() if fen}
        assert row.paid_fen - row.refunded_fen == row.cash_fen == rig.till.kept_fen
        (live,) = self.machine.live
        assert (live.ref, live.split["fund_fen"]) == (row.settlement_ref, row.fund_fen)
        charged = await bill.read(rig.ctx, row.record_id, row.bill_id)
        assert charged.state is BillState.PAID

    async def undone(self, row: Settlement, reason: str) -> None:
        """Nobody has anything of anybody, and the bill may be settled anew."""
        rig = self.rig
        row = await rig.read(row)
        assert (row.state, row.reason) == (SettlementState.REVERSED, reason)
        assert await rig.balances(row) == {}
        assert self.machine.live == []
        assert self.machine.divided == set()
        assert (rig.till.kept_fen, row.paid_fen) == (0, row.refunded_fen)


@asynccontextmanager
async def a_machine_rig(
    dsn: str,
    *,
    within_s: float = PATIENT_S,
    moved: MovedAmounts = MovedAmounts.ADJUST,
    working: bool = True,
) -> AsyncIterator[MachineRig]:
    """A hospital whose machine takes and answers, unless not ``working``."""
    policy = replace(
        POLICY, ask_within=timedelta(seconds=within_s), lease=timedelta(seconds=3 * PATIENT_S)
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
