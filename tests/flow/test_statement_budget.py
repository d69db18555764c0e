"""What one settlement sends to the database, act by act: a budget, so that it cannot creep back.

Every statement, begin and commit counts; questions whether anything is due do not, for many
settlements share their answer.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec

from service.settlement.states import SettlementState
from tests.support.counted import CountedPool
from tests.support.settlement_rig import Rig, a_rig

BUDGET = {
    "the hospital pushes the bill": 7,
    "the payer starts": 4,
    "the bureau divides it": 14,
    "the payer orders": 10,
    "the payment is known, and the bureau settles it": 28,
    "the hospital posts it": 9,
}
"""The bureau's part: one for each call (its outcome with all that follows from it, the intent of
the next call among it), the first intent, their numbers taken together, the claim, and what the
worker reads once."""


async def _push(rig: Rig) -> Any:
    return await rig.push_bill(5000, 3000)


async def test_a_settlement_keeps_to_its_budget(fresh_database: str) -> None:
    async with a_rig(fresh_database) as rig:
        await _settle(rig, lambda _name, act: act())  # Keys are opened once in a process' life.
        pool = CountedPool(rig.ctx.pool)
        rig.ctx = msgspec.structs.replace(rig.ctx, pool=pool)
        spent: dict[str, list[str]] = {}

        async def counted(name: str, act: Callable[[], Awaitable[Any]]) -> Any:
            pool.sent.clear()
            done = await act()
            spent[name] = [sql for sql in pool.sent if not _asks_what_is_due(sql)]
            return done

        await _settle(rig, counted)
    over = {name: sent for name, sent in spent.items() if len(sent) > BUDGET[name]}
    assert not over, over
    assert spent.keys() == BUDGET.keys()


def _asks_what_is_due(sql: str) -> bool:
    text = sql.strip()
    return text.startswith("select") and text.endswith("limit $2")


async def _settle(rig: Rig, counted: Callable[..., Awaitable[Any]]) -> None:
    charged = await counted("the hospital pushes the bill", lambda: _push(rig))
    row = await counted("the payer starts", lambda: rig.start(charged))
    await counted("the bureau divides it", rig.work)
    row = await rig.read(row)
    await counted("the payer orders", lambda: rig.pay(row))
    rig.till.pay(rig.till.unpaid()[0])
    rig.clock.advance(timedelta(seconds=31))
    await counted("the payment is known, and the bureau settles it", rig.work)
    row = await rig.read(row)
    assert row.state is SettlementState.POSTING
    row = await counted("the hospital posts it", lambda: rig.post(row))
    assert row.state is SettlementState.POSTED
    await rig.work()  # What was told of it is not the next one's.
