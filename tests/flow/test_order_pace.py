"""Whatever a client does, a provider is not flooded with orders of one settlement."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.institution import actions as institution
from service.kernel.problems import TooManyRequests
from service.settlement import rules
from tests.support.settlement_rig import ACCOUNT, SECOND, Rig, a_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[Rig]:
    async with a_rig(fresh_database) as made:
        yield made


async def test_a_client_that_changes_the_way_for_ever_is_slowed_down(rig: Rig) -> None:
    place = rig.place.institution_id
    await institution.set_merchant_account(rig.ctx, place, provider=SECOND, account_name=ACCOUNT)
    row = await rig.start(await rig.push_bill(100_00), insured=False)
    waits_s = []
    for turn in range(40):
        try:
            row = await rig.pay(row, provider=(SECOND, "wechatpay")[turn % 2])
        except TooManyRequests as fault:
            waits_s.append(fault.extensions["retry_after_s"])
            row = await rig.read(row)
    orders = await rig.attempts(row)
    assert (len(orders), len(waits_s)) == (rules.ORDERS_MAX, 40 - rules.ORDERS_MAX)
    assert all(isinstance(wait_s, int) and 1 <= wait_s <= 60 for wait_s in waits_s)
    rig.clock.advance(timedelta(seconds=61))
    row = await rig.pay(await rig.read(row))
    assert len(await rig.attempts(row)) == rules.ORDERS_MAX + 1
    till = rig.till if (await rig.attempts(row))[0].provider == "wechatpay" else rig.second
    till.pay(till.unpaid()[0])
    row = await rig.settled(row)
    assert row.paid_fen == 100_00
