"""Reliefs: what a programme takes over of the payer's part, used before anybody's money."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.bill.model import Relief
from service.bill.problems import BillRefused
from service.bill.states import BillKind
from service.kernel.database import connection
from service.settlement import actions
from service.settlement.corrections.model import BillAfter
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.support.corrections import ask
from tests.support.settlement_rig import Rig, a_rig
from tests.support.stays import deposit, held_fen, push

S = SettlementState
DONOR = "blood-donor"
TOLD = """
select body ->> 'tenders' from outbox where subject_id = $1 and topic = 'settlement.posted'
"""


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


def a_relief(fen: int, programme: str = DONOR) -> Relief:
    return Relief(programme=programme, name="无偿献血者减免", amount_fen=fen)


async def tenders(rig: Rig, row: Settlement) -> list[tuple[str, int, int]]:
    """(provider, taken, given back or promised) of each."""
    return sorted(
        (one.provider, one.amount_fen, one.refunding_fen + one.refunded_fen)
        for one in await rig.attempts(row)
    )


async def test_a_relief_is_used_before_money_and_booked_to_its_own_account(rig: Rig) -> None:
    charged = await rig.push_bill(60_00, 40_00, reliefs=[a_relief(15_00)])
    row = await rig.start(charged)
    await rig.work()
    row = await rig.read(row)
    assert (row.state, row.cash_fen, row.paid_fen) == (S.PRESETTLED, 40_00, 15_00)
    rig.clock.advance(timedelta(seconds=1))
    row = await rig.pay(row)
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.paid_by) == (S.POSTED, "relief+wechatpay")
    assert rig.till.kept_fen == 25_00
    assert await rig.balances(row) == {
        "relief": 15_00,
        "provider:wechatpay": 25_00,
        "insurer": 60_00,
        "hospital": -100_00,
    }
    async with connection(rig.ctx.pool) as conn:
        told = await conn.fetchval(TOLD, row.settlement_id)
    assert told == "relief:1500+wechatpay:2500"


async def test_several_reliefs_cover_the_own_part_and_not_a_fen_more(rig: Rig) -> None:
    reliefs = [a_relief(30_00), a_relief(30_00, "poverty"), a_relief(30_00, "waiver")]
    row = await rig.start(await rig.push_bill(100_00, reliefs=reliefs))
    await rig.work()
    row = await rig.read(row)
    assert await tenders(rig, row) == [("relief", 10_00, 0), ("relief", 30_00, 0)]
    row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.paid_by, rig.till.kept_fen) == (S.POSTED, "relief", 0)
    used = {one.provider_ref: one.amount_fen for one in await rig.attempts(row)}
    assert used == {DONOR: 30_00, "poverty": 10_00}


async def test_lines_given_back_give_money_back_before_the_relief(rig: Rig) -> None:
    charged = await rig.push_bill(50_00, 50_00, reliefs=[a_relief(25_00)])
    row = await rig.start(charged)
    await rig.work()
    row = await rig.pay(await rig.read(row))
    rig.till.pay(rig.till.unpaid()[0])
    row = await rig.post(await rig.settled(row))
    await ask(rig, row, "1")
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.cash_fen) == (S.POSTED, 20_00)
    assert await tenders(rig, row) == [("relief", 25_00, 5_00), ("wechatpay", 15_00, 15_00)]
    assert (await rig.balances(row))["relief"] == 20_00
    await ask(rig, row, bill_after=BillAfter.OPEN)
    row = await rig.settled(row)
    assert (row.state, row.refunded_fen) == (S.REVERSED, 40_00)
    assert not any((await rig.balances(row)).values())
    assert rig.till.kept_fen == 0


async def test_what_is_undone_uses_no_relief_and_the_next_attempt_all_of_it(rig: Rig) -> None:
    charged = await rig.push_bill(100_00, reliefs=[a_relief(15_00)])
    row = await rig.start(charged, insured=False)
    assert (row.paid_fen, row.cash_fen) == (15_00, 100_00)
    await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.settled(row)
    assert row.state is S.REVERSED
    assert not any((await rig.balances(row)).values())
    again = await rig.start(charged, insured=False)
    assert again.paid_fen == 15_00


async def test_where_the_insurance_pays_more_than_promised_money_goes_back_first(rig: Rig) -> None:
    charged = await rig.push_bill(100_00, reliefs=[a_relief(38_00)])
    row = await rig.start(charged)
    await rig.work()
    row = await rig.pay(await rig.read(row))
    rig.till.pay(rig.till.unpaid()[0])
    rig.bureau.cash_moves_fen = -5_00
    row = await rig.post(await rig.settled(row))
    assert (row.state, row.cash_fen) == (S.POSTED, 35_00)
    assert await tenders(rig, row) == [("relief", 38_00, 3_00), ("wechatpay", 2_00, 2_00)]
    assert (await rig.balances(row))["relief"] == 35_00


async def test_a_discharge_uses_reliefs_and_then_deposits(rig: Rig) -> None:
    first = await deposit(rig, 90_00)
    row = await rig.start(
        await push(rig, BillKind.DISCHARGE, 100_00, reliefs=[a_relief(30_00)]), insured=False
    )
    assert (row.paid_fen, row.cash_fen) == (120_00, 100_00)
    row = await actions.confirm(rig.ctx, row.record_id, row.settlement_id)
    row = await rig.post(await rig.settled(row))
    assert await tenders(rig, row) == [("deposit", 90_00, 20_00), ("relief", 30_00, 0)]
    assert (await rig.read(first)).refunded_fen == 20_00
    assert (await held_fen(rig), rig.till.kept_fen) == (0, 70_00)


@pytest.mark.parametrize(
    ("reliefs", "changes"),
    [
        ([a_relief(100_01)], {}),
        ([a_relief(60_00), a_relief(40_01, "waiver")], {}),
        ([a_relief(1), a_relief(1)], {}),
        ([a_relief(1)], {"kind": BillKind.DEPOSIT}),
    ],
    ids=["more-than-the-bill", "together-more", "a-programme-twice", "of-a-deposit"],
)
async def test_reliefs_that_cannot_be_are_refused_with_the_bill(
    rig: Rig, reliefs: list[Relief], changes: dict[str, BillKind]
) -> None:
    if changes:
        with pytest.raises(BillRefused, match="reliefs"):
            await push(rig, BillKind.DEPOSIT, 100_00, reliefs=reliefs)
        return
    with pytest.raises(BillRefused, match="reliefs"):
        await rig.push_bill(100_00, reliefs=reliefs)
