"""Whole settlements over a real database and partners in memory; asserts rows, books and ledger."""

from datetime import timedelta

import pytest

from service.settlement.states import SettlementState
from tests.support.settlement_rig import Rig, a_rig

S = SettlementState


@pytest.fixture
async def rig(fresh_database: str) -> Rig:
    async with a_rig(fresh_database) as made:
        yield made


async def test_an_insured_bill_is_settled_paid_and_posted(rig: Rig) -> None:
    charged = await rig.push_bill(30_00, 70_00)
    row = await rig.start(charged)
    assert row.state is S.PRESETTLING
    await rig.work()
    row = await rig.read(row)
    assert (row.state, row.fund_fen, row.cash_fen) == (S.PRESETTLED, 60_00, 40_00)
    row = await rig.pay(row)
    assert row.state is S.AWAITING_PAYER
    rig.till.pay(rig.till.unpaid()[0])
    await rig.run_for(timedelta(seconds=60))
    row = await rig.read(row)
    assert row.state is S.POSTING
    row = await rig.post(row)
    assert row.state is S.POSTED
    assert await rig.history(row) == [
        "PRESETTLING",
        "PRESETTLED",
        "AWAITING_PAYER",
        "PAID",
        "SETTLING",
        "SETTLED",
        "POSTING",
        "POSTED",
    ]
    assert await rig.balances(row) == {
        "provider:wechatpay": 40_00,
        "insurer": 60_00,
        "hospital": -100_00,
    }
    assert [one.ref for one in rig.bureau.live] == [row.settlement_ref]
    assert rig.till.kept_fen == row.cash_fen == row.paid_fen
    assert await rig.items(row) == set()
