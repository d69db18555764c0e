"""Insurance performed by the hospital's own machine and reported signed: whole settlements."""

import pytest

from integrations.sandbox.hospital.insurance_machine import MachineFault
from service.institution.model import MovedAmounts
from service.settlement.states import SettlementState
from tests.support.machine_rig import a_machine_rig

S = SettlementState
F = MachineFault


async def test_a_person_whom_only_the_hospital_knows_is_insured_to_the_end(
    fresh_database: str,
) -> None:
    async with a_machine_rig(fresh_database) as at:
        row = await at.rig.to_paid(60_00, 40_00)
        row = await at.rig.settled(row)
        assert (row.fund_fen, row.cash_fen) == (60_00, 40_00)
        assert at.rig.bureau.calls == []
        assert [kind for kind, _ in at.machine.performed] == ["presettle", "settle"]
        await at.posted(row)
        assert await at.rig.items(row) == set()


